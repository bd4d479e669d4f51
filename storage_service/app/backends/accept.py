"""`storage check --accept`: what was edited in the file system becomes a new version of its object.

Two things happen to a file in the view. A program writes into it: then, where the view is a hard link, the blob itself
was changed, and the old bytes are gone. Or it replaces it, as most editors do: then the blob is whole, and the new
file stands in the view's way. Either way the new bytes are copied into a blob of their own and committed on condition
that the version is still current. A version whose bytes are gone is purged: nobody may bring it back.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import orjson

from storage_service.app.backends.blobs import LocalBlobs, is_intact
from storage_service.app.backends.catalog.settling import Settling
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.findings import Finding
from storage_service.app.backends.local import LocalFiles
from storage_service.app.backends.view import View
from storage_service.app.core.changes import Change, DeleteObject, PutVersion
from storage_service.app.core.decision import Keeping, Moment
from storage_service.app.core.digests import Hasher
from storage_service.app.core.objects import (
    BlobName,
    Bucket,
    Digests,
    Version,
    WriteConditions,
    new_id,
    now_ms,
)

ACTOR = "check"
CHUNK_BYTES = 1 << 20
CONTENT_FIELDS = ("crc64nvme", "sha256", "copied_from")  # of a doc: they tell of the old bytes


class Accepted(NamedTuple):
    """`version_id` is the new version's; None: nothing was done, and `detail` says why."""

    bucket: str
    key: str
    version_id: str | None
    detail: str


class Acceptance:
    """Takes edits over, one by one."""

    def __init__(self, catalog: Settling, blobs: LocalBlobs, files: LocalFiles, view: View, keeping: Keeping) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._files = files
        self._view = view
        self._keeping = keeping
        self._buckets = {bucket.name: bucket for bucket in catalog.open_buckets().values()}

    def run(self, findings: Sequence[Finding]) -> list[Accepted]:
        """Everything among these that was edited. What is damaged otherwise is left alone."""
        done = []
        for finding in findings:
            bucket = self._buckets.get(finding.bucket or "")
            if bucket is not None and finding.key and finding.code in {"blob_edited", "view_edited"}:
                done.append(self._try(bucket, finding))
        return done

    def _try(self, bucket: Bucket, finding: Finding) -> Accepted:
        key, version_id = finding.key or "", finding.version_id or ""
        history = self._catalog.versions(bucket.id, key)
        version = next((found for found in history if found.version_id == version_id), None)
        if version is None:
            return Accepted(bucket.name, key, None, "the version is gone meanwhile")
        try:
            if finding.code == "view_edited":
                return self._take_file(bucket, version)
            head = self._catalog.heads([(bucket.id, key)]).get((bucket.id, key))
            return self._take_blob(bucket, version) if head == version else self._purge(bucket, version)
        except OSError as error:
            return Accepted(bucket.name, key, None, f"cannot be read or copied: {error.strerror}")

    def _take_blob(self, bucket: Bucket, version: Version) -> Accepted:
        """The blob's own bytes were changed."""
        path = self._blobs.path(BlobName(bucket.name, version.version_id))
        found = self._blobs.stat(BlobName(bucket.name, version.version_id))
        if found is None or not found.is_file or is_intact(found, version.size, version.mtime_ns):
            return Accepted(bucket.name, version.key, None, "is not edited any more")
        return self._commit(bucket, version, path, purge=True)

    def _take_file(self, bucket: Bucket, version: Version) -> Accepted:
        """A new file stands under the key; the blob is whole. The file goes once its bytes are committed."""
        path = f"{self._blobs.root}/{bucket.name}/{version.key}"
        before = self._blobs.disk.stat(path)
        if before is None or not before.is_file:
            return Accepted(bucket.name, version.key, None, "the file is gone meanwhile")
        done = self._commit(bucket, version, path, purge=False)
        if done.version_id and self._blobs.disk.stat(path) == before:
            self._blobs.disk.sync_fs(self._blobs.root)  # the commit; only then may the one other copy go
            self._blobs.disk.unlink(path)
            head = self._catalog.heads([(bucket.id, version.key)]).get((bucket.id, version.key))
            self._view.show(bucket.name, version.key, head, lambda: self._catalog.versions(bucket.id, version.key))
        return done

    def _commit(self, bucket: Bucket, version: Version, path: str, *, purge: bool) -> Accepted:
        """Copy, hash, sync, commit; then the same bytes stand under a blob name of their own."""
        new = new_id()
        staged = self._files.stage(bucket.id, new)
        try:
            size, digests = copy_into(self._blobs.disk, path, staged.write)
            draft = _draft(version, new, size, digests)
            staged.publish(BlobName(bucket.name, new), draft.mtime_ns or 0)
            committed = self._apply(self._changes(version, draft, purge=purge), purge=purge)
        except BaseException:
            staged.discard()
            raise
        if not committed:
            staged.discard()
            return Accepted(bucket.name, version.key, None, "the object was changed meanwhile")
        staged.keep()
        return Accepted(bucket.name, version.key, new, f"{size} bytes are its new current version")

    def _changes(self, version: Version, draft: Version, *, purge: bool) -> list[Change]:
        seen = WriteConditions(version_id=version.version_id)
        changes: list[Change] = [PutVersion(draft, None, ACTOR, seen)]
        if purge:  # where versions are kept, the damaged one would stay: end it, if the new one is there
            placed = WriteConditions(version_id=draft.version_id)
            changes.append(_purging(version, placed))
        return changes

    def _purge(self, bucket: Bucket, version: Version) -> Accepted:
        """A version that is not current and whose bytes are gone."""
        if version.gone_ms is None:
            done = self._apply([_purging(version, WriteConditions())], purge=True)
        else:
            done = self._catalog.hasten(version.version_id, now_ms() + self._keeping.grace_ms)
        detail = "an older version whose bytes were overwritten was taken out" if done else "the version is gone"
        return Accepted(bucket.name, version.key, version.version_id if done else None, detail)

    def _apply(self, changes: list[Change], *, purge: bool) -> int:
        """How many rows the journal grew by; 0 = nothing was done."""
        at_ms = now_ms()
        keeping = self._keeping._replace(trash_ms=0) if purge else self._keeping
        return self._catalog.apply(changes, lambda sequence: Moment(at_ms, sequence, keeping))


def _purging(version: Version, conditions: WriteConditions) -> DeleteObject:
    return DeleteObject(
        version.bucket,
        version.key,
        ACTOR,
        now_ms(),
        version.version_id,
        new_id(),
        conditions,
        purge=True,
        missing_ok=True,
    )


def _draft(version: Version, version_id: str, size: int, digests: Digests) -> Version:
    """The new version: everything that was said of the old one, but of its bytes."""
    at_ms = now_ms()
    doc = {name: value for name, value in orjson.loads(version.doc).items() if name not in CONTENT_FIELDS}
    doc |= {"crc64nvme": digests.crc64nvme, "sha256": digests.sha256}
    return Version(
        version.bucket,
        version.key,
        version_id,
        new_id(),
        size,
        digests.md5,
        at_ms,
        at_ms * 1_000_000,
        0,
        orjson.dumps(doc).decode(),
        expires_ms=version.expires_ms,
    )


def copy_into(disk: Disk, path: str, write: Callable[[bytes], None]) -> tuple[int, Digests]:
    """Hand a file's bytes to `write`, in pieces; how many there were, and their digests."""
    hasher, offset = Hasher(), 0
    fd = disk.open(path)
    try:
        while chunk := disk.read(fd, CHUNK_BYTES, offset):
            hasher.update(chunk)
            write(chunk)
            offset += len(chunk)
    finally:
        disk.close(fd)
    return offset, hasher.finish()
