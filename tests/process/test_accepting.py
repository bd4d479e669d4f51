"""Connections shared among those who accept from one socket, by both kinds of event loop."""

import asyncio
import os
import resource
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
import uvloop

from storage_service.app.process.accepting import Acceptor

MANY = 20
PATIENCE_SECONDS = 30.0


class Greeter(asyncio.Protocol):
    """Says its name to whom it meets, and waits."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._name)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as made:
        yield made


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=4 * MANY) as made:
        yield made


def naming(name: bytes) -> Callable[[], asyncio.Protocol]:
    return lambda: Greeter(name)


def call(listener: socket.socket) -> socket.socket:
    made = socket.create_connection(listener.getsockname())
    made.setblocking(False)
    return made


async def answer(connection: socket.socket) -> bytes:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.get_running_loop().sock_recv(connection, 100)


def test_those_who_share_a_socket_take_turns(runner: asyncio.Runner, listener: socket.socket) -> None:
    async def work() -> list[bytes]:
        waiting = [call(listener) for _ in range(MANY)]
        with listener.dup() as other:  # an event loop watches a descriptor once
            acceptors = [Acceptor(listener, naming(b"one"), None), Acceptor(other, naming(b"two"), None)]
            names = [await answer(one) for one in waiting]
            for acceptor in acceptors:
                acceptor.close()
        for connection in waiting:
            connection.close()
        await asyncio.sleep(0.05)
        return names

    names = runner.run(work())
    assert names.count(b"one") + names.count(b"two") == MANY
    assert abs(names.count(b"one") - names.count(b"two")) <= 4  # two at a time


def test_closed_acceptor_takes_no_more_and_its_connections_go_on(
    runner: asyncio.Runner, listener: socket.socket
) -> None:
    async def work() -> None:
        acceptor = Acceptor(listener, naming(b"hello"), None)
        with call(listener) as early:
            assert await answer(early) == b"hello"
            acceptor.close()
            with call(listener) as late:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asyncio.get_running_loop().sock_recv(late, 100), 0.3)
                with pytest.raises(BlockingIOError):
                    early.recv(1)
        await asyncio.sleep(0.05)

    runner.run(work())


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """No call that would open one succeeds meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = max(int(one.name) for one in Path("/proc/self/fd").iterdir())
    filling = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 1, hard))
    try:
        with suppress(OSError):
            while True:
                filling.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in filling:
            os.close(one)


def test_connection_waits_while_there_are_no_descriptors(runner: asyncio.Runner, listener: socket.socket) -> None:
    async def work() -> bytes:
        used = time.process_time()
        acceptor = Acceptor(listener, naming(b"late"), None)
        with call(listener) as waiting:
            with no_descriptors_left():
                await asyncio.sleep(0.5)
                assert time.process_time() - used < 0.4  # it looks now and then, not all the time
                with pytest.raises(BlockingIOError):
                    waiting.recv(1)
            found = await answer(waiting)
        acceptor.close()
        await asyncio.sleep(0.05)
        return found

    assert runner.run(work()) == b"late"


def test_client_that_speaks_no_tls_is_let_go(runner: asyncio.Runner, listener: socket.socket) -> None:
    async def work() -> bytes:
        acceptor = Acceptor(listener, naming(b"secret"), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        with call(listener) as plain:
            await asyncio.get_running_loop().sock_sendall(plain, b"GET / HTTP/1.1\r\n\r\n")
            found = b""
            with suppress(ConnectionResetError):
                while data := await answer(plain):
                    found += data
        acceptor.close()
        return found

    assert b"secret" not in runner.run(work())
