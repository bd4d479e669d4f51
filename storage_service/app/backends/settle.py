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
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import orjson

from storage_service.app.backends import shared as words
from storage_service.app.backends.blobs import BLOBS, BUCKET_SIDECAR, SERVICE, LocalBlobs, is_intact, read_file
from storage_service.app.backends.catalog.schema import MOST_FAILURES
from storage_service.app.backends.catalog.settling import Owed, Progress, Settling
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.view import View
from storage_service.app.core import sidecar
from storage_service.app.core.disk_errors import FULL
from storage_service.app.core.ending import NOTHING
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import BlobName, Bucket, Version, now_ms

log = logging.getLogger(__name__)

MOST_ROWS = 5_000  # a pass (commit-proof §3c: a syncfs of about 190 ms at the longest)
MOST_BYTES = 64 << 20
# What settle leaves of a full disk, so that deletes and a start still find room in the catalog.
KEPT_BYTES = 8 << 20
KEPT_INODES = 64
BYTES_A_ROW = 80 << 10  # a journalled body, its sidecar, the sidecar it replaces, directories
INODES_A_ROW = 4
MOST_TRIES = 10  # of showing a key, so far apart: within the time that a replaced blob stays
RETRY_SECONDS = 5.0
MOST_UNSHOWN = 10_000


class Pass(NamedTuple):
    """What one pass did."""

    settled: int
    failed: int


class Settler:
    """Settles passes of the journal. One at a time in a service: the jobs process, or a recovery."""

    def __init__(
        self,
        catalog: Settling,
        blobs: LocalBlobs,
        disk: Disk,
        view: View | None,
        shared: Shared,
        keep_settled: Callable[[Progress, str], None],
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._disk = disk
        self._view = view
        self._shared = shared
        self._keep_settled = keep_settled
        self._buckets: dict[int, tuple[Bucket, bool]] = {}
        self._buckets_seen = -1
        self._places: dict[str, str] = {}  # directories below the root, by bucket id
        self._shown_to = int(catalog.state("viewed") or 0)
        self._unshown: dict[tuple[int, str], int] = {}  # what the view is to show yet, and how often that was tried

    def run_pass(self, most_rows: int = MOST_ROWS) -> Pass:
        """Settle what waits, up to `most_rows`.

        Raises:
            OSError: the sync failed; nothing is marked, every row and body stays.
        """
        most_rows = min(most_rows, self._room())
        rows = self._catalog.owed(most_rows, MOST_BYTES) if most_rows > 0 else []
        if not rows:
            return Pass(0, 0)
        self._refresh_buckets(rows)
        written, failed, replaced = self._write(rows)
        self._disk.sync_fs(self._blobs.root)
        if replaced:
            for temporary, path in replaced.items():
                self._disk.rename(temporary, path)
            self._disk.sync_fs(self._blobs.root)
        keys = {(row.bucket, row.key) for row in written if row.key is not None}
        for place in keys:  # a mark that fails may have marked some, and they are in no later pass
            self._unshown.setdefault(place, 0)
        self._mark(written, failed)
        self._show(keys, rows, {row.sequence for row in (*written, *failed)})
        return Pass(len(written), len(failed))

    def _room(self) -> int:
        """How many rows the disk has room for."""
        root = self._blobs.root
        bytes_left = self._disk.free_bytes(root) - KEPT_BYTES
        return min(bytes_left // BYTES_A_ROW, (self._disk.free_inodes(root) - KEPT_INODES) // INODES_A_ROW)

    def _refresh_buckets(self, rows: Sequence[Owed]) -> None:
        """After the rows were read: a bucket that any of them is about was committed before, so it is found."""
        seen = self._shared[words.BUCKETS]
        named = any(row.key is None or row.bucket not in self._buckets for row in rows)
        if named or self._buckets_seen != seen:
            self._buckets = self._catalog.buckets()
            self._buckets_seen = seen
            self._places = {bucket.uuid: directory_of(bucket, moved) for bucket, moved in self._buckets.values()}

    def _write(self, rows: Sequence[Owed]) -> tuple[list[Owed], list[Owed], dict[str, str]]:
        """Step 1: what could be written, what could not, and the renames to come (temporary -> final)."""
        written: list[Owed] = []
        failed: list[Owed] = []
        replaced: dict[str, str] = {}
        dead = self._catalog.dead([row.victim for row in rows if row.victim])
        # A deleted bucket is put away before anything of its is written, so that all of it is written in one place.
        for row in sorted(rows, key=lambda row: row.op != "bucket-delete"):
            try:
                self._write_row(row, dead, replaced)
                written.append(row)
            except (OSError, DamagedObject, TypeError, ValueError, KeyError) as error:  # of this row: the others go on
                if isinstance(error, OSError) and error.errno in FULL:
                    log.error("settle: the disk is full; what waits is kept")
                    break  # no fault of the row's
                log.warning("settle: row %d failed: %s: %s", row.sequence, type(error).__name__, error)
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
            write_blob(self._blobs, blob, row.doc, row.body, self._places)
        if row.doc != NOTHING:  # a version's, or a delete marker's, which has a sidecar of its own
            text = self._text_now(row, row.key, row.version_id, bucket[0].uuid) if row.failures else row.doc
            self._blobs.write_sidecar(blob, sidecar.render_file(text), replaced)
        victim = dead.get(row.victim or "")
        if victim is not None:
            text = sidecar.compose(victim, bucket[0].uuid)
            name = BlobName(directory, victim.version_id)
            self._blobs.replace_sidecar(name, sidecar.render_file(text), replaced)

    def _text_now(self, row: Owed, key: str, version_id: str, uuid: str) -> str:
        """Of a row that failed before: later ones may have been settled meanwhile, and their word stands."""
        version = self._catalog.written(row.bucket, key, version_id)
        return row.doc if version is None else sidecar.compose(version, uuid)

    def _write_bucket(self, row: Owed) -> None:
        found = self._buckets.get(row.bucket)
        if found is None:
            return
        bucket, moved = found
        if row.op == "bucket-put" and moved:
            return  # its end has been written, and that is the last word
        if row.op == "bucket-delete" and not moved:
            self._put_away(bucket)
            moved = True
            self._buckets[bucket.id] = (bucket, moved)  # what is settled from here on belongs there
            self._places[bucket.uuid] = directory_of(bucket, moved)
        late = row.failures and not moved  # a newer word may stand there already
        text = sidecar.render_bucket(bucket, row.sequence) if late else row.doc
        self._blobs.write_bucket_sidecar(directory_of(bucket, moved), sidecar.render_file(text))
        if row.op == "bucket-delete":
            self._catalog.mark_moved(bucket.id)

    def _put_away(self, bucket: Bucket) -> None:
        """Move a deleted bucket's directory into the service's own trash, if it still stands under its name."""
        source, target = (f"{self._blobs.root}/{directory_of(bucket, moved)}" for moved in (False, True))
        trash = target.rpartition("/")[0]
        self._disk.make_dir(trash)
        if self._is_of(source, bucket) and self._disk.stat(target) is None:
            self._disk.rename(source, target)
            self._disk.sync_dir(trash)
            self._disk.sync_dir(self._blobs.root)
        self._blobs.forget_bucket(bucket.name)

    def _is_of(self, directory: str, bucket: Bucket) -> bool:
        """Whether the directory under a bucket's name is that bucket's: somebody's own files may stand there."""
        try:
            record = sidecar.parse_file(read_file(self._disk, f"{directory}/{BUCKET_SIDECAR}"))
        except FileNotFoundError:  # the bucket was deleted before it was written
            return self._disk.stat(f"{directory}/{BLOBS}") is not None
        except NotADirectoryError:
            return False
        except DamagedObject:
            return True
        return record.get("id") == bucket.uuid

    def _mark(self, written: Sequence[Owed], failed: Sequence[Owed]) -> None:
        self._catalog.count_failure([row.sequence for row in failed])
        parked = [row for row in failed if row.failures + 1 >= MOST_FAILURES]
        progress = self._catalog.mark([row.sequence for row in written], viewed=self._shown_to)
        gone = [*written, *parked]  # from the backlog
        self._shared.add(words.PARKED_ROWS, len(parked))
        self._shared.add(words.SETTLED_ROWS, len(gone))
        self._shared.add(words.SETTLED_BYTES, sum(len(row.body or b"") for row in gone))
        self._shared[words.OLDEST_MS] = max(row.at_ms for row in gone) if gone and self._shared.backlog_rows else 0
        self._shared[words.HEARTBEAT_MS] = now_ms()
        try:
            self._keep_settled(progress, str(self._catalog.state("epoch")))
        except OSError as error:  # a full disk: the note only lags
            log.warning("settle: the note of what is settled was not written: %s", error)

    # The view ---------------------------------------------------------------------------------------------------

    def show_again(self) -> None:
        """At a start: bring the view up to date for what the last run may not have shown, or not synced."""
        at = int(self._catalog.state("viewed") or 0)
        while self._view is not None and (rows := self._catalog.keys_after(at, MOST_ROWS)):
            self._refresh_buckets(())
            self._show_keys({(bucket, key) for _, bucket, key in rows})
            at = rows[-1][0]
        if not self._unshown:
            self._shown_to = at

    def _show(self, keys: set[tuple[int, str]], rows: Sequence[Owed], tried: set[int]) -> None:
        """Bring the view up to date for the keys of this pass, which `tried` these of its rows (by sequence)."""
        self._show_keys(keys)
        if not self._unshown:  # else the next start shows all of it again
            left = (row.sequence - 1 for row in rows if row.sequence not in tried)
            self._shown_to = min(left, default=rows[-1].sequence)

    def show_late(self) -> None:
        """Try again what the disk refused: a name left standing shows what was replaced or deleted, and once its blob
        is gone nobody knows it as ours."""
        if self._unshown:
            self._show_keys(set(self._unshown))

    def _show_keys(self, keys: set[tuple[int, str]]) -> None:
        """An error here never stops settling. What goes, goes first: a key may make room for `a` beside `a/b`."""
        if self._view is None:
            self._unshown.clear()
            return
        heads = self._catalog.heads(list(keys))
        for number, key in sorted(keys, key=lambda place: (place in heads, place)):
            bucket = self._buckets.get(number)
            refused = (
                bucket is not None
                and not bucket[1]
                and not self._show_one(self._view, bucket[0], key, heads.get((number, key)))
            )
            tries = self._unshown.pop((number, key), 0) + 1
            if refused and tries < MOST_TRIES and len(self._unshown) < MOST_UNSHOWN:
                self._unshown[number, key] = tries
        self._shared[words.VIEW_HIDDEN] = self._view.hidden
        self._shared[words.VIEW_FOREIGN] = self._view.foreign

    def _show_one(self, view: View, bucket: Bucket, key: str, head: Version | None) -> bool:
        """False where it is worth another try."""
        try:
            view.show(bucket.name, key, head, lambda: self._catalog.history(bucket.id, key))
        except (OSError, ValueError) as error:
            log.warning("view: a key of bucket %s is not shown: %s", bucket.name, error)
            return isinstance(error, ValueError)
        return True


def write_blob(blobs: LocalBlobs, blob: BlobName, doc: str, body: bytes | None, places: Mapping[str, str]) -> None:
    """A version's bytes under its blob name: the journalled body, or what lies there already, or its source linked
    again (the link of a copy is not synced before it is settled). `places`: directories by bucket id.

    Raises:
        DamagedObject, FileNotFoundError: the bytes are nowhere.
    """
    record = orjson.loads(doc)
    if body is not None:
        blobs.write(blob, body, record["mtime_ns"])
        return
    uuid, _, version_id = (record["doc"].get("copied_from") or "").partition("/")
    found = blobs.stat(blob)
    if found is not None and (uuid not in places or is_intact(found, record["size"], record["mtime_ns"])):
        return
    if uuid not in places:
        raise DamagedObject(f"The blob of version {blob.version_id} is not there")
    source = BlobName(places[uuid], version_id)
    if found is not None and blobs.stat(source) is not None:
        blobs.delete(blob)
    blobs.copy(source, blob)


def directory_of(bucket: Bucket, moved: bool) -> str:
    """Where a bucket's files lie below the root: under its name, or, once put away, in the service's own trash."""
    return f"{SERVICE}/trash/{bucket.uuid}" if moved else bucket.name
