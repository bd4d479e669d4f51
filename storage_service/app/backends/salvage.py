"""What a damaged catalog still owes, read row by row and written to disk as settle would have.

The damaged file is only read. Each step is a no-op where the disk already knows better, so all of it can be repeated.
"""

import logging
from typing import Any, NamedTuple

import apsw
import orjson

from storage_service.app.backends.blobs import BUCKET_SIDECAR, SERVICE, LocalBlobs, read_file
from storage_service.app.backends.bucket_scan import FoundBucket
from storage_service.app.backends.settle import directory_of, write_blob
from storage_service.app.core import sidecar
from storage_service.app.core.ending import NOTHING
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import BlobName

log = logging.getLogger(__name__)

MOST_UNREADABLE = 10_000  # sequences in a row; then nothing more is expected


class Rescued(NamedTuple):
    """A journal row read out of a damaged file."""

    sequence: int
    at_ms: int
    bucket: int
    key: str | None
    version_id: str | None
    op: str
    actor: str
    doc: str
    victim: str | None
    body: bytes | None


class Salvage(NamedTuple):
    """The unsettled rows of a journal; `last`: its last sequence, `whole`: it was read to its end without an error."""

    rows: list[Rescued]
    last: int
    whole: bool


def rescue(path: str) -> Salvage:
    """Read what can be read."""
    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    except apsw.Error:
        return Salvage([], 0, whole=False)
    try:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name='journal'").fetchone()
        return _read(connection, int(row[0]) if row else 0)
    except apsw.Error:
        return Salvage([], 0, whole=False)
    finally:
        connection.close()


def _read(connection: apsw.Connection, last: int) -> Salvage:
    sql = (  # from the table itself: an index is one more thing that may be damaged
        "SELECT j.seq,j.at_ms,j.bucket,j.key,j.vid,j.op,j.actor,j.doc,j.victim,b.body FROM journal j NOT INDEXED"
        " LEFT JOIN bodies b ON b.seq=j.seq WHERE j.seq>? AND j.doc IS NOT NULL ORDER BY j.seq"
    )
    rows: list[Rescued] = []
    at, read, whole = 0, 0, True
    while at < last and at - read <= MOST_UNREADABLE:
        try:
            for row in connection.execute(sql, (at,)):
                rows.append(Rescued(*row))
                at = read = rows[-1].sequence
            break
        except apsw.Error:
            whole = False
            at += 1  # behind the row that cannot be read
    return Salvage(rows, last, whole)


class Rescuer:
    """Writes rescued rows to disk, in order. `buckets`: those that are known, by number."""

    def __init__(self, blobs: LocalBlobs, buckets: dict[int, FoundBucket], trash_ms: int) -> None:
        self._blobs = blobs
        self._disk = blobs.disk
        self._places = {number: found.directory for number, found in buckets.items()}
        self._by_uuid = {found.bucket.uuid: found.directory for found in buckets.values()}
        self._trash_ms = trash_ms
        self._later: dict[str, str] = {}

    def write(self, rows: list[Rescued]) -> list[Rescued]:
        """Those that reached the disk; synced on return."""
        done = [row for row in rows if self._try(row)]
        self._conclude()
        return done

    def _conclude(self) -> None:
        """Sync, then rename: as in settle, a version is said to be dead only after its successor is safe."""
        self._disk.sync_fs(self._blobs.root)
        for temporary, path in self._later.items():
            self._disk.rename(temporary, path)
        self._later.clear()
        self._disk.sync_fs(self._blobs.root)

    def _try(self, row: Rescued) -> bool:
        try:
            self._write(row)
        except (OSError, DamagedObject, TypeError, ValueError, KeyError) as error:
            log.warning("salvage: row %d: %s", row.sequence, error)
            return False
        return True

    def _write(self, row: Rescued) -> None:
        if row.key is None or row.version_id is None:
            self._write_bucket(row)
            return
        directory = self._places.get(row.bucket)
        if directory is None:  # removed with all it held
            return
        blob = BlobName(directory, row.version_id)
        if row.op == "put":
            write_blob(self._blobs, blob, row.doc, row.body, self._by_uuid)
        if row.doc != NOTHING:
            self._write_sidecar(blob, row)
        if row.victim:
            self._bury(BlobName(directory, row.victim), row)

    def _write_sidecar(self, blob: BlobName, row: Rescued) -> None:
        known = self._read_sidecar(blob)
        if known is not None and max(known.get("removed_sequence") or 0, known["meta_sequence"]) > row.sequence:
            return  # the disk knows a later state
        self._blobs.write_sidecar(blob, sidecar.render_file(row.doc), self._later)

    def _bury(self, blob: BlobName, row: Rescued) -> None:
        known = self._read_sidecar(blob)
        if known is None or known.get("removed_sequence"):
            return
        known.pop(sidecar.CHECKSUM)
        known |= {
            "removed_sequence": row.sequence,
            "removed_at_ms": row.at_ms,
            "removed_due_ms": row.at_ms + self._trash_ms,
        }
        self._blobs.replace_sidecar(blob, sidecar.render_file(orjson.dumps(known)), self._later)

    def _read_sidecar(self, blob: BlobName) -> dict[str, Any] | None:
        """What the sidecar says, or will once the renames are made."""
        path = self._blobs.sidecar_path(blob)
        waiting = f"{path}.new"
        try:
            return sidecar.parse_file(read_file(self._disk, waiting if waiting in self._later else path))
        except (OSError, DamagedObject):
            return None

    def _write_bucket(self, row: Rescued) -> None:
        bucket = sidecar.bucket_of(orjson.loads(row.doc))
        directory = self._places.get(bucket.id, bucket.name)
        if row.op == "bucket-delete":
            directory = self._put_away(directory, directory_of(bucket, moved=True))
        if self._is_newer(directory, row.sequence):
            return
        self._places[bucket.id] = self._by_uuid[bucket.uuid] = directory
        self._blobs.write_bucket_sidecar(directory, sidecar.render_file(row.doc))

    def _put_away(self, directory: str, target: str) -> str:
        """Where a deleted bucket's files lie now."""
        root = self._blobs.root
        self._disk.make_dir(f"{root}/{SERVICE}/trash")
        if self._disk.stat(f"{root}/{target}") is None and self._disk.stat(f"{root}/{directory}") is not None:
            self._conclude()  # what waits to be renamed lies in there
            self._disk.rename(f"{root}/{directory}", f"{root}/{target}")
            self._blobs.forget_bucket(directory)
        return target

    def _is_newer(self, directory: str, sequence: int) -> bool:
        """Whether the disk knows a later state of this bucket."""
        try:
            record = sidecar.parse_file(read_file(self._disk, f"{self._blobs.root}/{directory}/{BUCKET_SIDECAR}"))
        except (OSError, DamagedObject):
            return False
        return int(record.get("sequence", 0)) > sequence
