"""The open buckets as one process knows them: read again when any process has changed one."""

from storage_service.app.core.backend import Catalog
from storage_service.app.core.lanes import Lane
from storage_service.app.core.objects import Bucket


class KnownBuckets:
    """Buckets by name and by id."""

    def __init__(self, catalog: Catalog, lane: Lane) -> None:
        self._catalog = catalog
        self._lane = lane
        self._by_name: dict[str, Bucket] = {}
        self._by_uuid: dict[str, Bucket] = {}
        self._generation = -1

    async def find(self, name: str) -> Bucket | None:
        """The one of this name or id; an exact name wins."""
        if self._generation != self._catalog.generation():
            await self._refresh()
        return self.peek(name)

    def peek(self, name: str) -> Bucket | None:
        """The same as it was last read: for what may be a moment late."""
        return self._by_name.get(name) or self._by_uuid.get(name)

    async def all(self) -> list[Bucket]:
        """By name."""
        if self._generation != self._catalog.generation():
            await self._refresh()
        return list(self._by_name.values())

    async def _refresh(self) -> None:
        generation = self._catalog.generation()  # before the rows: what comes between is read again
        found = await self._lane.run(self._catalog.buckets)
        self._by_name = {bucket.name: bucket for bucket in found}
        self._by_uuid = {bucket.uuid: bucket for bucket in found}
        self._generation = generation
