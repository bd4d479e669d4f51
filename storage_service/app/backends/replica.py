"""A replica: another directory with everything a store's catalog names at one instant, a store itself.

`storage backup` makes one, and `storage restore` makes one of a backup. The catalog is copied within one read
transaction, so writers go on. Blobs never change, so they are copied afterwards; garbage is held meanwhile. Small
bodies that are not files yet come along in the copied journal, and are settled in the replica. Sidecars are rendered
from the copied catalog: the store's own may be newer by now.
"""

import errno
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import orjson
from awscrt.checksums import crc64nvme

from storage_service.app.backends.blobs import LocalBlobs, is_intact, read_file
from storage_service.app.backends.bringing import bring
from storage_service.app.backends.catalog.auditing import Auditor
from storage_service.app.backends.catalog.schema import BUSY_MS, last_sequence
from storage_service.app.backends.catalog.settling import Progress, Settling
from storage_service.app.backends.check import crc_of
from storage_service.app.backends.disk import Disk, published
from storage_service.app.backends.recovery import settle_all
from storage_service.app.backends.settle import Settler, directory_of
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.volume import Layout, SettledNote, keep_settled
from storage_service.app.core import sidecar
from storage_service.app.core.digests import render_crc64nvme
from storage_service.app.core.objects import BlobName, Bucket, Version

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})  # the target's fault, not one object's
MOST_NAMED = 1_000  # damaged objects that the report names
_CURRENT = "SELECT count(*),total(size) FROM objects WHERE bucket IN (SELECT id FROM buckets WHERE closed_ms IS NULL)"
OWN_MODE = 0o600
SECRETS = ("secrets.key", "secret_key")
OWN_FILES = ("identity.json", "lost_after.json")


class Damaged(NamedTuple):
    """A version whose bytes could not be taken along as they were uploaded."""

    bucket: str
    key: str
    version_id: str
    detail: str


class Earlier(NamedTuple):
    """A replica in the same place whose files can be linked. Bytes of one that was not finished are read first."""

    blobs: LocalBlobs
    sequence: int  # its last change; -1: nobody knows
    epoch: str
    finished: bool


class Options(NamedTuple):
    """`link`: new blobs may be second names of the source's own. `secrets`: the files that open sealed records go too.
    `progress` is told versions done."""

    link: bool
    secrets: bool
    progress: Callable[[int], None]


class Made(NamedTuple):
    """What a replica holds: `objects` are the current ones, of `bytes` in all. `new_bytes` were copied; `same` blobs
    stood in an earlier one already."""

    sequence: int
    objects: int
    versions: int
    bytes: int
    new: int
    new_bytes: int
    same: int
    damaged: list[Damaged]


class Replica:
    """Makes one, in a directory that is empty or where an interrupted run of the same source has begun."""

    def __init__(self, source: Layout, target: Layout, earlier: Sequence[Earlier], options: Options) -> None:
        self._source = source
        self._target = target
        self._earlier = earlier
        self._options = options
        self._disk = Disk()  # never the scratch one: whatever the store promises, a backup is to be there
        self._from = LocalBlobs(str(source.root), self._disk)
        self._to = LocalBlobs(str(target.root), self._disk)
        self._linkable: list[Earlier] = []
        self._made = Made(0, 0, 0, 0, 0, 0, 0, [])

    def run(self) -> Made:
        """Everything is synced on return, but for the name of the directory itself.

        Raises:
            OSError, apsw.Error: it could not be finished; what is there can be used by the next run.
        """
        target = self._target
        for path in (target.service, target.staging, target.uploads, target.run, target.service / "trash"):
            path.mkdir(exist_ok=True, parents=True, mode=0o700)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{target.catalog}{suffix}").unlink(missing_ok=True)
        copy_catalog(self._source.catalog, target.catalog)
        self._copy_own()
        settling = Settling(str(target.catalog), str(target.commit_lock))
        try:
            self._copy_all(settling)
            self._settle(settling)
        finally:
            settling.close()
        self._close_catalog()
        self._disk.sync_fs(str(target.root))
        return self._made

    # The service's own ------------------------------------------------------------------------------------------

    def _copy_own(self) -> None:
        names = [*OWN_FILES, *(SECRETS if self._options.secrets else ())]
        self._target.records.mkdir(exist_ok=True, mode=0o700)
        records = [f"records/{name}" for name in self._disk.names(str(self._source.records)) if name.endswith(".json")]
        for name in [*names, *records]:
            with suppress(FileNotFoundError):
                data = read_file(self._disk, str(self._source.service / name))
                with published(self._disk, str(self._target.service / name), OWN_MODE) as fd:
                    self._disk.write(fd, data)

    # Versions ---------------------------------------------------------------------------------------------------

    def _copy_all(self, settling: Settling) -> None:
        epoch = str(settling.state("epoch"))
        current: list[tuple[Any, ...]] = settling.connection.execute(_CURRENT).fetchall()
        self._made = self._made._replace(
            sequence=last_sequence(settling.connection), objects=int(current[0][0]), bytes=int(current[0][1])
        )
        self._linkable = [one._replace(sequence=one.sequence if one.epoch == epoch else -1) for one in self._earlier]
        journalled = {int(row[0]) for row in settling.connection.execute("SELECT seq FROM bodies")}
        auditor = Auditor(str(self._target.catalog))
        try:
            for bucket, moved in settling.buckets().values():
                self._write_bucket(bucket, moved=moved)
                for page in auditor.versions(bucket.id):
                    for version in page:
                        self._copy_version(bucket, version, moved=moved, journalled=version.sequence in journalled)
                    self._options.progress(self._made.versions)
        finally:
            auditor.close()

    def _write_bucket(self, bucket: Bucket, *, moved: bool) -> None:
        text = sidecar.render_bucket(bucket, self._made.sequence, bucket.updated_ms if moved else None)
        self._to.write_bucket_sidecar(directory_of(bucket, moved), sidecar.render_file(text))

    def _copy_version(self, bucket: Bucket, version: Version, *, moved: bool, journalled: bool) -> None:
        target = BlobName(directory_of(bucket, moved), version.version_id)
        self._made = self._made._replace(versions=self._made.versions + 1)
        if not version.is_marker and not journalled and not self._is_there(target, version):
            self._copy_blob(bucket, target, version)
        self._write_sidecar(bucket, target, version)

    def _is_there(self, target: BlobName, version: Version) -> bool:
        """Whether an interrupted run, or an earlier replica, has these bytes; linked then. Its word is not believed
        where it may not have been synced: a power cut keeps names and sizes and loses bytes."""
        found = self._to.stat(target)
        if found is not None:
            if is_intact(found, version.size, version.mtime_ns) and self._is_right(self._to, target, version):
                return True
            self._to.delete(target)
        for one in self._linkable:
            with suppress(OSError):
                found = one.blobs.stat(target)
                if found is None or not is_intact(found, version.size, version.mtime_ns):
                    continue
                if one.finished or self._is_right(one.blobs, target, version):
                    self._link(one.blobs.path(target), self._to.path(target))
                    self._made = self._made._replace(same=self._made.same + 1)
                    return True
        return False

    def _is_right(self, blobs: LocalBlobs, blob: BlobName, version: Version) -> bool:
        wanted = orjson.loads(version.doc).get("crc64nvme")
        return bool(wanted) and crc_of(self._disk, blobs.path(blob)) == wanted

    def _link(self, source: str, target: str) -> None:
        self._to.make_shard(target.rpartition("/")[0])
        self._disk.link(source, target)

    def _copy_blob(self, bucket: Bucket, target: BlobName, version: Version) -> None:
        """From where the store has it: a bucket may have been put away since the catalog was copied."""
        self._to.make_shard(self._to.shard(target))
        for directory in (target.bucket, directory_of(bucket, moved=True)):
            try:
                return self._bring(BlobName(directory, version.version_id), target, bucket, version)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno in NO_ROOM:
                    raise
                return self._complain(bucket, version, f"its bytes cannot be read: {error.strerror}")
        if version.due_ms is None or version.gone_ms is None:
            self._complain(bucket, version, "the file with its bytes is gone")
        return None  # garbage was about to take it

    def _bring(self, source: BlobName, target: BlobName, bucket: Bucket, version: Version) -> None:
        crc = 0

        def update(chunk: bytes) -> None:
            nonlocal crc
            crc = crc64nvme(chunk, crc)

        found = bring(self._disk, self._from.path(source), self._to.path(target), update, link=self._options.link)
        self._made = self._made._replace(new=self._made.new + 1, new_bytes=self._made.new_bytes + found.size)
        wanted = orjson.loads(version.doc).get("crc64nvme")
        if not is_intact(found, version.size, version.mtime_ns):
            self._complain(bucket, version, "its bytes were changed after the upload")
        elif wanted and wanted != render_crc64nvme(crc):
            self._complain(bucket, version, f"CRC64NVME is {render_crc64nvme(crc)}, was {wanted} at the upload")

    def _complain(self, bucket: Bucket, version: Version, detail: str) -> None:
        if len(self._made.damaged) < MOST_NAMED:
            self._made.damaged.append(Damaged(bucket.name, version.key, version.version_id, detail))

    def _write_sidecar(self, bucket: Bucket, blob: BlobName, version: Version) -> None:
        """Linked from an earlier replica that was made since it last changed."""
        changed = max(version.meta_sequence, version.gone_sequence or 0)
        for one in self._linkable:
            if one.finished and changed <= one.sequence:
                with suppress(OSError):
                    return self._link(one.blobs.sidecar_path(blob), self._to.sidecar_path(blob))
        later: dict[str, str] = {}
        self._to.write_sidecar(blob, sidecar.render_file(sidecar.compose(version, bucket.uuid)), later)
        for temporary, path in later.items():
            self._disk.rename(temporary, path)
        return None

    # The end ----------------------------------------------------------------------------------------------------

    def _settle(self, settling: Settling) -> None:
        """What waits in the journal becomes files. What the source had set aside stays so."""
        layout = self._target
        shared = Shared.create(layout.shared)
        epoch = str(settling.state("epoch"))

        def note(progress: Progress, epoch: str) -> None:
            keep_settled(layout, self._disk, SettledNote(*progress), epoch)

        settle_all(settling, Settler(settling, self._to, self._disk, None, shared, note), shared)
        settling.set_state("viewed", 0)
        settling.checkpoint()
        note(settling.progress(), epoch)

    def _close_catalog(self) -> None:
        """One file, without a WAL beside it."""
        connection = apsw.Connection(str(self._target.catalog))
        try:
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()
        finally:
            connection.close()
        os.chmod(self._target.catalog, OWN_MODE)


def copy_catalog(source: Path, target: Path) -> None:
    """The catalog as it is at one instant, without the uploads that are not finished: their pieces stay behind.

    Raises: apsw.Error, OSError.
    """
    origin = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READWRITE)
    origin.setbusytimeout(BUSY_MS)
    copy = apsw.Connection(str(target))
    try:
        with copy.backup("main", origin, "main") as backup:
            while not backup.done:
                backup.step(-1)  # all in one read transaction
        copy.execute("BEGIN")
        copy.execute("DELETE FROM parts")
        copy.execute("DELETE FROM uploads WHERE phase='open'")
        copy.execute("UPDATE usage SET upload_bytes=0")
        copy.execute("COMMIT")
    finally:
        copy.close()
        origin.close()


def read_note(path: Path) -> dict[str, Any]:
    """A JSON note of ours; empty where there is none that can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
