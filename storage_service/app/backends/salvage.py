"""What a damaged catalog still owes, read row by row and written to disk as settle would have.

Only ever from a file set aside. Each step is a no-op where the disk already knows better.
"""

import logging
from collections.abc import Iterator
from typing import NamedTuple

import apsw
import orjson

from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.settle import directory_of
from storage_service.app.core import sidecar
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import BlobName, Bucket

log = logging.getLogger(__name__)


class Rescued(NamedTuple):
    """A journal row read out of a damaged file."""

    sequence: int
    at_ms: int
    bucket: int
    key: str | None
    version_id: str | None
    op: str
    doc: str
    victim: str | None
    body: bytes | None


class Salvage(NamedTuple):
    """What came of it. `whole`: the journal was read to its end without an error."""

    rows: int
    whole: bool


def rescue(path: str) -> tuple[list[Rescued], bool]:
    """The unsettled rows of a damaged catalog, and whether all of it could be read."""
    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
        (last,) = connection.execute("SELECT seq FROM sqlite_sequence WHERE name='journal'").fetchone() or (0,)
    except apsw.Error:
        return [], False
    try:
        return _read(connection, int(last))
    finally:
        connection.close()


def _read(connection: apsw.Connection, last: int) -> tuple[list[Rescued], bool]:
    sql = (
        "SELECT j.seq,j.at_ms,j.bucket,j.key,j.vid,j.op,j.doc,j.victim,b.body FROM journal j"
        " LEFT JOIN bodies b ON b.seq=j.seq WHERE j.seq>? AND j.doc IS NOT NULL ORDER BY j.seq"
    )
    rows: list[Rescued] = []
    at, whole = 0, True
    while at < last:
        try:
            for row in connection.execute(sql, (at,)):
                rows.append(Rescued(*row))
                at = row[0]
            break
        except apsw.Error:
            whole = False
            at += 1  # behind the row that cannot be read
            if at - (rows[-1].sequence if rows else 0) > 10_000:
                break
    return rows, whole


class Rescuer:
    """Writes rescued rows to disk, in order."""

    def __init__(self, blobs: LocalBlobs, disk: Disk, buckets: dict[int, Bucket], trash_ms: int) -> None:
        self._blobs = blobs
        self._disk = disk
        self._buckets = buckets
        self._trash_ms = trash_ms

    def write(self, rows: list[Rescued]) -> int:
        """How many rows reached the disk; synced on return."""
        done = sum(self._try(row) for row in rows)
        self._disk.sync_fs(self._blobs.root)
        return done

    def _try(self, row: Rescued) -> bool:
        try:
            self._write(row)
        except (OSError, DamagedObject, ValueError, KeyError) as error:
            log.warning("salvage: row %d: %s", row.sequence, error)
            return False
        return True

    def _write(self, row: Rescued) -> None:
        if row.key is None or row.version_id is None:
            self._write_bucket(row)
            return
        bucket = self._buckets.get(row.bucket)
        if bucket is None:
            return
        blob = BlobName(directory_of(bucket, moved=False), row.version_id)
        if row.body is not None:
            record = orjson.loads(row.doc)
            self._blobs.write(blob, row.body, record["mtime_ns"])
        if row.doc != "{}":
            self._write_sidecar(blob, row)
        if row.victim:
            self._bury(BlobName(blob.bucket, row.victim), row)

    def _write_sidecar(self, blob: BlobName, row: Rescued) -> None:
        known = self._read_sidecar(blob)
        if known is not None and max(known.get("removed_sequence") or 0, known["meta_sequence"]) > row.sequence:
            return  # the disk knows a later state
        self._replace(blob, sidecar.render_file(row.doc))

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
        self._replace(blob, sidecar.render_file(orjson.dumps(known)))

    def _read_sidecar(self, blob: BlobName) -> dict[str, int] | None:
        try:
            return sidecar.parse_file(self._blobs.read_sidecar(blob))
        except (OSError, DamagedObject):
            return None

    def _replace(self, blob: BlobName, data: bytes) -> None:
        later: dict[str, str] = {}
        self._blobs.replace_sidecar(blob, data, later)
        for temporary, path in later.items():
            self._disk.rename(temporary, path)

    def _write_bucket(self, row: Rescued) -> None:
        bucket = sidecar.bucket_of(orjson.loads(row.doc))
        if row.op == "bucket-put":
            self._buckets[bucket.id] = bucket
            self._blobs.write_bucket_sidecar(bucket.name, sidecar.render_file(row.doc))
            return
        self._buckets.pop(bucket.id, None)
        target = f"{self._blobs.root}/{directory_of(bucket, moved=True)}"
        if self._disk.stat(target) is None and self._disk.stat(f"{self._blobs.root}/{bucket.name}") is not None:
            self._disk.rename(f"{self._blobs.root}/{bucket.name}", target)
        self._blobs.write_bucket_sidecar(directory_of(bucket, moved=True), sidecar.render_file(row.doc))
