"""Which directories are buckets, as their own files say: what a rebuild begins with."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from storage_service.app.backends.blobs import BLOBS, BUCKET_SIDECAR, SERVICE, LocalBlobs, read_file
from storage_service.app.backends.volume import LEFTOVERS
from storage_service.app.core import sidecar
from storage_service.app.core.errors import DamagedObject, InvalidBucketName
from storage_service.app.core.objects import BlobName, Bucket, check_bucket_name, is_uuid, now_ms

log = logging.getLogger(__name__)


class FoundBucket(NamedTuple):
    """A bucket and the directory that is its own. `closed_ms`: deleted since. `sequence`: of its last change."""

    bucket: Bucket
    directory: str
    closed_ms: int | None
    sequence: int


class BucketScan:
    """Finds the buckets below a root. `damaged` counts directories whose own word is missing or not believed."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self._blobs = blobs
        self._disk = blobs.disk
        self._root = blobs.root
        self.damaged = 0

    def run(self) -> list[FoundBucket]:
        """Each bucket once, with a number of its own; one that stands under its name wins over a copy in the trash."""
        found: dict[str, FoundBucket] = {}
        for one in self._each():
            if one.bucket.uuid in found:
                self._complain(one.directory, f"is a second copy of bucket {one.bucket.uuid}")
            else:
                found[one.bucket.uuid] = one
        return _numbered(list(found.values()))

    def _each(self) -> Iterator[FoundBucket]:
        for name in sorted(set(self._disk.names(self._root)) - LEFTOVERS):
            if (one := self._look(name, deleted=False)) is not None:
                yield one
        for name in sorted(self._disk.names(f"{self._root}/{SERVICE}/trash")):
            if (one := self._look(f"{SERVICE}/trash/{name}", deleted=True)) is not None:
                yield one

    def _look(self, directory: str, *, deleted: bool) -> FoundBucket | None:
        name = directory.rpartition("/")[2]
        try:
            record = sidecar.parse_file(read_file(self._disk, f"{self._root}/{directory}/{BUCKET_SIDECAR}"))
            bucket = sidecar.bucket_of(record)
        except (FileNotFoundError, NotADirectoryError):
            return self._guess(directory, name, deleted=deleted) if self._has_blobs(directory) else None
        except (DamagedObject, OSError) as error:
            self._complain(directory, f"its {BUCKET_SIDECAR}: {error}")
            return self._guess(directory, name, deleted=deleted) if self._has_blobs(directory) else None
        if name != (bucket.uuid if deleted else bucket.name):
            self._complain(directory, f"says that it is bucket {bucket.name}; rename it back, or remove it")
            return None
        # A deleted bucket that somebody moved back under its name is open again.
        closed_ms = record.get("removed_at_ms", bucket.updated_ms) if deleted else None
        return FoundBucket(bucket, directory, closed_ms, int(record.get("sequence", 0)))

    def _has_blobs(self, directory: str) -> bool:
        found = self._disk.stat(f"{self._root}/{directory}/{BLOBS}")
        return found is not None and found.is_dir

    def _guess(self, directory: str, name: str, *, deleted: bool) -> FoundBucket | None:
        """The bucket without its own word: private, its objects' and nobody's but the administrators'."""
        at_ms = now_ms()
        self._complain(directory, "is taken as a private bucket without an owner")
        if deleted:
            bucket = Bucket(0, name, name, "", 1, at_ms, at_ms)
            return FoundBucket(bucket, directory, at_ms, 0) if is_uuid(name) else None
        uuid = self._named_by_objects(directory)
        try:
            check_bucket_name(name)
        except InvalidBucketName:
            return None
        return FoundBucket(Bucket(0, uuid, name, "", 1, at_ms, at_ms), directory, None, 0) if uuid else None

    def _named_by_objects(self, directory: str) -> str:
        """The bucket's id, from the first sidecar that can be read."""
        for version_id, is_sidecar in self._blobs.version_ids(directory):
            record = self._read(BlobName(directory, version_id)) if is_sidecar else {}
            if is_uuid(str(record.get("bucket_id"))):
                return str(record["bucket_id"])
        return ""

    def _read(self, blob: BlobName) -> dict[str, Any]:
        try:
            return sidecar.parse_file(self._blobs.read_sidecar(blob))
        except (DamagedObject, OSError):
            return {}

    def _complain(self, directory: str, detail: str) -> None:
        log.error("rebuild: directory %s %s", directory, detail)
        self.damaged += 1


def _numbered(found: list[FoundBucket]) -> list[FoundBucket]:
    """Numbers are the catalog's own: who has none, or another's, gets a new one."""
    highest = max((one.bucket.id for one in found), default=0)
    taken: set[int] = set()
    numbered = []
    for one in found:
        number = one.bucket.id
        if number < 1 or number in taken:
            highest += 1
            number = highest
        taken.add(number)
        numbered.append(one._replace(bucket=replace(one.bucket, id=number)))
    return numbered
