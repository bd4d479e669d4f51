"""Settle: what was committed becomes files. Blobs, sidecars, then the view; one sync; only then rows are marked.

A pass, in the order that a power cut may not break (docs/decisions/0002):
 1. new blobs and new sidecars are written; sidecars that replace another are written under a temporary name;
 2. everything is synced;
 3. the temporary sidecars are renamed over their predecessors: a version is said to be dead only after its successor
    is safe;
 4. if there were any, everything is synced again;
 5. rows are marked settled and journalled bodies dropped.
Every step can be repeated. An error keeps rows and bodies.
"""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import orjson

from storage_service.app.backends import shared as words
from storage_service.app.backends.blobs import BUCKET_SIDECAR, SERVICE, LocalBlobs, read_file
from storage_service.app.backends.catalog.settling import MOST_FAILURES, Owed, Settling
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.view import View
from storage_service.app.core import sidecar
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import BlobName, Bucket, Version, now_ms

log = logging.getLogger(__name__)

MOST_ROWS = 5_000  # a pass (commit-proof §3c: a syncfs of about 190 ms at the longest)
MOST_BYTES = 64 << 20


class Pass(NamedTuple):
    """What one pass did."""

    settled: int
    failed: int


class Settler:
    """Settles passes of the journal. One at a time in a service: the jobs process, or a recovery."""

    def __init__(  # noqa: PLR0913 (wired once)
        self,
        catalog: Settling,
        blobs: LocalBlobs,
        disk: Disk,
        view: View | None,
        shared: Shared,
        keep_settled: Callable[[int, str], None],
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._disk = disk
        self._view = view
        self._shared = shared
        self._keep_settled = keep_settled
        self._buckets: dict[int, tuple[Bucket, bool]] = {}
        self._buckets_seen = -1

    def run_pass(self, most_rows: int = MOST_ROWS) -> Pass:
        """Settle what waits, up to `most_rows`.

        Raises:
            OSError: the sync failed; nothing is marked, every row and body stays.
        """
        rows = self._catalog.owed(most_rows, MOST_BYTES)
        if not rows:
            return Pass(0, 0)
        self._refresh_buckets()
        written, failed, replaced = self._write(rows)
        self._disk.sync_fs(self._blobs.root)
        if replaced:
            for temporary, path in replaced.items():
                self._disk.rename(temporary, path)
            self._disk.sync_fs(self._blobs.root)
        self._mark(rows, written, failed)
        self._show(rows, failed)
        return Pass(len(written), len(failed))

    def _refresh_buckets(self) -> None:
        seen = self._shared[words.BUCKETS]
        if self._buckets_seen != seen:
            self._buckets = self._catalog.buckets()
            self._buckets_seen = seen

    def _write(self, rows: Sequence[Owed]) -> tuple[list[Owed], list[Owed], dict[str, str]]:
        """Steps 1: what could be written, what could not, and the renames to come (temporary -> final)."""
        written: list[Owed] = []
        failed: list[Owed] = []
        replaced: dict[str, str] = {}
        dead = self._catalog.dead([row.victim for row in rows if row.victim])
        for row in rows:
            try:
                self._write_row(row, dead, replaced)
                written.append(row)
            except (OSError, DamagedObject) as error:
                log.warning("settle: row %d failed: %s", row.sequence, error)
                failed.append(row)
        return written, failed, replaced

    def _write_row(self, row: Owed, dead: dict[str, Version], replaced: dict[str, str]) -> None:
        if row.key is None or row.version_id is None:
            self._write_bucket(row)
            return
        bucket = self._buckets.get(row.bucket)
        if bucket is None:  # removed with all it held
            return
        directory = directory_of(*bucket)
        blob = BlobName(directory, row.version_id)
        if row.op == "put":
            self._write_blob(row, blob)
            self._blobs.write_sidecar(blob, sidecar.render_file(row.doc), replaced)
        elif row.op == "meta" or row.doc != "{}":  # a changed sidecar; or a delete marker, which has one of its own
            self._blobs.write_sidecar(blob, sidecar.render_file(row.doc), replaced)
        victim = dead.get(row.victim or "")
        if victim is not None:
            text = sidecar.compose(victim, bucket[0].uuid)
            name = BlobName(directory, victim.version_id)
            self._blobs.replace_sidecar(name, sidecar.render_file(text), replaced)

    def _write_blob(self, row: Owed, blob: BlobName) -> None:
        record = orjson.loads(row.doc)
        if row.body is not None:
            self._blobs.write(blob, row.body, record["mtime_ns"])
            return
        if self._blobs.stat(blob) is not None:
            return
        source = record["doc"].get("copied_from")
        if not source:
            raise DamagedObject(f"The blob of version {row.version_id} is not there")
        uuid, _, version_id = source.partition("/")
        for bucket, moved in self._buckets.values():
            if bucket.uuid == uuid:
                self._blobs.copy(BlobName(directory_of(bucket, moved), version_id), blob)

    def _write_bucket(self, row: Owed) -> None:
        found = self._buckets.get(row.bucket)
        if found is None:
            return
        bucket, moved = found
        if row.op == "bucket-delete" and not moved:
            self._put_away(bucket)
            moved = True
            self._buckets[bucket.id] = (bucket, moved)  # what is settled from here on belongs there
        self._blobs.write_bucket_sidecar(directory_of(bucket, moved), sidecar.render_file(row.doc))
        if row.op == "bucket-delete":
            self._catalog.mark_moved(bucket.id)

    def _put_away(self, bucket: Bucket) -> None:
        """Move a deleted bucket's directory into the service's own trash, if it still stands under its name."""
        root = self._blobs.root
        self._disk.make_dir(f"{root}/{SERVICE}/trash")
        try:
            record = sidecar.parse_file(read_file(self._disk, f"{root}/{bucket.name}/{BUCKET_SIDECAR}"))
        except (FileNotFoundError, NotADirectoryError, DamagedObject):
            record = {"id": bucket.uuid}  # never written, or unreadable: the name alone must do
        if record.get("id") == bucket.uuid and self._disk.stat(f"{root}/{bucket.name}") is not None:
            self._disk.rename(f"{root}/{bucket.name}", f"{root}/{directory_of(bucket, moved=True)}")
            self._disk.sync_dir(root)
        self._blobs.forget_bucket(bucket.name)

    def _mark(self, rows: Sequence[Owed], written: Sequence[Owed], failed: Sequence[Owed]) -> None:
        if failed:
            self._catalog.count_failure([row.sequence for row in failed])
            below = min(row.sequence for row in failed) - 1
            parked = sum(row.failures + 1 >= MOST_FAILURES for row in failed)
            self._shared[words.PARKED_ROWS] = self._shared[words.PARKED_ROWS] + parked
        else:
            below = rows[-1].sequence
        self._catalog.mark([row.sequence for row in written], settled_below=below)
        self._keep_settled(below, str(self._catalog.state("epoch")))
        self._shared.add(words.SETTLED_ROWS, len(written))
        self._shared.add(words.SETTLED_BYTES, sum(len(row.body or b"") for row in written))
        self._shared[words.OLDEST_MS] = rows[-1].at_ms if self._shared.backlog_rows else 0
        self._shared[words.HEARTBEAT_MS] = now_ms()

    def _show(self, rows: Sequence[Owed], failed: Sequence[Owed]) -> None:
        """Bring the view up to date for the keys of this pass. An error here never stops settling."""
        if self._view is None:
            return
        skip = {row.sequence for row in failed}
        keys = {(row.bucket, row.key) for row in rows if row.key is not None and row.sequence not in skip}
        heads = self._catalog.heads([(bucket, key) for bucket, key in keys if key is not None])
        for number, key in keys:
            bucket = self._buckets.get(number)
            if bucket is None or bucket[1] or key is None:
                continue
            self._show_one(bucket[0], key, heads.get((number, key)))
        self._shared[words.VIEW_HIDDEN] = self._view.hidden
        self._shared[words.VIEW_FOREIGN] = self._view.foreign

    def _show_one(self, bucket: Bucket, key: str, head: Version | None) -> None:
        if self._view is None:
            return
        try:
            self._view.show(bucket.name, key, head, lambda: self._catalog.versions(bucket.id, key))
        except (OSError, ValueError) as error:
            log.warning("view: a key of bucket %s is not shown: %s", bucket.name, error)


def directory_of(bucket: Bucket, moved: bool) -> str:
    """Where a bucket's files lie below the root: under its name, or, once put away, in the service's own trash."""
    return f"{SERVICE}/trash/{bucket.uuid}" if moved else bucket.name
