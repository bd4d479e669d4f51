"""A stored body to the client: head and first bytes in one write, large ones in pieces."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from storage_service.app.core.downloads import Download, Piece, pieces_of
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import Span
from storage_service.app.edge.accel import hand_over, place_of
from storage_service.app.edge.request import Message, Receive, Request, Scope
from storage_service.app.edge.respond import Header

PARTS = "storage.response.parts"  # an extension of ASGI that our server has: bytes and pieces of files in a row


async def deliver(request: Request, status: int, headers: Sequence[Header], download: Download, span: Span) -> None:
    """The span's bytes under this head; Content-Length is added, the download closed. A gateway in front may send them.

    Raises: DamagedObject, before the head is sent if the first bytes are bad, else in its midst.
    """
    length = (b"content-length", b"%d" % (span.end - span.start))
    start: Message = {"type": "http.response.start", "status": status, "headers": [length, *headers]}
    try:
        if (place := place_of(request, headers, download, span)) is not None:
            await hand_over(request, place, headers)
            return
        if download.body is None:
            await _stream(request, start, download, span)
            return
        whole = span.end - span.start == len(download.body)
        body = download.body if whole else download.body[span.start : span.end]
        await request.send(start)
        await request.send({"type": "http.response.body", "body": body})
    finally:
        download.close()


async def _stream(request: Request, start: Message, download: Download, span: Span) -> None:
    """Reads on only while the client is there: uvicorn's send does not tell that it has left."""
    async for _ in download.chunks(Span(span.start, span.start + 1)):
        pass  # an error of the disk can still be told
    leaving = asyncio.ensure_future(until_left(request.receive))
    try:
        await request.send(start)
        for piece in pieces_of(download, span):
            async for message in messages_of(request.scope, [piece], more=piece.span.end < span.end):
                await request.send(message)
                if leaving.done():
                    return
    except (EOFError, OSError):  # of the file: a client that leaves raises nothing
        raise DamagedObject("The stored bytes cannot be read", key=download.version.key) from None
    finally:
        leaving.cancel()


async def messages_of(scope: Scope, chunks: Sequence[bytes | Piece], *, more: bool) -> AsyncGenerator[Message, None]:
    """What sends these: names of files to a server that takes them, else their bytes. With `more`, others follow."""
    if PARTS in scope.get("extensions", ()) and all(isinstance(one, bytes) or one.download.location for one in chunks):
        parts = [one if isinstance(one, bytes) else (one.download.file, one.span.start, one.size) for one in chunks]
        yield {"type": PARTS, "parts": parts, "more_body": more}
        return
    for one in chunks:
        if isinstance(one, bytes):
            yield {"type": "http.response.body", "body": one, "more_body": True}
            continue
        async for data in one.download.chunks(one.span):
            yield {"type": "http.response.body", "body": data, "more_body": True}
    if not more:
        yield {"type": "http.response.body", "body": b""}


async def until_left(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
