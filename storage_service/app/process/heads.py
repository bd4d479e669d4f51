"""uvicorn's HTTP/1.1 by httptools, made cheaper: heads in a fifth of its time, and in one write with the body. And with
an end: of what a client may send before it has asked for something, and of the time it may take to go on.

uvicorn looks at every header with two patterns: with our fourteen that is a fifth of a small download. Here a name is
checked once for good, and all values in one go. Two writes cost the server a system call more, and the client a
wake-up. What is not plain (no length, a closing connection, a full buffer) stays uvicorn's.

uvicorn itself waits for ever for the rest of a head, for the next bytes of a body, and for a client that does not take
its answer; and it keeps as much of a head as is sent.
"""

import asyncio
from collections.abc import Awaitable, Generator, Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

CONTROLS = bytes([*range(9), *range(10, 32), 127])  # no header value may hold them; a tab may stand
MOST_NAMES = 1024  # kept; user metadata brings names of its own
RARE = (b"connection", b"transfer-encoding")
MOST_JOINED_BYTES = 64 * 1024  # more than that is not copied
MOST_HEAD_BYTES = 256 * 1024  # as the shipped nginx files have it
TOO_LARGE = STATUS_LINE[431] + b"content-length: 0\r\nconnection: close\r\n\r\n"


class Done:
    """An awaitable with nothing to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


DONE = Done()
_prefixes: dict[bytes, bytes] = {}


class Cycle(RequestResponseCycle):
    """One request and its answer. The head of a plain one waits for the first bytes of the body."""

    head = b""

    def send(self, message: Any) -> Awaitable[None]:  # type: ignore[override] # awaited by all who call it
        """Raises: RuntimeError, as uvicorn's, of a header that would end its line."""
        if self.head:
            return self._send_first(message)
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


class Protocol(HttpToolsProtocol):
    """One connection: `http=` of uvicorn.Config."""

    # A client whose turn it is may let so much time pass: with a whole head, or between two signs of life in a body or
    # an answer. Looked at so often, a connection that stands still ends within a minute, as with nginx.
    patience_seconds = 50.0
    look_seconds = 5.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._unread = 0  # bytes since there was a whole head or a piece of a body
        self._heads = self._heard = self._taken = 0
        self._stands_at: tuple[str, int, int] | None = None
        self._stands_since = self.loop.time()
        self._watch = self.loop.call_later(self.look_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._watch.cancel()  # that protocol has its own signs of life
        super().handle_websocket_upgrade()

    def _look(self) -> None:
        """End a connection that stands where it stood for longer than is patient."""
        stands_at, now = self._stands(), self.loop.time()
        if stands_at is None or stands_at != self._stands_at:
            self._stands_at, self._stands_since = stands_at, now
        elif now - self._stands_since >= self.patience_seconds:
            self.transport.abort()
            return
        self._watch = self.loop.call_later(self.look_seconds, self._look)

    def _stands(self) -> tuple[str, int, int] | None:
        """What changes as soon as the client goes on; None while it waits for us."""
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            return "answer", self._taken, unsent
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return "head", self._heads, 0  # all of it, not a letter a minute
        waits = cycle.more_body and not cycle.body and not cycle.waiting_for_100_continue
        return ("body", self._heard, 0) if waits else None

    def data_received(self, data: bytes) -> None:
        self._heard += 1
        self._unread += len(data)
        super().data_received(data)
        if self._unread > MOST_HEAD_BYTES:
            self._refuse_head()

    def on_headers_complete(self) -> None:
        self._heads += 1
        self._unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def resume_writing(self) -> None:
        self._taken += 1
        super().resume_writing()

    def _refuse_head(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(TOO_LARGE)
            self.transport.close()
        else:
            self.transport.abort()  # an answer is under way: nothing can be said between

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.__class__ = Cycle  # made deep inside of a method that we do not repeat
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
