"""Files to sockets inside the kernel: ASGI's `http.response.zerocopysend`, which uvicorn does not offer itself.

Source: ASGI specification, "Zero Copy Send"; sendfile(2).
"""

import asyncio
import os
import socket
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary

from storage_service.app.core.lanes import Lane

EXTENSION = "http.response.zerocopysend"
THREADS = 4  # that may wait for the disk together
AT_ONCE = 8 << 20  # bytes of one call
GONE = -1  # the client has left
Result = TypeVar("Result")
_lanes: "WeakKeyDictionary[asyncio.AbstractEventLoop, Lane]" = WeakKeyDictionary()  # a process has one, tests many


class Flow(Protocol):
    """uvicorn's: whether the transport's buffer is above its limit."""

    async def drain(self) -> None: ...


def can_take_files(transport: asyncio.Transport) -> bool:
    """Whether what is written leaves as it is, on a socket of the kernel's."""
    return transport.get_extra_info("socket") is not None and transport.get_extra_info("sslcontext") is None


async def drained(transport: asyncio.Transport, flow: Flow) -> None:
    """Returns when the transport holds nothing back: what goes past it would come before what it holds."""
    transport.set_write_buffer_limits(0)
    try:
        await flow.drain()
    finally:
        transport.set_write_buffer_limits()


class Outlet:
    """A connection's socket beside its transport. A descriptor of its own: uvloop lets nobody watch a transport's."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._socket = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        self._waiter: asyncio.Future[None] | None = None
        self._left = False

    async def send(self, head: bytes, file: int, offset: int, count: int) -> bool:
        """`head`, then `count` bytes of the descriptor `file`; False if the client has left.

        Raises: EOFError: the file ends early. OSError: the disk cannot read it.
        """
        while head and not self._left:
            head = head[self._send_head(head) :]
            if head:
                await self._writable()
        while count and not self._left:
            moved = await returned(_lane().run(_move, self._socket.fileno(), file, offset, min(count, AT_ONCE)))
            self._left = self._left or moved == GONE
            offset, count = offset + moved, count - moved
            if count and not self._left:
                await self._writable()
        return not self._left

    def _send_head(self, head: bytes) -> int:
        try:
            return self._socket.send(head, socket.MSG_MORE)  # leaves together with the first bytes of the file
        except BlockingIOError:
            return 0
        except OSError:
            self._left = True
            return 0

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        loop.add_writer(self._socket.fileno(), _wake, waiter)
        try:
            await waiter
        finally:
            loop.remove_writer(self._socket.fileno())
            self._waiter = None

    def leave(self) -> None:
        """The client has left: `send` returns soon."""
        self._left = True
        if self._waiter is not None:
            _wake(self._waiter)

    def close(self) -> None:
        self._socket.close()


def _lane() -> Lane:
    loop = asyncio.get_running_loop()
    found = _lanes.get(loop)
    if found is None:
        found = _lanes[loop] = Lane("sendfile", THREADS)
    return found


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _move(target: int, file: int, offset: int, count: int) -> int:
    """Bytes that went, 0 while the socket takes none; GONE."""
    try:
        moved = os.sendfile(target, file, offset, count)
    except BlockingIOError:
        return 0
    except (BrokenPipeError, ConnectionResetError):
        return GONE
    if not moved:
        raise EOFError("The file ends early")
    return moved


async def returned(call: "asyncio.Future[Result]") -> Result:
    """The call's result. Cancelled or not, it has returned then: the descriptors it works on may be closed."""
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        raise
