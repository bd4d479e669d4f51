"""Answers that take long: the client hears something before its patience ends.

Until then an error has its own status. After that the head is out: 200, spaces, and in the end the document or an
`Error` in its place, as AWS does it. Source: AWS "CompleteMultipartUpload".
"""

import asyncio
import logging
from collections.abc import Awaitable, Iterable

from storage_service.app.core.errors import StorageError
from storage_service.app.edge.request import Request
from storage_service.app.edge.respond import NOSNIFF, Header
from storage_service.app.s3.answers import DECLARATION, XML_TYPE, error_document, send_xml

log = logging.getLogger(__name__)

FIRST_SECONDS = 8.0  # clients wait for a minute, proxies often for less
EVERY_SECONDS = 8.0

Answer = tuple[str, Iterable[Header]]  # document and headers; those are lost once the head is out


async def answer_patiently(
    request: Request,
    work: Awaitable[Answer],
    first_seconds: float = FIRST_SECONDS,
    every_seconds: float = EVERY_SECONDS,
) -> None:
    """Send what `work` comes to. It goes on if the client leaves. Raises what it raises, if that is soon."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=first_seconds)
    if task.done():
        text, headers = task.result()
        await send_xml(request, text, headers)
        return
    head = {"type": "http.response.start", "status": 200, "headers": [XML_TYPE, NOSNIFF]}
    await request.send(head)
    piece = DECLARATION  # it must be the very first of the document
    while not task.done():
        await request.send({"type": "http.response.body", "body": piece.encode(), "more_body": True})
        piece = " "
        await asyncio.wait({task}, timeout=every_seconds)
    text = _text_of(request, task).removeprefix(DECLARATION)
    await request.send({"type": "http.response.body", "body": text.encode("utf-8", "replace")})


def _text_of(request: Request, task: "asyncio.Future[Answer]") -> str:
    error = task.exception()
    if error is None:
        return task.result()[0]
    if not isinstance(error, StorageError):
        log.error("request %s failed", request.request_id, exc_info=error)
    return error_document(error, request.request_id, request.raw_path.decode("latin-1"))
