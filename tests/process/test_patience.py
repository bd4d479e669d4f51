"""Clients that stand still are left in the end, and those that send heads without end are refused; others never are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from storage_service.app.process.heads import Protocol
from storage_service.app.process.patience import MOST_HEAD_BYTES, TOO_LARGE

PATIENCE_SECONDS = 1.0
LONG_SECONDS = 60.0  # a condition comes within a second or two
UPLOAD = b"PUT /a HTTP/1.1\r\nhost: a\r\n"
Connected = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Impatient(Protocol):
    patience_seconds, look_seconds = PATIENCE_SECONDS, 0.1


class Patient(Protocol):
    patience_seconds = 100 * LONG_SECONDS


class App:
    """Reads the body, then answers with `size` bytes; `late` after so many seconds."""

    def __init__(self, size: int = 2, late: float = 0.0) -> None:
        self.left = asyncio.Event()
        self._size = size
        self._late = late

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            self.left.set()
            return
        await asyncio.sleep(self._late)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % self._size)]})
        for start in range(0, self._size, 1 << 16):
            piece = bytes(min(1 << 16, self._size - start))
            await send({"type": "http.response.body", "body": piece, "more_body": start + len(piece) < self._size})
        if (await receive())["type"] == "http.disconnect":
            self.left.set()


@asynccontextmanager
async def connected(app: App, kind: type[Protocol] = Impatient, idle_seconds: int = 5) -> AsyncIterator[Connected]:
    config = Config(
        app, log_config=None, access_log=False, lifespan="off", proxy_headers=False, timeout_keep_alive=idle_seconds
    )
    config.load()
    server = await asyncio.get_running_loop().create_server(lambda: kind(config, ServerState(), {}), "127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1 << 16)
        yield reader, writer
        writer.close()
    finally:
        server.close()


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side ends it."""
    heard = b""
    async with asyncio.timeout(LONG_SECONDS):
        with suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                heard += piece
    return heard


@pytest.mark.parametrize("sent", [b"", b"G", UPLOAD, UPLOAD + b"x-slow: "])
async def test_connection_without_a_whole_head_ends(sent: bytes) -> None:
    async with connected(App()) as (reader, writer):
        writer.write(sent)
        assert await rest_of(reader) == b""


async def test_head_that_comes_letter_by_letter_ends_too() -> None:
    async with connected(App()) as (reader, writer):
        writer.write(UPLOAD + b"x-slow: ")

        async def trickle() -> None:
            with suppress(ConnectionError):
                while True:
                    writer.write(b"a")
                    await writer.drain()
                    await asyncio.sleep(0.1)

        trickling = asyncio.ensure_future(trickle())
        assert await rest_of(reader) == b""
        trickling.cancel()


async def test_body_that_stops_ends_and_the_app_hears_of_it() -> None:
    app = App()
    async with connected(app) as (reader, writer):
        writer.write(UPLOAD + b"content-length: 10\r\n\r\n12345")
        assert await rest_of(reader) == b""
        await asyncio.wait_for(app.left.wait(), LONG_SECONDS)


async def test_answer_that_nobody_takes_ends_and_the_app_hears_of_it() -> None:
    app = App(size=256 << 20)
    async with connected(app) as (_, writer):
        writer.write(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n")
        await asyncio.wait_for(app.left.wait(), LONG_SECONDS)


async def test_client_that_goes_on_slowly_is_waited_for() -> None:
    pieces = 20  # over twice the patience
    async with connected(App(late=2 * PATIENCE_SECONDS)) as (reader, writer):
        writer.write(UPLOAD + b"content-length: %d\r\n\r\n" % pieces)
        for _ in range(pieces):
            writer.write(b"x")
            await asyncio.sleep(0.1)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LONG_SECONDS)
        assert head.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "sent",
    [
        UPLOAD + b"x-large: " + b"a" * (MOST_HEAD_BYTES + 100_000),
        UPLOAD + b"x-a: b\r\n" * (MOST_HEAD_BYTES // 8 + 10_000),
        b"GET /" + b"a" * (MOST_HEAD_BYTES + 100_000),
    ],
    ids=["one header", "many headers", "the path"],
)
async def test_head_without_an_end_is_refused(sent: bytes) -> None:
    """The refusal itself may be lost: what was sent behind it is not read any more."""
    async with connected(App(), Patient) as (reader, writer):
        writer.write(sent)
        assert await rest_of(reader) in {TOO_LARGE, b""}


async def test_trailers_without_an_end_are_refused() -> None:
    app = App()
    async with connected(app, Patient) as (_, writer):
        writer.write(UPLOAD + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
        with suppress(ConnectionError):
            async with asyncio.timeout(LONG_SECONDS):
                for _ in range(2 * MOST_HEAD_BYTES // 800):
                    writer.write(b"x-trailer: " + b"a" * 800 + b"\r\n")
                    await writer.drain()
        await asyncio.wait_for(app.left.wait(), LONG_SECONDS)


async def test_many_requests_on_a_connection_never_count_as_one_head() -> None:
    async with connected(App(), Patient) as (reader, writer):
        for _ in range(20):
            writer.write(b"GET /a HTTP/1.1\r\nhost: a\r\nx-large: " + b"a" * (MOST_HEAD_BYTES // 10) + b"\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LONG_SECONDS)
            assert head.startswith(b"HTTP/1.1 200 ")
            assert await asyncio.wait_for(reader.readexactly(2), LONG_SECONDS) == bytes(2)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LONG_SECONDS)
    assert head.startswith(b"HTTP/1.1 200 ")
    await asyncio.wait_for(reader.readexactly(2), LONG_SECONDS)


async def test_connection_in_use_stays_and_an_idle_one_ends() -> None:
    async with connected(App(), Patient, idle_seconds=2) as (reader, writer):
        for _ in range(6):  # one and a half times as long as it may be idle
            await ask(reader, writer)
            await asyncio.sleep(0.5)
        await ask(reader, writer)
        asked = asyncio.get_running_loop().time()
        assert await rest_of(reader) == b""
        assert asyncio.get_running_loop().time() - asked >= 1.9, "counted from the last answer"


async def test_answer_that_takes_longer_than_one_may_be_idle_comes() -> None:
    async with connected(App(late=2.5), Patient, idle_seconds=1) as (reader, writer):
        for _ in range(2):
            await ask(reader, writer)
        assert await rest_of(reader) == b""
