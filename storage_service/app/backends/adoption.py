"""Plain files become objects: copied (a reflink where the disk has it) or, on a promise, linked; hashed on the way.

Some files at a time, in an order that a kill or a power cut may break anywhere: bytes under a staging name, which is
the intent, and under their blob name; one sync; one commit; one sync; only then a file that lay in the view's place
gives way to the view's own name. Whoever begins again finds what was committed and goes on behind it.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Literal, NamedTuple

from storage_service.app.backends.blobs import BLOB_MODE, LocalBlobs
from storage_service.app.backends.bringing import Changed, bring
from storage_service.app.backends.catalog.settling import Settling
from storage_service.app.backends.check import crc_of
from storage_service.app.backends.foreign_files import Foreign
from storage_service.app.backends.local import STAGED_NAME
from storage_service.app.backends.settle import directory_of
from storage_service.app.backends.view import View
from storage_service.app.core import sidecar
from storage_service.app.core.changes import PutVersion
from storage_service.app.core.decision import Keeping, Moment
from storage_service.app.core.digests import Hasher
from storage_service.app.core.objects import (
    Attributes,
    BlobName,
    Bucket,
    Version,
    WriteConditions,
    new_id,
    now_ms,
)

ACTOR = "adopt"
MOST_FILES, MOST_BYTES = 200, 256 << 20  # of one commit: about what one sync should carry
SNIFFED_BYTES = 8 << 10

Outcome = Literal["adopted", "there", "conflict", "changed", "refused", "unreadable"]


class Described(NamedTuple):
    """What is to be said of a file. `file_id`: one that it had elsewhere and is to keep."""

    attributes: Attributes
    file_id: str | None = None


class Result(NamedTuple):
    """What became of one file. `there`: its key holds the same bytes already."""

    file: Foreign
    outcome: Outcome


class Options(NamedTuple):
    """`link`: the file's own bytes become the blob's. `in_place`: the files lie where the view would show them.
    `describe` is given key and first bytes. `committed` is told how many rows the journal grew by."""

    link: bool
    in_place: bool
    dry_run: bool
    describe: Callable[[str, bytes], Described]
    committed: Callable[[int], None]


class Staged(NamedTuple):
    file: Foreign
    path: str
    blob: BlobName
    change: PutVersion


class Adoption:
    """Takes files into one bucket. `staging` is a directory of this process's own, below the store's."""

    def __init__(self, catalog: Settling, blobs: LocalBlobs, view: View, staging: str, options: Options) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._disk = blobs.disk
        self._view = view
        self._staging = staging
        self._options = options

    def run(self, bucket: Bucket, files: Iterable[Foreign], keeping: Keeping) -> Iterable[Result]:
        """What became of each file, as it becomes known. Raises: OSError of the store's own disk, apsw.Error."""
        batch: list[Staged] = []
        for file in files:
            found = self._take(bucket, file)
            if isinstance(found, Staged):
                batch.append(found)
            else:
                yield Result(file, found)
            if len(batch) >= MOST_FILES or sum(staged.file.size for staged in batch) >= MOST_BYTES:
                yield from self._conclude(bucket, batch, keeping)
                batch = []
        yield from self._conclude(bucket, batch, keeping)

    def _take(self, bucket: Bucket, file: Foreign) -> Staged | Outcome:
        head = self._catalog.heads([(bucket.id, file.key)]).get((bucket.id, file.key))
        try:
            if head is not None:
                return self._compare(bucket, file, head)
            return "adopted" if self._options.dry_run else self._stage(bucket, file)
        except Changed:
            return "changed"
        except PermissionError:
            return "unreadable"
        except FileNotFoundError:
            return "changed"

    def _compare(self, bucket: Bucket, file: Foreign, head: Version) -> Outcome:
        """The key is taken: by these bytes, as after an interrupted run, or by others."""
        digests = sidecar.digests_of(head)
        if file.size != head.size or crc_of(self._disk, file.path) != digests.crc64nvme:
            return "conflict"
        if self._options.in_place and not self._options.dry_run:
            self._give_way(bucket, file, head)
        return "there"

    def _stage(self, bucket: Bucket, file: Foreign) -> Staged:
        version_id = new_id()
        blob = BlobName(directory_of(bucket, moved=False), version_id)
        path = f"{self._staging}/{STAGED_NAME.format(bucket=bucket.id, version_id=version_id)}"
        hasher, first = Hasher(), bytearray()

        def update(chunk: bytes) -> None:
            hasher.update(chunk)
            if len(first) < SNIFFED_BYTES:
                first.extend(chunk[:SNIFFED_BYTES])

        found = bring(self._disk, file.path, path, update, link=self._options.link)
        self._prepare(path)
        described = self._options.describe(file.key, bytes(first))
        digests = hasher.finish()
        draft = Version(
            bucket.id,
            file.key,
            version_id,
            described.file_id or new_id(),
            found.size,
            digests.md5,
            min(found.mtime_ns // 1_000_000, now_ms()),
            found.mtime_ns,
            0,
            sidecar.render_doc(described.attributes, digests),
        )
        self._blobs.make_shard(self._blobs.shard(blob))
        self._disk.link(path, self._blobs.path(blob))
        absent = WriteConditions(must_be_new=True)
        change = PutVersion(draft, None, ACTOR, absent, promised=described.file_id is not None)
        return Staged(file, path, blob, change)

    def _prepare(self, path: str) -> None:
        """Of a linked file, too: nobody is to write into a blob, and nginx's group may read it."""
        fd = self._disk.open(path)
        try:
            with suppress(PermissionError):
                self._disk.set_mode(fd, BLOB_MODE)
            self._blobs.share(fd)
        finally:
            self._disk.close(fd)

    def _conclude(self, bucket: Bucket, batch: list[Staged], keeping: Keeping) -> Iterable[Result]:
        if not batch:
            return
        self._disk.sync_fs(self._blobs.root)  # bytes and names, before the commit that names them
        at_ms = now_ms()
        rows = self._catalog.apply(
            [staged.change for staged in batch], lambda sequence: Moment(at_ms, sequence, keeping)
        )
        known = self._catalog.known_versions([staged.blob.version_id for staged in batch])
        self._disk.sync_fs(self._blobs.root)  # the commit, before a file of somebody's goes
        for staged in batch:
            done = staged.blob.version_id in known
            if not done:
                self._blobs.delete(staged.blob)
            elif self._options.in_place:
                self._give_way(bucket, staged.file, None)
            self._disk.unlink(staged.path)
            yield Result(staged.file, "adopted" if done else "refused")
        self._options.committed(rows)

    def _give_way(self, bucket: Bucket, file: Foreign, head: Version | None) -> None:
        """The file's name becomes the view's, if it still is the file that was read."""
        head = head or self._catalog.heads([(bucket.id, file.key)]).get((bucket.id, file.key))
        found = self._disk.stat(file.path)
        if head is None or found is None or (found.size, found.mtime_ns, found.inode) != file[2:]:
            return
        blob = self._blobs.stat(BlobName(directory_of(bucket, moved=False), head.version_id))
        if blob is None or blob.inode == file.inode:  # linked: it is the view's already
            return
        self._disk.unlink(file.path)
        with suppress(OSError):  # the view has no say; `storage view --rebuild` mends it
            self._view.show(bucket.name, file.key, head, lambda: self._catalog.history(bucket.id, file.key))
