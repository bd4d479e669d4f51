"""HTTP as uvicorn speaks it, with head and body in one write: two cost the server a system call more, and the client a
wake-up."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_JOINED_BYTES = 64 * 1024  # more than that is not copied together


class Joining:
    """A transport whose small writes of one turn of the event loop leave together, in their order."""

    def __init__(self, transport: asyncio.Transport, call_soon: Callable[..., object]) -> None:
        self._transport = transport
        self._call_soon = call_soon
        self._held: list[bytes] = []
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        held = self._held
        if len(data) > MOST_JOINED_BYTES:
            self._flush()
            self._transport.write(data)
        elif held:
            held.append(data)
            self._flush()  # a head has waited for its body
        else:
            held.append(data)
            self._call_soon(self._flush)  # in case no body comes at once

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._held = []
        self._transport.abort()

    def _flush(self) -> None:
        held, self._held = self._held, []
        if held and not self.is_closing():  # else the client has left, and nothing can be written any more
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class JoiningProtocol(HttpToolsProtocol):
    """uvicorn's own, over such a transport."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(Joining(transport, self.loop.call_soon))  # type: ignore[arg-type]
