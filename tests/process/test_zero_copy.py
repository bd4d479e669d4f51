"""Files to sockets inside the kernel, on a real server and real sockets, by both kinds of event loop."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from uvicorn import Config
from uvicorn.server import ServerState

from storage_service.app.process.heads import Protocol
from storage_service.app.process.zero_copy import EXTENSION, returned

SIZE = 30_000_000  # more than two sockets hold
CONTENT = os.urandom(SIZE)
REQUEST = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n"
LAST = b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
PATIENCE_SECONDS = 30.0

App = Callable[[Any, Any, Any], Awaitable[None]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as made:
        yield made


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "file").write_bytes(CONTENT)
    found = os.open(tmp_path / "file", os.O_RDONLY)
    yield found
    os.close(found)


class File:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor


def start(size: int) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]}


def piece(descriptor: int, offset: int, count: int, *, more: bool = False) -> dict[str, Any]:
    return {"type": EXTENSION, "parts": [(File(descriptor), offset, count)], "more_body": more}


def answering(*messages: dict[str, Any], ended: list[str] | None = None) -> App:
    """An app that sends these; what became of it is noted in `ended`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert EXTENSION in scope["extensions"]
        try:
            for message in messages:
                await send(dict(message))
        except Exception as error:
            if ended is not None:
                ended.append(type(error).__name__)
            raise
        if ended is not None:
            ended.append("sent")

    return app


async def converse(app: App, talk: Talk) -> Any:
    """What `talk` found over a connection to a server with this app; all connections have ended then."""
    config = Config(app, log_config=None, access_log=False, lifespan="off")
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await talk(reader, writer)
            writer.close()
            while state.tasks or state.connections:
                await asyncio.sleep(0.01)
            return found
    finally:
        server.close()


def asking(*requests: bytes, pause: float = 0.0) -> Talk:
    """All bytes that come back, read from `pause` seconds on."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"".join(requests))
        await asyncio.sleep(pause)
        return await reader.read()

    return talk


def body_of(answer: bytes) -> bytes:
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    return answer.partition(b"\r\n\r\n")[2]


def test_file_arrives_whole_behind_its_head(runner: asyncio.Runner, descriptor: int) -> None:
    answer = runner.run(converse(answering(start(SIZE), piece(descriptor, 0, SIZE)), asking(LAST)))
    assert body_of(answer) == CONTENT


def test_client_that_reads_late_gets_all(runner: asyncio.Runner, descriptor: int) -> None:
    answer = runner.run(converse(answering(start(SIZE), piece(descriptor, 0, SIZE)), asking(LAST, pause=0.3)))
    assert body_of(answer) == CONTENT


def test_pieces_and_bytes_keep_their_order(runner: asyncio.Runner, descriptor: int) -> None:
    large = bytes(3_000_000)
    messages = (
        start(2 + 1000 + len(large) + 2_000_000),
        {"type": "http.response.body", "body": b"ab", "more_body": True},
        piece(descriptor, 5, 1000, more=True),
        {"type": "http.response.body", "body": large, "more_body": True},
        piece(descriptor, 1000, 2_000_000),
    )
    answer = runner.run(converse(answering(*messages), asking(LAST, pause=0.1)))
    assert body_of(answer) == b"ab" + CONTENT[5:1005] + large + CONTENT[1000:2_001_000]


def test_row_of_parts_keeps_its_order(runner: asyncio.Runner, descriptor: int) -> None:
    large, file = bytes(5_000_000), File(descriptor)
    parts = [b"ab", (file, 5, 1000), b"", (file, 9, 0), large, (file, 0, SIZE), b"end"]
    messages = (start(2 + 1000 + len(large) + SIZE + 3), {"type": EXTENSION, "parts": parts, "more_body": False})
    answer = runner.run(converse(answering(*messages), asking(LAST, pause=0.1)))
    assert body_of(answer) == b"ab" + CONTENT[5:1005] + large + CONTENT + b"end"


def test_answers_to_pipelined_requests_keep_their_order(runner: asyncio.Runner, descriptor: int) -> None:
    app = answering(start(1_000_000), piece(descriptor, 7, 1_000_000))
    answer = runner.run(converse(app, asking(REQUEST, REQUEST, LAST)))
    heads_and_bodies = answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [one.partition(b"\r\n\r\n")[2] for one in heads_and_bodies] == [CONTENT[7:1_000_007]] * 3


@pytest.mark.parametrize("read", [0, 100_000])
def test_client_that_leaves_ends_the_sending(runner: asyncio.Runner, descriptor: int, read: int) -> None:
    ended: list[str] = []
    app = answering(start(SIZE), piece(descriptor, 0, SIZE), ended=ended)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(REQUEST)
        await reader.readexactly(read)
        writer.transport.abort()

    runner.run(converse(app, talk))
    open_once = len(list(Path("/proc/self/fd").iterdir()))  # the loop's own too
    runner.run(converse(app, talk))
    assert ended == ["sent", "sent"]  # as uvicorn's own: whoever sends is not troubled
    assert len(list(Path("/proc/self/fd").iterdir())) == open_once


def test_file_that_ends_early_ends_the_connection(runner: asyncio.Runner, descriptor: int) -> None:
    ended: list[str] = []
    app = answering(start(SIZE + 10), piece(descriptor, 0, SIZE + 10), ended=ended)
    answer = runner.run(converse(app, asking(REQUEST)))
    assert body_of(answer) == CONTENT
    assert ended == ["EOFError"]


@pytest.mark.parametrize("announced", [SIZE - 1, 0])
def test_more_than_was_announced_is_never_sent(runner: asyncio.Runner, descriptor: int, announced: int) -> None:
    ended: list[str] = []
    app = answering(start(announced), piece(descriptor, 0, SIZE), ended=ended)
    answer = runner.run(converse(app, asking(REQUEST)))
    assert CONTENT[:100] not in answer
    assert ended == ["RuntimeError"]


def test_less_than_was_announced_ends_the_connection(runner: asyncio.Runner, descriptor: int) -> None:
    ended: list[str] = []
    app = answering(start(SIZE), piece(descriptor, 0, 100), ended=ended)
    answer = runner.run(converse(app, asking(REQUEST)))
    assert body_of(answer) == CONTENT[:100]
    assert ended == ["RuntimeError"]


async def test_cancelled_sender_waits_for_the_call_in_flight() -> None:
    """Else the file's descriptor would be closed, and perhaps be another file's, under it."""
    call: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(returned(call))
    await asyncio.sleep(0)
    waiting.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    call.set_result(1)
    with pytest.raises(asyncio.CancelledError):
        await waiting
