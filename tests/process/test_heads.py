"""Heads of answers: what goes over the wire is what uvicorn's own protocol sends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from storage_service.app.process.heads import MOST_NAMES, Cycle, Protocol, render

LENGTH = (b"content-length", b"2")
GET = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n"
HEAD = b"HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n"
CLOSING = b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
OLD = b"GET /a HTTP/1.0\r\nhost: a\r\n\r\n"
PIPELINED = GET * 3


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.writes = 0
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.writes += 1
        self.sent += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def whole(*headers: tuple[bytes, bytes], body: bytes = b"ok") -> Callable[..., Awaitable[None]]:
    """An answer with all of its body in one message."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    return app


def answer(*headers: tuple[bytes, bytes], status: int = 200, body: bytes = b"ok") -> Callable[..., Awaitable[None]]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body[:1], "more_body": True})
        await send({"type": "http.response.body", "body": body[1:]})

    return app


async def exchange(kind: type[HttpToolsProtocol], app: Any, *reads: bytes) -> tuple[bytes, bool]:
    """The bytes sent to who sent these, one read after the other, and whether the connection was closed."""
    config = Config(app, log_config=None, access_log=False, lifespan="off")
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"Sat, 21 Nov 2026 10:00:00 GMT")]
    protocol, wire = kind(config, state, {}), Wire()
    protocol.connection_made(wire)
    for data in reads:
        protocol.data_received(data)
        await asyncio.sleep(0)
    while protocol.tasks:
        await asyncio.wait(set(protocol.tasks))
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    return wire.sent, wire.closed


ANSWERS = {
    "plain": answer(LENGTH, (b"content-type", b"text/plain")),
    "tab and latin-1 in a value": answer(LENGTH, (b"x-note", b"a\tb \xe9")),
    "empty value": answer(LENGTH, (b"x-note", b"")),
    "one name twice": answer(LENGTH, (b"vary", b"origin"), (b"vary", b"accept")),
    "upper case in a name": answer(LENGTH, (b"X-Note", b"1")),
    "no length": answer((b"content-type", b"text/plain")),
    "chunked": answer((b"transfer-encoding", b"chunked")),
    "says it closes": answer(LENGTH, (b"connection", b"close")),
    "longer than announced": answer((b"content-length", b"1")),
    "shorter than announced": answer((b"content-length", b"3")),
    "no content": answer(status=204, body=b""),
    "whole": whole(LENGTH),
    "whole, and too long": whole((b"content-length", b"1")),
    "whole, and too short": whole((b"content-length", b"3")),
    "whole, and empty": whole((b"content-length", b"0"), body=b""),
    "large": whole((b"content-length", b"100000"), body=bytes(100_000)),
    "partial": answer(LENGTH, (b"content-range", b"bytes 0-1/9"), status=206),
}
REQUESTS = {"GET": GET, "HEAD": HEAD, "closing": CLOSING, "HTTP/1.0": OLD, "pipelined": PIPELINED}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("app", ANSWERS.values(), ids=ANSWERS)
async def test_wire_has_what_uvicorns_own_protocol_sends(app: Any, request_: bytes) -> None:
    ours, theirs = await exchange(Protocol, app, request_), await exchange(HttpToolsProtocol, app, request_)
    assert theirs[0].startswith(b"HTTP/1.1 ")
    assert ours == theirs


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Sends back what came, once all of it has."""
    body, more = b"", True
    while more:
        message = await receive()
        assert isinstance(message["body"], bytes)
        body, more = body + message["body"], message["more_body"]
    await whole((b"content-length", b"%d" % len(body)), body=body)(scope, receive, send)


def put(body: bytes) -> bytes:
    return b"PUT /a HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


CHUNKED = b"PUT /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
UPGRADE = b"PUT /a HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: other\r\ncontent-length: 2\r\n\r\nok"
LARGE = bytes(range(256)) * 1024
BODIES = {
    "in one read": [put(b"hello")],
    "none": [put(b"")],
    "in two reads": [put(LARGE)[:100_000], put(LARGE)[100_000:]],
    "behind its head": [put(LARGE)[:80], put(LARGE)[80:]],
    "in many small chunks": [CHUNKED + b"2\r\nab\r\n" * 1000 + b"0\r\n\r\n"],
    "pipelined": [put(b"one") + put(b"two"), put(b"three")],
    "with an upgrade": [put(b"one") + UPGRADE],
}


@pytest.mark.parametrize("reads", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("app", [echo, whole(LENGTH)], ids=["read", "not read"])
async def test_body_arrives_as_by_uvicorns_own_protocol(app: Any, reads: list[bytes]) -> None:
    ours, theirs = await exchange(Protocol, app, *reads), await exchange(HttpToolsProtocol, app, *reads)
    assert theirs[0].startswith(b"HTTP/1.1 200")
    assert ours == theirs


BAD = {
    "line end in a value": (b"x-note", b"a\r\nset-cookie: b"),
    "line feed": (b"x-note", b"a\nb"),
    "nul": (b"x-note", b"a\0b"),
    "delete": (b"x-note", b"a\x7f"),
    "line end in a name": (b"x\r\ny", b"a"),
    "blank in a name": (b"x y", b"a"),
    "colon in a name": (b"x:", b"a"),
}


@pytest.mark.parametrize("header", BAD.values(), ids=BAD)
async def test_header_that_would_end_its_line_is_never_sent(header: tuple[bytes, bytes]) -> None:
    sent, _ = await exchange(Protocol, answer(LENGTH, header), GET)
    assert sent.startswith(b"HTTP/1.1 500 ")  # uvicorn's own just ends the connection
    assert header[0] not in sent
    assert b"set-cookie" not in sent


async def test_head_and_small_body_leave_in_one_write() -> None:
    config = Config(whole(LENGTH), log_config=None, access_log=False, lifespan="off")
    config.load()
    protocol, wire = Protocol(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)
    for number in range(1, 4):
        protocol.data_received(GET)
        while protocol.tasks:
            await asyncio.wait(set(protocol.tasks))
        assert wire.writes == number
    protocol.connection_lost(None)


def test_head_without_a_name_is_refused() -> None:
    with pytest.raises(RuntimeError, match="name"):
        render(200, [LENGTH, (b"", b"a")])


def test_names_are_kept_up_to_a_limit() -> None:
    for number in range(2 * MOST_NAMES):
        assert b"x-meta-%d: v" % number in render(200, [(b"x-meta-%d" % number, b"v")])
    assert b"content-length: 2\r\n" in render(200, [LENGTH])


async def test_answer_waits_while_the_client_does_not_read() -> None:
    """Held by the same hand as uvicorn's: no head is written before the buffer has drained."""
    wire = Wire()
    config = Config(answer(LENGTH), log_config=None, access_log=False, lifespan="off")
    config.load()
    protocol = Protocol(config, ServerState(), {})
    protocol.connection_made(wire)
    protocol.pause_writing()
    protocol.data_received(GET)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert wire.sent == b""
    assert isinstance(protocol.cycle, Cycle)
    protocol.resume_writing()
    while protocol.tasks:
        await asyncio.wait(set(protocol.tasks))
    assert wire.sent.endswith(b"\r\n\r\nok")
    protocol.connection_lost(None)
