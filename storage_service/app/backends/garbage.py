"""Taking away what is dead: its time in the trash is over, its end is settled, and a row names it. Nothing else."""

import logging
import shutil

from storage_service.app.backends.blobs import SERVICE, LocalBlobs
from storage_service.app.backends.catalog.settling import Settling
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.settle import directory_of
from storage_service.app.core.objects import BlobName, Bucket, Version

log = logging.getLogger(__name__)

AT_ONCE = 500  # versions a step
CLEARED_AT_ONCE = 250  # transactions a step: 100,000 rows of a deleted bucket


class Garbage:
    """Removes due versions and put-away buckets. One at a time in a service."""

    def __init__(self, catalog: Settling, blobs: LocalBlobs, disk: Disk) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._disk = disk

    def run(self, now_ms: int) -> int:
        """Remove what is due at `now_ms`, up to `AT_ONCE`; how many versions went."""
        versions = self._catalog.due_dead(now_ms, AT_ONCE)
        if versions:
            self._remove(versions)
        return len(versions)

    def run_early(self, gone_before_ms: int) -> int:
        """Remove trash before its time, what ended first first; how many versions went."""
        versions = self._catalog.dead_before(gone_before_ms, AT_ONCE)
        if versions:
            self._remove(versions)
        return len(versions)

    def _remove(self, versions: list[Version]) -> None:
        """Sidecars first and synced, then blobs: a blob without a sidecar is an orphan, the reverse is damage.

        Nobody may copy them from here on; and the sync also takes care of the links of those who did before.
        """
        self._catalog.take_dead(versions)
        buckets = self._catalog.buckets()
        names = [name for version in versions if (name := _name(buckets, version)) is not None]
        for name in names:
            self._blobs.delete_sidecar(name)
        self._disk.sync_fs(self._blobs.root)
        for name in names:
            self._blobs.delete(name)
        self._catalog.forget_dead(versions, {number: bucket.owner for number, (bucket, _) in buckets.items()})

    def remove_buckets(self, closed_before_ms: int) -> int:
        """Remove buckets that were deleted before then, with all they held; how many are gone for good. Their own rows
        go last, so that what an interruption leaves is still known."""
        gone = 0
        for number, uuid, owner in self._catalog.closed_buckets(closed_before_ms):
            if not any(self._catalog.clear_bucket(number) for _ in range(CLEARED_AT_ONCE)):
                continue  # a large one: the rest next time
            directory = f"{self._blobs.root}/{SERVICE}/trash/{uuid}"
            shutil.rmtree(directory, ignore_errors=True)
            if self._disk.stat(directory) is None:
                self._catalog.forget_bucket(number, owner)
                gone += 1
            else:
                log.error("garbage: the directory of deleted bucket %s cannot be removed", uuid)
        return gone


def _name(buckets: dict[int, tuple[Bucket, bool]], version: Version) -> BlobName | None:
    found = buckets.get(version.bucket)
    return BlobName(directory_of(*found), version.version_id) if found else None
