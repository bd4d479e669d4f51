"""A body on its way to disk: each chunk is hashed and written side by side, while the next one is read."""

import asyncio
import os
from typing import Any, NamedTuple, Protocol

from storage_service.app.core.lanes import Lane

APART_BYTES = 256 << 10  # a smaller chunk is one thread's: to wake a second one takes longer than to hash it
MOST_HASHING = 8  # threads; each hashes some 700 MB/s


class Hashing(Protocol):
    def update(self, chunk: bytes, /) -> None: ...


class Sink(Protocol):
    def write(self, data: bytes, /) -> None: ...


class Lanes(NamedTuple):
    """Threads for bodies: those that wait for the disk, and those that hash."""

    disk: Lane
    hashing: Lane

    def close(self) -> None:
        self.disk.close()
        self.hashing.close()


def lanes(name: str, threads: int) -> Lanes:
    """`threads`: that many may wait for the disk at a time."""
    return Lanes(Lane(name, threads), Lane(f"{name}-hash", min(MOST_HASHING, os.cpu_count() or 1)))


class Absorber:
    """One body's bytes, in order. Held: the chunk in work, and what is read meanwhile."""

    def __init__(self, lanes: Lanes, hasher: Hashing, sink: Sink) -> None:
        self._lanes = lanes
        self._hasher = hasher
        self._sink = sink
        self._in_work: asyncio.Future[Any] | None = None

    async def take(self, chunk: bytes) -> None:
        """Begin on a chunk, once the one before it is done. Raises: what the disk said of that one."""
        await self.done()
        self._in_work = self._begin(chunk)
        self._in_work.add_done_callback(_look_at)

    async def done(self) -> None:
        """Wait for what is in work. Before it returns, neither hash nor file may be looked at. Raises: as `take`."""
        if (in_work := self._in_work) is not None:
            self._in_work = None
            await in_work

    def _begin(self, chunk: bytes) -> "asyncio.Future[Any]":
        disk, hashing = self._lanes
        if len(chunk) < APART_BYTES:
            return disk.run(self._absorb, chunk)
        return asyncio.gather(hashing.run(self._hasher.update, chunk), disk.run(self._sink.write, chunk))

    def _absorb(self, chunk: bytes) -> None:
        self._hasher.update(chunk)
        self._sink.write(chunk)


def _look_at(done: "asyncio.Future[Any]") -> None:
    """Nobody may ask any more for the error of a body that was given up."""
    if not done.cancelled():
        done.exception()
