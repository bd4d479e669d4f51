"""A stored body to the client: head and first bytes in one write, large ones in pieces."""

import asyncio
from collections.abc import Sequence

from storage_service.app.core.downloads import Download
from storage_service.app.core.objects import Span
from storage_service.app.edge.accel import hand_over, place_of
from storage_service.app.edge.request import Receive, Request
from storage_service.app.edge.respond import Header


async def deliver(request: Request, status: int, headers: Sequence[Header], download: Download, span: Span) -> None:
    """The span's bytes under this head; Content-Length is added, the download closed. A gateway in front may send them.

    Raises: DamagedObject, before the head is sent if the first bytes are bad, else in its midst.
    """
    length = (b"content-length", b"%d" % (span.end - span.start))
    start = {"type": "http.response.start", "status": status, "headers": [length, *headers]}
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


async def _stream(request: Request, start: dict[str, object], download: Download, span: Span) -> None:
    """Reads on only while the client is there: uvicorn's send does not tell that it has left."""
    left = span.end - span.start
    leaving = asyncio.ensure_future(until_left(request.receive))
    try:
        async for chunk in download.chunks(span):
            if left == span.end - span.start:
                await request.send(start)
            left -= len(chunk)
            await request.send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
            if leaving.done():
                return
    finally:
        leaving.cancel()


async def until_left(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
