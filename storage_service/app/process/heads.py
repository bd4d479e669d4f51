"""uvicorn's HTTP/1.1 by httptools, made cheaper: heads in a fifth of its time, and in one write with the body.

uvicorn looks at every header with two patterns: with our fourteen that is a fifth of a small download. Here a name is
checked once for good, and all values in one go. Two writes cost the server a system call more, and the client a
wake-up. What is not plain (no length, a closing connection, a full buffer) stays uvicorn's.
"""

import asyncio
from collections.abc import Awaitable, Generator, Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE, RequestResponseCycle

from storage_service.app.edge.body import SHARED as BODIES
from storage_service.app.process.narrow import Narrow
from storage_service.app.process.patience import PatientProtocol, Standing
from storage_service.app.process.zero_copy import EXTENSION, Outlet, Parts, can_take_files, drained, size_of

CONTROLS = bytes([*range(9), *range(10, 32), 127])  # no header value may hold them; a tab may stand
MOST_NAMES = 1024  # kept; user metadata brings names of its own
RARE = (b"connection", b"transfer-encoding")
MOST_JOINED_BYTES = 64 * 1024  # more than that is not copied


class Done:
    """An awaitable with nothing to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


DONE = Done()
_prefixes: dict[bytes, bytes] = {}


class Cycle(RequestResponseCycle):
    """One request and its answer. The head of a plain one waits for the first bytes of the body."""

    head = b""
    connection: "Protocol"

    def receive(self) -> Awaitable[Any]:  # type: ignore[override] # awaited by all who call it
        """uvicorn's reads on while the application works. Where memory is short, only when it asks for more."""
        if not self.body or not BODIES.is_full() or self.disconnected or self.response_complete:
            return super().receive()
        return self._take()

    async def _take(self) -> Any:
        """What has come already, and no more."""
        self.message_event.clear()
        body, self.body = bytes(self.body), b""  # type: ignore[assignment] # as `on_body` leaves it
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    def send(self, message: Any) -> Awaitable[None]:  # type: ignore[override] # awaited by all who call it
        """Raises: RuntimeError, as uvicorn's, of a header that would end its line."""
        if self.head:
            return self._send_first(message)
        if message["type"] == EXTENSION:
            return self._send_parts(message)
        if self.response_started or self.disconnected or self.flow.write_paused:
            return super().send(message)
        headers = [*self.default_headers, *message.get("headers", ())]
        if not self._is_plain(dict(headers)):
            return super().send(message)
        self.head = render(message["status"], headers)
        self.response_started = True
        self.waiting_for_100_continue = False
        self.chunked_encoding = False
        return DONE

    def _is_plain(self, headers: dict[bytes, bytes]) -> bool:
        """Whether the connection goes on after so many bytes, which are noted."""
        length = headers.get(b"content-length")
        if length is None or not self.keep_alive or self.access_log or not headers.keys().isdisjoint(RARE):
            return False
        self.expected_content_length = int(length)
        return True

    def _send_first(self, message: Any) -> Awaitable[None]:
        """Head and body together, where that is all and small; else one after the other."""
        if message["type"] == EXTENSION:
            return self._send_parts(message)
        head, self.head = self.head, b""
        body = message.get("body", b"")
        whole = len(body) == self.expected_content_length and not message.get("more_body", False)
        if not whole or len(body) > MOST_JOINED_BYTES or self.disconnected or self.scope["method"] == "HEAD":
            self.transport.write(head)
            return super().send(message)
        self.transport.write(head + body)
        self.response_complete = True
        self.message_event.set()
        self.on_response()
        return DONE

    async def _send_parts(self, message: Any) -> None:
        """Bytes and pieces of files. Raises: RuntimeError where they do not belong, EOFError, OSError of the disk."""
        parts, head = message["parts"], self.head
        size = sum(map(size_of, parts))
        if self.disconnected:
            return
        if not self.response_started or self.response_complete or size > self.expected_content_length:
            raise RuntimeError("Parts stand only where a Content-Length has room for them")
        await drained(self.transport, self.flow)
        self.head = b""
        if not await self.connection.send_parts(Parts([head, *parts] if head else parts)):
            self.disconnected = True
            return
        self.expected_content_length -= size
        if not message.get("more_body", False):
            await super().send({"type": "http.response.body", "body": b"", "more_body": False})


class Protocol(PatientProtocol):
    """One connection: `http=` of uvicorn.Config."""

    _outlet: Outlet | None = None
    _narrow = False
    _extensions: dict[str, dict[object, object]]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._extensions = {EXTENSION: {}} if can_take_files(transport) else {}

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._outlet is not None:
            self._outlet.leave()

    def stands(self) -> Standing | None:
        """What changes as soon as the client goes on; None while it waits for us."""
        return super().stands() if self._outlet is None else self._outlet.stands()

    async def send_parts(self, parts: Parts) -> bool:
        """Past the transport, which must hold nothing. False if the client has left."""
        outlet = self._outlet = Outlet(self.transport)
        try:
            return await outlet.send(parts)
        finally:
            self._outlet = None
            outlet.close()

    def on_body(self, body: bytes) -> None:
        """A piece that meets nothing unread is handed on as it came: uvicorn's buffer copies every byte twice."""
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete and not self.parser.should_upgrade():
            if not cycle.body:
                cycle.body, body = body, b""  # what else is to be done remains uvicorn's
            elif isinstance(cycle.body, bytes):
                cycle.body = bytearray(cycle.body)  # bytes would be copied with every further piece
            if BODIES.is_full():
                self._read_narrowly()
        super().on_body(body)

    def _read_narrowly(self) -> None:
        """Nothing more until the application asks for it, and little at once from then on."""
        self.flow.pause_reading()
        if not self._narrow:
            self._narrow = True
            self.transport.set_protocol(Narrow(self))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.__class__ = Cycle  # made deep inside of a method that we do not repeat
        cycle.connection = self  # type: ignore[attr-defined] # a Cycle by now
        cycle.scope["extensions"] = self._extensions
        super()._start_asgi_task(cycle, app)


def render(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The head of an answer. Names are lower-case already, as ASGI has them."""
    try:
        lines = [_prefixes[name] + value for name, value in headers]
    except KeyError:
        _learn(name for name, _ in headers)
        return render(status, headers)
    head = b"\r\n".join(lines)
    if len(head.translate(None, CONTROLS)) != len(head) - 2 * (len(lines) - 1):
        raise RuntimeError("Invalid HTTP header value.")
    return STATUS_LINE[status] + head + b"\r\n\r\n"


def _learn(names: Iterable[bytes]) -> None:
    if len(_prefixes) > MOST_NAMES:
        _prefixes.clear()
    for name in names:
        if not name or HEADER_RE.search(name):
            raise RuntimeError("Invalid HTTP header name.")
        _prefixes[name] = name.lower() + b": "
