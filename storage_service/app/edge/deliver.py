"""A stored body to the client: head and first bytes in one write, large ones in pieces."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from storage_service.app.core.downloads import Download
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import Span
from storage_service.app.edge.accel import hand_over, place_of
from storage_service.app.edge.request import Message, Receive, Request
from storage_service.app.edge.respond import Header

ZERO_COPY = "http.response.zerocopysend"  # an extension of ASGI that our server has
PIECE_BYTES = 8 << 20  # of one message: so often we look whether the client is still there


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
    pieces = _file_pieces(download, span) if _takes_files(request, download, span) else _pieces(download, span)
    leaving = asyncio.ensure_future(until_left(request.receive))
    started = False
    try:
        async for piece in pieces:
            if not started:
                await request.send(start)
                started = True
            await request.send(piece)
            if leaving.done():
                return
    except EOFError:
        raise DamagedObject("The stored bytes end early", key=download.version.key) from None
    finally:
        leaving.cancel()


def _takes_files(request: Request, download: Download, span: Span) -> bool:
    """Whether the server sends bytes of files itself, and there is such a file."""
    return download.location is not None and ZERO_COPY in request.scope.get("extensions", ())


async def _pieces(download: Download, span: Span) -> AsyncGenerator[Message, None]:
    left = span.end - span.start
    async for chunk in download.chunks(span):
        left -= len(chunk)
        yield {"type": "http.response.body", "body": chunk, "more_body": left > 0}


async def _file_pieces(download: Download, span: Span) -> AsyncGenerator[Message, None]:
    """Begun by a look at the first byte, while an error can still be told. Source: ASGI, "Zero Copy Send"."""
    async for _ in download.chunks(Span(span.start, span.start + 1)):
        pass
    for at in range(span.start, span.end, PIECE_BYTES):
        count = min(PIECE_BYTES, span.end - at)
        piece = {"file": download.file, "offset": at, "count": count, "more_body": at + count < span.end}
        yield {"type": ZERO_COPY, **piece}


async def until_left(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
