"""Where bodies fill the memory they may take: a connection reads little, and only what is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop
from uvicorn import Config
from uvicorn.server import ServerState

from storage_service.app.edge.body import SHARED
from storage_service.app.process.heads import Protocol
from storage_service.app.process.narrow import AREA, NARROW

BODY = bytes(range(256)) * (3 << 12)  # 3 MiB
HEAD = f"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
HEAD_ROOM = 64 << 10  # uvicorn reads on until so much is unread
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
OK = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}


@pytest.fixture
def full() -> Iterator[None]:
    before, SHARED.taken = SHARED.taken, SHARED.total
    yield
    SHARED.taken = before


class App:
    """Takes bodies slowly, and remembers how they came."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.bodies: list[bytes] = []
        self.unread: list[int] = []  # what a connection held while a piece was being worked on
        self.protocol: Protocol | None = None

    def connect(self, config: Config) -> Protocol:
        self.protocol = Protocol(config, ServerState(), {})
        return self.protocol

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
            self.sizes.append(len(message["body"]))
            await asyncio.sleep(0.001)
            assert self.protocol is not None
            self.unread.append(len(self.protocol.cycle.body) if self.protocol.cycle else 0)
        self.bodies.append(body)
        await send(OK)
        await send({"type": "http.response.body", "body": b"ok"})


async def talk(requests: tuple[bytes, ...], between: Callable[[App], None]) -> tuple[App, bytes]:
    """What the application saw of these, sent as fast as they are taken on one connection; and the answers."""
    app = App()
    config = Config(app, log_config=None, access_log=False, lifespan="off")
    config.load()
    server = await asyncio.get_running_loop().create_server(lambda: app.connect(config), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    answers = b""
    for request in requests:
        writer.write(request)
        answers += await asyncio.wait_for(reader.readuntil(b"\r\n\r\nok"), 30)
        between(app)
    writer.close()
    await writer.wait_closed()
    server.close()
    return app, answers


def told(*requests: bytes, between: Callable[[App], None] = lambda _: None) -> App:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        app, answers = runner.run(talk(requests, between))
    assert answers.count(b" 200 OK\r\n") == len(requests)
    return app


@pytest.mark.usefixtures("full")
def test_body_comes_whole_in_small_pieces_none_before_it_is_asked_for() -> None:
    app = told(HEAD + BODY)
    assert app.bodies == [BODY]
    assert max(app.sizes[2:]) <= len(NARROW)  # the first may have come with the head, in uvloop's own memory
    assert max(app.unread) == 0


def test_with_room_enough_it_reads_on_in_large_pieces() -> None:
    app = told(HEAD + BODY)
    assert app.bodies == [BODY]
    assert max(app.sizes) > len(NARROW)
    assert max(app.unread) > 0


@pytest.mark.usefixtures("full")
def test_narrow_connection_goes_on_as_before_once_there_is_room() -> None:
    def make_room(app: App) -> None:
        SHARED.taken = 0
        app.sizes.clear()

    app = told(HEAD + BODY, HEAD + BODY, NEXT, between=lambda app: make_room(app) if len(app.bodies) == 1 else None)
    assert app.bodies == [BODY, BODY, b""]
    assert len(NARROW) < max(app.sizes) <= len(AREA) + HEAD_ROOM


@pytest.mark.usefixtures("full")
def test_client_that_leaves_in_the_midst_is_noticed() -> None:
    async def leave() -> list[str]:
        seen: list[str] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            while not seen or seen[-1] != "http.disconnect":
                seen.append((await receive())["type"])

        config = Config(app, log_config=None, access_log=False, lifespan="off")
        config.load()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Protocol(config, ServerState(), {}), "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(HEAD + BODY[: 1 << 20])
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.transport.abort()
        for _ in range(200):
            if seen and seen[-1] == "http.disconnect":
                break
            await asyncio.sleep(0.05)
        server.close()
        return seen

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(leave())
    assert seen[-1] == "http.disconnect"
    assert seen.count("http.request") > 1
