"""Read-through move-in: what is asked for and has not arrived yet is fetched from the bucket's origin, and kept.

One fetch for each key, however many ask. What was ever here, and be it deleted, is never fetched again.
"""

import asyncio
from collections.abc import Callable
from typing import Literal, NamedTuple

from storage_service.app.core.backend import Arriving, Catalog, Origins
from storage_service.app.core.errors import BackendUnavailable, NoSuchOrigin, PreconditionFailed
from storage_service.app.core.lanes import Lane
from storage_service.app.core.objects import Bucket, Digests, WriteConditions
from storage_service.app.core.origins import Origin, origin_of
from storage_service.app.core.writing import PutOptions, Writer

ACTOR = "@origin"
FIRST_EVER = WriteConditions(never_here=True)
MOST_AT_ONCE = 32  # fetches of one worker; more wait
MD5_DIGITS = 32


State = Literal["arrived", "changed", "deleted", "missing"]


class Compared(NamedTuple):
    """An object of the origin. `changed`: another size stands here, so it was written here or there since it came."""

    key: str
    size: int
    etag: str
    state: State


class Arrivals:
    """For one worker; another's fetch of the same key is found by the commit, which takes only one."""

    def __init__(self, catalog: Catalog, origins: Origins, writer: Writer, scan: Lane) -> None:
        self._catalog = catalog
        self._origins = origins
        self._writer = writer
        self._scan = scan
        self._flights: dict[tuple[int, str], asyncio.Task[bool]] = {}
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    async def bring(self, bucket: Bucket, key: str) -> bool:
        """Whether it is worth looking again: it has arrived, or was here all along.

        Raises: BackendUnavailable while the origin does not answer, and what a put raises.
        """
        origin = origin_of(bucket)
        if origin is None:
            return False
        place = (bucket.id, key)
        flight = self._flights.get(place)
        if flight is None:
            flight = self._flights[place] = asyncio.ensure_future(self._bring(bucket, key, origin))
            flight.add_done_callback(lambda _: self._flights.pop(place, None))
        return await asyncio.shield(flight)  # who leaves does not end it for the others

    async def _bring(self, bucket: Bucket, key: str, origin: Origin) -> bool:
        async with self._room:
            known = await self._scan.run(self._catalog.versions, bucket.id, key)
            if known:
                return not known[0].is_marker
            arriving = await self._origins.fetch(origin, key)
            if arriving is None:
                return False
            try:
                await self._writer.put(bucket, key, arriving.body(), _options(arriving))
            except PreconditionFailed:  # written or deleted meanwhile: that counts
                return True
            finally:
                arriving.close()
            return True

    async def compare(self, bucket: Bucket, after: str, limit: int) -> list[Compared]:
        """One page of what the origin has behind `after`, and what became of it here. Raises: NoSuchOrigin."""
        origin = origin_of(bucket)
        if origin is None:
            raise NoSuchOrigin("The bucket has no origin", bucket=bucket.name)
        listed = await self._origins.page(origin, after, limit)
        return await self._scan.run(self._compared, bucket.id, listed)

    def _compared(self, bucket: int, listed: list[tuple[str, int, str]]) -> list[Compared]:
        here = self._catalog.find_all([(bucket, key) for key, _, _ in listed], bodies=False)
        found = []
        for key, size, etag in listed:
            head = here.get((bucket, key))
            state: State = "missing"
            if head is not None:
                state = "arrived" if head.version.size == size else "changed"
            elif self._catalog.versions(bucket, key):
                state = "deleted"
            found.append(Compared(key, size, etag, state))
        return found

    def close(self) -> None:
        for flight in [*self._flights.values()]:
            flight.cancel()
        self._origins.close()


def _options(arriving: Arriving) -> PutOptions:
    return PutOptions(
        attributes=arriving.attributes,
        conditions=FIRST_EVER,
        actor=ACTOR,
        size=arriving.size,
        verify=_verifier(arriving.etag),
    )


def _verifier(etag: str) -> Callable[[Digests], None] | None:
    """Compares with the origin's ETag, where that is the digest of the bytes."""
    if len(etag) != MD5_DIGITS:
        return None

    def verify(digests: Digests) -> None:
        if digests.md5 != etag:
            raise BackendUnavailable("The origin's bytes are not those of its ETag")

    return verify
