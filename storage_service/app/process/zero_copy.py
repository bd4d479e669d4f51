"""Files to sockets inside the kernel, which uvicorn does not offer: an extension of ASGI, offered in the scope.

Its message stands where `http.response.body` would: `parts`, each bytes or (file, offset, length), and `more_body`. A
row of parts is one hand-over to a thread; ASGI's own "Zero Copy Send" is one for each file. Source: sendfile(2).
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol, TypeVar
from weakref import WeakKeyDictionary

from storage_service.app.core.lanes import Lane

EXTENSION: Final = "storage.response.parts"
THREADS = 4  # that may wait for the disk together
AT_ONCE = 8 << 20  # bytes of one call
DONE, BLOCKED, GONE = "done", "blocked", "gone"

Result = TypeVar("Result")
_lanes: "WeakKeyDictionary[asyncio.AbstractEventLoop, Lane]" = WeakKeyDictionary()  # a process has one, tests many


class HasDescriptor(Protocol):
    """An open file."""

    def fileno(self) -> int: ...


class FilePart(NamedTuple):
    """`length` bytes of a file."""

    file: HasDescriptor
    offset: int
    length: int


class Flow(Protocol):
    """uvicorn's: whether the transport's buffer is above its limit."""

    async def drain(self) -> None: ...


def can_take_files(transport: asyncio.Transport) -> bool:
    """Whether what is written leaves as it is, on a socket of the kernel's."""
    return transport.get_extra_info("socket") is not None and transport.get_extra_info("sslcontext") is None


def size_of(part: bytes | tuple[HasDescriptor, int, int]) -> int:
    """In bytes."""
    return len(part) if isinstance(part, bytes) else part[2]


async def drained(transport: asyncio.Transport, flow: Flow) -> None:
    """Returns when the transport holds nothing back: what goes past it would come before what it holds."""
    transport.set_write_buffer_limits(0)
    try:
        await flow.drain()
    finally:
        transport.set_write_buffer_limits()


class Parts:
    """What is left to be sent."""

    def __init__(self, parts: Iterable[bytes | tuple[HasDescriptor, int, int]]) -> None:
        self._left = deque(part if isinstance(part, bytes) else FilePart(*part) for part in parts)

    def push(self, target: socket.socket) -> str:
        """Send what the socket takes now; whether that was all. Blocks only for the disk. Raises: EOFError, OSError."""
        try:
            while self._left:
                if not self._push(target, self._left[0]):
                    return BLOCKED
        except BlockingIOError:
            return BLOCKED
        except (BrokenPipeError, ConnectionResetError):
            return GONE
        return DONE

    def _push(self, target: socket.socket, part: bytes | FilePart) -> bool:
        """Whether all of it went."""
        if isinstance(part, bytes):
            more = socket.MSG_MORE if len(self._left) > 1 else 0  # leaves together with what follows
            rest: bytes | FilePart = part[target.send(part, more) :]
        else:
            moved = os.sendfile(target.fileno(), part.file.fileno(), part.offset, min(part.length, AT_ONCE))
            if not moved and part.length:
                raise EOFError("The file ends early")
            rest = FilePart(part.file, part.offset + moved, part.length - moved)
        self._left[0] = rest
        if size_of(rest):
            return False
        self._left.popleft()
        return True


class Outlet:
    """A connection's socket beside its transport. A descriptor of its own: uvloop lets nobody watch a transport's."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._socket = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        self._waiter: asyncio.Future[None] | None = None
        self._left = False
        self._pushes = 0

    def stands(self) -> tuple[str, int, int] | None:
        """What changes as soon as the client takes something; None while it waits for us."""
        return None if self._waiter is None else ("parts", self._pushes, 0)

    async def send(self, parts: Parts) -> bool:
        """All of them; False if the client has left. Raises: EOFError: a file ends early. OSError: of the disk."""
        while not self._left:
            state = await returned(_lane().run(parts.push, self._socket))
            self._pushes += 1
            if state == DONE:
                return True
            self._left = self._left or state == GONE
            if not self._left:
                await self._writable()
        return False

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


async def returned(call: "asyncio.Future[Result]") -> Result:
    """The call's result. Cancelled or not, it has returned then: the descriptors it works on may be closed."""
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        raise
