"""Whole answers.

Head and first bytes leave in consecutive sends with nothing awaited between: one write to the
socket.
"""

from collections.abc import Iterable

import orjson

from storage_service.app.core.errors import NotModified
from storage_service.app.edge.request import Request, Send
from storage_service.app.edge.status import problem, problem_headers, status_of

Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")
PROBLEM: Header = (b"content-type", b"application/problem+json")
NOSNIFF: Header = (b"x-content-type-options", b"nosniff")
NO_STORE: Header = (
    b"cache-control",
    b"no-store",
)  # a cached 404 would hide the object put after it


async def send_json(send: Send, status: int, value: object, headers: Iterable[Header] = ()) -> None:
    """The value as JSON (a door adds nosniff to all it says); datetimes, UUIDs, dataclasses as orjson writes them."""
    await send_bytes(send, status, orjson.dumps(value), (JSON, *headers))


async def send_bytes(send: Send, status: int, body: bytes, headers: Iterable[Header] = ()) -> None:
    """The bytes with their Content-Length; the caller names the type."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def send_empty(send: Send, status: int, headers: Iterable[Header] = ()) -> None:
    """No body. 204 and 304 carry no Content-Length, others 0. Source: RFC 9110 §8.6."""
    length = () if status in (204, 304) else ((b"content-length", b"0"),)
    await send({"type": "http.response.start", "status": status, "headers": [*length, *headers]})
    await send({"type": "http.response.body", "body": b""})


async def send_problem(request: Request, error: BaseException, headers: Iterable[Header] = ()) -> None:
    """The error in the JSON doors' form; 304 and HEAD without a body.

    `headers` are added (Allow of a 405, CORS …).
    """
    status = status_of(error)
    own = (*problem_headers(error), (b"x-request-id", request.request_id.encode()))
    if isinstance(error, NotModified):
        await send_empty(request.send, status, (*own, *headers))
        return
    instance = request.raw_path.decode("latin-1")  # as sent: decoding it may be what failed
    # Faults of a validation may quote values that JSON does not know.
    body = orjson.dumps(problem(error, request.request_id, instance), default=str)
    extra = (problem_type(request), NOSNIFF, NO_STORE, *own, *headers)
    if request.method == "HEAD":
        length = (b"content-length", b"%d" % len(body))
        await request.send({"type": "http.response.start", "status": status, "headers": [length, *extra]})
        await request.send({"type": "http.response.body", "body": b""})
    else:
        await send_bytes(request.send, status, body, extra)


def problem_type(request: Request) -> Header:
    """`application/json`, on which two SDKs insist (contract §8).

    RFC 9457's own type only where Accept names it.
    """
    accept = request.headers.get(b"accept", b"")
    return PROBLEM if b"application/problem+json" in accept.lower() else JSON
