"""The smallest app uvicorn can serve: what a Python service in front of a disk is measured against."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY = b"x" * 4096
FULL = [(b"content-type", b"application/octet-stream"), (b"content-length", b"4096")]
EMPTY = [(b"content-length", b"0")]


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """4 KiB for a GET; reads and drops the body of a PUT."""
    if scope["type"] != "http":
        await _live(receive, send)
        return
    if scope["method"] == "PUT":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": EMPTY})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": 200, "headers": FULL})
    await send({"type": "http.response.body", "body": BODY})


async def _live(receive: Receive, send: Send) -> None:
    message: Message = {"type": ""}
    while message["type"] != "lifespan.shutdown":
        message = await receive()
        await send({"type": message["type"] + ".complete"})
