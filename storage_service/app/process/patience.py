"""uvicorn's HTTP/1.1 with an end: of what a client may send before it has asked for something, and of the time it may
take to go on.

uvicorn itself waits for ever for the rest of a head, for the next bytes of a body, and for a client that does not take
its answer; and it keeps as much of a head as is sent. Its own end of an idle connection is a timer for each request,
made and thrown away: here it is one for the connection, which looks how long nothing has come.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MOST_HEAD_BYTES = 256 * 1024  # as the shipped nginx files have it
TOO_LARGE = STATUS_LINE[431] + b"content-length: 0\r\nconnection: close\r\n\r\n"

Standing = tuple[str, int, int]


class PatientProtocol(HttpToolsProtocol):
    """One connection."""

    # A client whose turn it is may let so much time pass: with a whole head, or between two signs of life in a body or
    # an answer. Looked at so often, a connection that stands still ends within a minute, as with nginx.
    patience_seconds = 50.0
    look_seconds = 5.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._unread = 0  # bytes since there was a whole head or a piece of a body
        self._heads = self._heard = self._taken = 0
        self._stands_at: Standing | None = None
        self._stands_since = self.loop.time()
        self._watch = self.loop.call_later(self.look_seconds, self._look)
        self._idle_since: float | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.cancel()
        super()._unset_keepalive_if_required()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._watch.cancel()  # that protocol has its own signs of life
        super()._unset_keepalive_if_required()
        super().handle_websocket_upgrade()

    def _look(self) -> None:
        """End a connection that stands where it stood for longer than is patient."""
        stands_at, now = self.stands(), self.loop.time()
        if stands_at is None or stands_at != self._stands_at:
            self._stands_at, self._stands_since = stands_at, now
        elif now - self._stands_since >= self.patience_seconds:
            self.transport.abort()
            return
        self._watch = self.loop.call_later(self.look_seconds, self._look)

    def stands(self) -> Standing | None:
        """What changes as soon as the client goes on; None while it waits for us."""
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            return "answer", self._taken, unsent
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return "head", self._heads, 0  # all of it, not a letter a minute
        waits = cycle.more_body and not cycle.body and not cycle.waiting_for_100_continue
        return ("body", self._heard, 0) if waits else None

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_if_idle(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None  # the timer goes on

    def _look_if_idle(self, after_seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(after_seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """End the connection if it has been idle for so long; after an answer under way it is looked at again."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left_seconds = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_seconds > 0:
            self._look_if_idle(left_seconds)
        else:
            super().timeout_keep_alive_handler()

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
