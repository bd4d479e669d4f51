"""Answers without an end: server-sent events. Source: HTML Standard, "Server-sent events"."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from storage_service.app.edge.deliver import until_left
from storage_service.app.edge.request import Receive, Send
from storage_service.app.edge.tasks import end

EVENT_STREAM: Final = "text/event-stream; charset=utf-8"
# A gateway may neither keep what is said nor hold it back.
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
HEARTBEAT_SECONDS = 15.0
RETRY_MS = 2000  # until a client comes again
STALLED_SECONDS = 60.0  # a client that takes nothing for so long is let go
MOST_SECONDS = 3600.0  # then it comes again, and is asked who it is


def render_event(data: bytes, event_id: int | None = None, name: str | None = None) -> bytes:
    """One event; `data` is one line."""
    named = b"" if name is None else b"event: %s\n" % name.encode()
    numbered = b"" if event_id is None else b"id: %d\n" % event_id
    return b"%s%sdata: %s\n\n" % (named, numbered, data)


def render_position(event_id: int) -> bytes:
    """An event without data: nobody hears of it, but whoever comes again names this id."""
    return b"id: %d\n\n" % event_id


def render_comment(text: str) -> bytes:
    return b": %s\n\n" % text.encode()


def render_retry() -> bytes:
    return b"retry: %d\n\n" % RETRY_MS


async def pump(receive: Receive, send: Send, chunks: AsyncGenerator[bytes, None]) -> None:
    """Send what comes until it ends, or the client has left or takes nothing any more; the chunks are closed."""
    leaving = asyncio.ensure_future(until_left(receive))
    try:
        async with aclosing(chunks):
            while (chunk := await _next(chunks, leaving)) is not None:
                async with asyncio.timeout(STALLED_SECONDS):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if not leaving.done():
            await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        return  # the server cuts the connection
    finally:
        leaving.cancel()


async def _next(chunks: AsyncGenerator[bytes, None], leaving: "asyncio.Future[None]") -> bytes | None:
    """The next chunk; None at the end, and when the client has left."""
    coming: asyncio.Future[bytes | None] = asyncio.ensure_future(anext(chunks, None))
    either: set[asyncio.Future[Any]] = {coming, leaving}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return None if leaving.done() else coming.result()
    finally:
        if not coming.done():
            await end(coming)
