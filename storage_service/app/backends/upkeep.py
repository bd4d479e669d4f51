"""Jobs on the catalog beside settle: expiry, the reserve of free space, and the numbers others read."""

from storage_service.app.backends import shared as words
from storage_service.app.backends.catalog.settling import Settling
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.garbage import Garbage
from storage_service.app.backends.settle import KEPT_INODES
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.volume import Layout, fill_ballast
from storage_service.app.core.changes import DeleteObject
from storage_service.app.core.decision import Keeping, Moment
from storage_service.app.core.objects import WriteConditions, new_id

EXPIRED_AT_ONCE = 500
TRIMMED_AT_ONCE = 10_000


class Upkeep:
    """Small jobs; each is called on a timer of the jobs process."""

    def __init__(
        self, layout: Layout, catalog: Settling, garbage: Garbage, disk: Disk, shared: Shared, keeping: Keeping
    ) -> None:
        self._layout = layout
        self._catalog = catalog
        self._garbage = garbage
        self._disk = disk
        self._shared = shared
        self._keeping = keeping

    def expire(self, now_ms: int) -> None:
        """End what is past its expiry, on condition that the version is still the one that was seen."""
        seen = self._catalog.expired(now_ms, EXPIRED_AT_ONCE)
        changes = [
            DeleteObject(
                version.bucket,
                version.key,
                "expiry",
                now_ms,
                marker_id=new_id(),
                conditions=WriteConditions(version_id=version.version_id),
                missing_ok=True,
            )
            for version in seen
        ]
        if changes:
            rows = self._catalog.apply(changes, lambda sequence: Moment(now_ms, sequence, self._keeping))
            with self._catalog.held():  # committers of other processes add to the same word
                self._shared.add(words.COMMITTED_ROWS, rows)

    def keep_reserve(self, reserve_bytes: int, now_ms: int) -> None:
        """Under the reserve of free space, trash goes before its time, oldest first; never within the grace time."""
        root = str(self._layout.root)
        free = self._disk.free_bytes(root)
        if free < reserve_bytes or self._disk.free_inodes(root) < 4 * KEPT_INODES:
            self._garbage.run_early(now_ms - self._keeping.grace_ms)
        else:
            fill_ballast(self._layout, free)

    def trim(self, feed_ms: int, now_ms: int) -> None:
        self._catalog.trim(now_ms - feed_ms, now_ms, TRIMMED_AT_ONCE)

    def recount(self) -> None:
        """Set the shared backlog right; it drifts when a process dies between a commit and its word."""
        with self._catalog.held():
            backlog = self._catalog.backlog()
            self._shared[words.COMMITTED_ROWS] = self._shared[words.SETTLED_ROWS] + backlog.rows
            self._shared[words.COMMITTED_BYTES] = self._shared[words.SETTLED_BYTES] + backlog.bytes
            self._shared[words.OLDEST_MS] = backlog.oldest_ms
        self._shared[words.PARKED_ROWS] = backlog.parked
