"""Requests of all workers, for whoever watches: each worker keeps its last ones where the others can read them.

A watcher says in a shared word until when it wants them; workers look once a second.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from storage_service.app.backends import shared as words
from storage_service.app.backends.ring import RingReader, RingWriter, Taken
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.volume import Layout
from storage_service.app.core.objects import now_ms
from storage_service.app.edge.watching import Watch

LOOK_SECONDS = 1.0  # how late a worker finds out that somebody watches
READ_SECONDS = 0.25
KEPT_MS = 5_000  # how long a watcher's word holds
HEARTBEAT_SECONDS = 15.0


class Watching:
    """One worker's part."""

    def __init__(self, layout: Layout, shared: Shared, name: str) -> None:
        self._folder = layout.run
        self._shared = shared
        self._path = layout.run / ring_name(name)
        self._ring: RingWriter | None = None
        self._is_closed = False
        self.watch = Watch(name)

    async def keep_looking(self) -> None:
        """Write records while anybody anywhere watches, until cancelled."""
        try:
            while True:
                await self._look()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self.watch.write = None
            if self._ring is not None:
                self._ring.close()

    async def _look(self) -> None:
        watched = self._shared[words.WATCHED_UNTIL_MS] > now_ms()
        if watched and self._ring is None:
            with contextlib.suppress(OSError):  # a full disk: nothing is shown
                self._ring = await asyncio.to_thread(RingWriter, str(self._path))
        self.watch.write = self._ring.write if watched and self._ring is not None else None

    def close(self) -> None:
        """End every watcher: the service is about to stop."""
        self._is_closed = True

    async def follow(self) -> AsyncGenerator[Taken, None]:
        """Records as JSON, as they come; now and then none. What was written before is left out."""
        rings = _Rings(self._folder)
        clock = asyncio.get_running_loop().time
        quiet_since = clock()
        self._ask()
        await asyncio.to_thread(rings.take)
        try:
            yield Taken([], 0)
            while not self._is_closed:
                await asyncio.sleep(READ_SECONDS)
                self._ask()
                taken = await asyncio.to_thread(rings.take)
                if taken.records or clock() - quiet_since > HEARTBEAT_SECONDS:
                    quiet_since = clock()
                    yield taken
        finally:
            rings.close()

    def _ask(self) -> None:
        """Several watchers may write the word; each means the same."""
        self._shared[words.WATCHED_UNTIL_MS] = now_ms() + KEPT_MS


class _Rings:
    """The rings of all workers, as they come and go. Methods block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._readers: dict[str, RingReader] = {}

    def take(self) -> Taken:
        self._join()
        taken = [reader.take() for reader in self._readers.values()]
        records = [record for one in taken for record in one.records]
        return Taken(records, sum(one.missed for one in taken))

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()

    def _join(self) -> None:
        names = {str(path) for path in self._folder.glob(ring_name("*"))}
        for gone in self._readers.keys() - names:
            self._readers.pop(gone).close()
        for name in names - self._readers.keys():
            with contextlib.suppress(OSError, ValueError):  # gone again
                self._readers[name] = RingReader(name)


def ring_name(worker: str) -> str:
    return f"requests-{worker}.ring"
