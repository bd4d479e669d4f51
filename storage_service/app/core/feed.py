"""The change feed live: one tail a worker reads it once and hands each event to all who follow.

Other processes settle; a shared word that they count up says that there is more, so an idle tail reads nothing. Nobody
is waited for: who takes events slower than they come is let go, and resumes by the last sequence it saw.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import NamedTuple

from storage_service.app.core.errors import FeedGone, ServiceUnavailable, SlowDown
from storage_service.app.core.events import Event
from storage_service.app.core.storage import ObjectStore

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.05  # between looks at the shared word
READ_SECONDS = 5.0  # after so long it is read anyhow: the word stays behind when the jobs process dies in between
RETRY_SECONDS = 1.0
PAGE = 1000
MOST_FOLLOWERS = 500  # a worker; each costs a connection and what waits for it
MOST_WAITING = 2000  # events a follower

Wanted = Callable[[Event], bool]


class Batch(NamedTuple):
    """Events that were wanted, maybe none, and the sequence they reach up to. `gone`: events before it are lost to the
    feed; who needs them all must look at everything again."""

    events: list[Event]
    position: int
    gone: bool = False


class _Follower:
    """What waits for one follower, bounded."""

    def __init__(self, position: int, wanted: Wanted) -> None:
        self.position = position
        self.lost = False
        self.ready = asyncio.Event()
        self._wanted = wanted
        self._waiting: deque[Event] = deque()

    def offer(self, events: list[Event]) -> None:
        """Take what is wanted of a page."""
        if self.lost:
            return
        fresh = [event for event in events if event.sequence > self.position and self._wanted(event)]
        self.position = max(self.position, events[-1].sequence)
        if len(self._waiting) + len(fresh) > MOST_WAITING:
            self.lose()
        elif fresh:
            self._waiting += fresh
            self.ready.set()

    def lose(self) -> None:
        self.lost = True
        self._waiting.clear()
        self.ready.set()

    def take(self) -> Batch:
        self.ready.clear()
        events, self._waiting = list(self._waiting), deque()
        return Batch(events, self.position)


class Feed:
    """One for each worker."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._followers: set[_Follower] = set()
        self._count = 0
        self._position = 0
        self._tail: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._is_closed = False

    def close(self) -> None:
        """End every follower, as soon as it has taken what waits: the service is about to stop."""
        self._is_closed = True
        for follower in self._followers:
            follower.ready.set()  # one more batch, and then the end

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def check_room(self) -> None:
        """Raises: SlowDown where too many follow, ServiceUnavailable where the service is about to stop."""
        if self._is_closed:
            raise ServiceUnavailable("The service is about to stop")
        if self._count >= MOST_FOLLOWERS:
            raise SlowDown("Too many follow events at once")

    async def follow(
        self, after: int | None, wanted: Wanted, *, patience_seconds: float
    ) -> AsyncGenerator[Batch, None]:
        """Batches for ever: an empty one whenever nothing came for `patience_seconds`. Ends when the follower was too
        slow or the service stops. `after` None = from now on. Close it.

        Raises: ServiceUnavailable, when the catalog cannot be read.
        """
        self._count += 1
        try:
            await self._start()
            position = self._position if after is None else after
            yield Batch([], position)
            async for batch in self.replay(position, wanted):
                position = batch.position
                yield batch
            async for batch in self._live(_Follower(position, wanted), patience_seconds):
                yield batch
        finally:
            self._count -= 1

    async def replay(self, after: int, wanted: Wanted) -> AsyncGenerator[Batch, None]:
        """What the feed holds past `after`, up to now."""
        position, end = after, await self._store.feed_end()
        if position > end:  # of a feed that this catalog does not continue
            position = end
            yield Batch([], position, gone=True)
        # The tail may run ahead meanwhile: whoever joins it must have reached it.
        while position < max(end, self._position):
            try:
                page = await self._store.events(position, PAGE)
            except FeedGone as gone:
                position = gone.oldest - 1
                yield Batch([], position, gone=True)
                continue
            if not page:
                return
            position = page[-1].sequence
            yield Batch([event for event in page if wanted(event)], position)

    async def _live(self, follower: _Follower, patience_seconds: float) -> AsyncGenerator[Batch, None]:
        self._followers.add(follower)
        try:
            while await self._came(follower, patience_seconds):
                yield follower.take()
        finally:
            self._followers.discard(follower)

    async def _came(self, follower: _Follower, patience_seconds: float) -> bool:
        """Wait for something to take, or until patience is over; False = this follower has come to its end."""
        if not self._is_closed:
            with suppress(TimeoutError):
                await asyncio.wait_for(follower.ready.wait(), patience_seconds)
        elif not follower.ready.is_set():
            return False
        return not follower.lost

    # The tail -------------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        async with self._starting:
            if self._tail is None or self._tail.done():
                self._position = await self._store.feed_end()
                self._tail = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """While somebody follows."""
        try:
            while self._count and not self._is_closed:
                stamp = self._store.feed_stamp()
                try:
                    await self._read_on()
                except ServiceUnavailable as error:
                    log.warning("the change feed cannot be read: %s", error.detail)
                    await asyncio.sleep(RETRY_SECONDS)
                await self._pause(stamp)
        except Exception as error:
            log.error("the tail of the change feed ended: %s: %s", type(error).__name__, error, exc_info=error)
        finally:
            for follower in self._followers:  # they come again, and are told what they missed
                follower.lose()

    async def _read_on(self) -> None:
        """Hand on what is new. Raises: FeedGone, where it was forgotten before it was read."""
        while page := await self._store.events(self._position, PAGE):
            await self._store.list_buckets()  # whoever asks who may see them sees them as they are now
            self._position = page[-1].sequence
            for follower in self._followers:
                follower.offer(page)
            if len(page) < PAGE:
                return

    async def _pause(self, stamp: int) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + READ_SECONDS
        while stamp == self._store.feed_stamp() and clock() < until:
            if self._is_closed or not self._count:
                return
            await asyncio.sleep(LOOK_SECONDS)
