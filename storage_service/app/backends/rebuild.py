"""The catalog made again from sidecars. Per key the highest `sequence` without `removed_sequence` is current; nothing
else decides. The old file is set aside, its journal salvaged; what cannot be is said, never called repaired.
"""

import json
import logging
import time
from pathlib import Path
from typing import NamedTuple

import apsw
import orjson

from storage_service.app.backends import shared as words
from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.bucket_scan import BucketScan, FoundBucket
from storage_service.app.backends.catalog.rows import USAGE_COLUMNS
from storage_service.app.backends.catalog.schema import COLUMNS, DEAD_COLUMNS, connect, create_tables
from storage_service.app.backends.disk import Disk, published
from storage_service.app.backends.salvage import Rescuer, rescue
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.torn import is_torn, set_aside
from storage_service.app.backends.upload_rebuild import restore_uploads
from storage_service.app.backends.volume import Layout, settled_note
from storage_service.app.core import sidecar
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import BlobName, Bucket, Version, new_id, now_ms

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 1_000  # a progress step and a transaction's statement


class Report(NamedTuple):
    """What a rebuild found. `lost_after`: commits behind this sequence may be missing; None when none can be."""

    objects: int
    damaged: int
    salvaged: int
    lost_after: int | None
    seconds: float


class Saved(NamedTuple):
    """What came of the old journal: rows written, the first that could not be, and whether it was read to its end."""

    rows: int
    first_lost: int | None
    whole: bool


class Rebuild:
    """Rebuilds the catalog of one directory. Nothing else may have the catalog open."""

    def __init__(self, layout: Layout, blobs: LocalBlobs, disk: Disk, shared: Shared, trash_ms: int) -> None:
        self._layout = layout
        self._blobs = blobs
        self._disk = disk
        self._shared = shared
        self._trash_ms = trash_ms
        self._settled = settled_note(layout)
        self._highest = self._settled.sequence
        self._damaged = 0
        self._objects = 0

    def run(self, *, salvage: bool) -> Report:
        """Set the old catalog aside and make a new one. `salvage`: its journal is newer than the sidecars."""
        started = time.monotonic()
        aside = self._set_aside()
        saved = self._salvage(aside) if salvage and aside else Saved(0, None, whole=False)
        path = self._layout.catalog.with_suffix(".new")
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        self._fill(str(path))
        path.rename(self._layout.catalog)
        self._disk.sync_dir(str(self._layout.service))
        report = Report(self._objects, self._damaged, saved.rows, self._lost_after(saved), time.monotonic() - started)
        self._note(report, aside)
        return report

    def _lost_after(self, saved: Saved) -> int | None:
        if saved.whole:
            return None if saved.first_lost is None else saved.first_lost - 1
        return self._highest if self._settled.whole is None else self._settled.whole

    def _set_aside(self) -> Path | None:
        """Move the old catalog out of the way, its WAL with it; where it went."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        target = self._layout.service / f"catalog-aside-{stamp}-{new_id()[-6:]}.db"
        moved = None
        for suffix in ("", "-wal", "-shm"):
            source = Path(f"{self._layout.catalog}{suffix}")
            if source.exists():
                source.rename(f"{target}{suffix}")
                moved = target if suffix == "" else moved
        return moved

    def _salvage(self, aside: Path) -> Saved:
        found = rescue(str(aside))
        buckets = {one.bucket.id: one for one in BucketScan(self._blobs).run()}
        written = {row.sequence for row in Rescuer(self._blobs, buckets, self._trash_ms).write(found.rows)}
        self._highest = max(self._highest, found.last)
        lost = [row.sequence for row in found.rows if row.sequence not in written]
        return Saved(len(written), min(lost, default=None), whole=found.whole)

    def _fill(self, path: str) -> None:
        connection = connect(path, "scratch")
        try:
            create_tables(connection, new_id())
            connection.execute("BEGIN")
            scan = BucketScan(self._blobs)
            buckets = scan.run()
            self._damaged += scan.damaged
            self._count_all(buckets)
            for found in buckets:
                self._add_bucket(connection, found)
                self._add_versions(connection, found.bucket, found.directory)
            _sort_out(connection, now_ms(), self._trash_ms)
            _count_usage(connection)
            opened = {found.bucket.uuid: found.bucket for found in buckets if found.closed_ms is None}
            restore_uploads(connection, str(self._layout.uploads), self._disk, opened, now_ms())
            connection.execute(
                "INSERT OR REPLACE INTO sqlite_sequence(name,seq) VALUES('journal',?)", (self._highest + 1,)
            )
            connection.execute("INSERT OR REPLACE INTO state VALUES('settled',?)", (self._highest + 1,))
            connection.execute("COMMIT")
            connection.execute("PRAGMA synchronous=FULL").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()

    def _count_all(self, buckets: list[FoundBucket]) -> None:
        """The progress's total: sidecars to read. Names only, so it is quick."""
        total = sum(is_sidecar for found in buckets for _, is_sidecar in self._blobs.version_ids(found.directory))
        self._shared[words.TOTAL], self._shared[words.DONE] = total, 0

    def _add_bucket(self, connection: apsw.Connection, found: FoundBucket) -> None:
        bucket = found.bucket
        self._highest = max(self._highest, found.sequence)
        connection.execute(
            "INSERT INTO buckets(id,uuid,name,owner,generation,created_ms,updated_ms,doc,closed_ms,moved)"
            " VALUES(?,?,?,?,?,?,?,?,?,?)",
            (
                bucket.id,
                bucket.uuid,
                bucket.name,
                bucket.owner,
                bucket.generation,
                bucket.created_ms,
                bucket.updated_ms,
                orjson.dumps(sidecar.render_options(bucket.options)).decode(),
                found.closed_ms,
                int(found.closed_ms is not None),
            ),
        )

    def _add_versions(self, connection: apsw.Connection, bucket: Bucket, directory: str) -> None:
        """Every version goes into `others` first; `_sort_out` then says which are current."""
        marks = ",".join("?" * len(DEAD_COLUMNS.split(",")))
        rows: list[tuple[object, ...]] = []
        for version_id, is_sidecar in self._blobs.version_ids(directory):
            if not is_sidecar:
                continue
            row = self._read(BlobName(directory, version_id), bucket.id)
            if row is not None:
                rows.append(row)
            if len(rows) >= ROWS_AT_ONCE:
                self._flush(connection, marks, rows)
        self._flush(connection, marks, rows)

    def _flush(self, connection: apsw.Connection, marks: str, rows: list[tuple[object, ...]]) -> None:
        connection.executemany(f"INSERT OR REPLACE INTO others({DEAD_COLUMNS}) VALUES({marks})", rows)
        self._objects += len(rows)
        self._shared.add(words.DONE, len(rows))
        rows.clear()

    def _read(self, blob: BlobName, bucket: int) -> tuple[object, ...] | None:
        try:
            version = sidecar.version_of(sidecar.parse_file(self._blobs.read_sidecar(blob)), bucket)
            if self._is_torn(blob, version):
                set_aside(self._blobs, blob)
                raise DamagedObject("A power cut kept it without its bytes")
        except (DamagedObject, OSError) as error:
            log.error("rebuild: sidecar of version %s: %s", blob.version_id, error)
            self._damaged += 1
            return None
        self._highest = max(self._highest, version.sequence, version.meta_sequence, version.gone_sequence or 0)
        return tuple(version)

    def _is_torn(self, blob: BlobName, version: Version) -> bool:
        """Of versions behind the settled note. Where there is none, as in a copy, times and files prove nothing."""
        whole = self._settled.whole
        if whole is None or version.sequence <= whole or version.gone_sequence is not None:
            return False
        return is_torn(self._blobs, blob, version)

    def _note(self, report: Report, aside: Path | None) -> None:
        """Say what may be lost where health and `check` find it, until an operator takes the note away."""
        if report.lost_after is None or (aside is None and report.lost_after == 0):
            return
        log.error("rebuild: what was acknowledged after sequence %d and not settled is lost", report.lost_after)
        with published(self._disk, str(self._layout.loss), 0o600) as fd:
            text = {"lost_after": report.lost_after, "at_ms": now_ms(), "aside": aside.name if aside else None}
            self._disk.write(fd, json.dumps(text).encode())


def _sort_out(connection: apsw.Connection, at_ms: int, trash_ms: int) -> None:
    """Which version of each key is current, which are noncurrent, which died without a word of it."""
    living = "SELECT 1 FROM others n WHERE n.bucket=others.bucket AND n.key=others.key AND n.seq>others.seq"
    connection.execute(  # a null version under a newer null version was replaced by it
        f"UPDATE others SET gone_ms=?1,gone_seq=seq,due_ms=?1+?2 WHERE gone_ms IS NULL AND flags&1"
        f" AND EXISTS({living} AND n.flags&1)",
        (at_ms, trash_ms),
    )
    newest = "SELECT max(seq) FROM others n WHERE n.bucket=others.bucket AND n.key=others.key AND n.gone_ms IS NULL"
    current = f"gone_ms IS NULL AND NOT flags&2 AND seq=({newest})"
    connection.execute(f"INSERT OR IGNORE INTO objects({COLUMNS}) SELECT {COLUMNS} FROM others WHERE {current}")
    connection.execute("DELETE FROM others WHERE vid IN (SELECT vid FROM objects)")


def _count_usage(connection: apsw.Connection) -> None:
    """As commits count: the trash holds every dead row, markers too, and all that a deleted bucket held."""
    counts = (
        "sum(head),sum(head*size),sum(noncurrent),sum(noncurrent*size),0,"
        "sum(NOT head AND NOT noncurrent),sum((NOT head AND NOT noncurrent)*size)"
    )
    rows = (
        "SELECT b.id,b.owner,o.size,b.closed_ms IS NULL head,0 noncurrent"
        " FROM objects o JOIN buckets b ON b.id=o.bucket UNION ALL"
        " SELECT b.id,b.owner,o.size,0,b.closed_ms IS NULL AND o.gone_ms IS NULL"
        " FROM others o JOIN buckets b ON b.id=o.bucket"
    )
    for scope, name in (("bucket", "id"), ("owner", "owner")):
        sql = f"SELECT '{scope}',cast({name} AS TEXT),{counts} FROM ({rows}) GROUP BY {name}"
        connection.execute(f"INSERT INTO usage(scope,id,{USAGE_COLUMNS}) {sql}")
