"""What a start does before anything is served: is the catalog whole, what did the last run leave behind, settle it.

Work is in proportion to what was in flight, not to what is stored.
"""

import contextlib
import logging
import time
from pathlib import Path
from typing import Literal

import apsw

from storage_service.app.backends import shared as words
from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.catalog.schema import FORMAT, connect, create_tables, last_sequence
from storage_service.app.backends.catalog.settling import Settling
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.settle import Settler, directory_of
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.volume import Layout, VolumeRefused, settled_note
from storage_service.app.core.objects import BlobName, is_uuid, new_id

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0  # how long a start may look for damage; a larger catalog is checked when it misbehaves

Verdict = Literal["fresh", "whole", "missing", "damaged", "older"]


def examine(layout: Layout, *, thorough: bool = False) -> Verdict:
    """What stands where the catalog should. Opens it alone: no other process has it yet.

    Raises:
        VolumeRefused: a newer format.
    """
    if not layout.catalog.exists():
        return "missing" if _holds_buckets(layout) else "fresh"
    try:
        connection = connect(str(layout.catalog), "power-safe")
    except apsw.Error:
        return "damaged"
    try:
        return _examine(connection, layout, thorough)
    except apsw.Error:
        return "damaged"
    finally:
        connection.close()


def _examine(connection: apsw.Connection, layout: Layout, thorough: bool) -> Verdict:
    if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:  # a first start ended before its tables
        return "damaged" if _holds_buckets(layout) else "fresh"
    row = connection.execute("SELECT value FROM state WHERE name='format'").fetchone()
    if row is None:
        return "damaged"
    if int(row[0]) > FORMAT:
        raise VolumeRefused(f"The catalog has format {row[0]}; this version knows up to {FORMAT}: upgrade the service")
    if last_sequence(connection) < settled_note(layout).sequence:
        return "older"
    return "whole" if _is_sound(connection, None if thorough else CHECK_SECONDS) else "damaged"


def _is_sound(connection: apsw.Connection, seconds: float | None) -> bool:
    """SQLite's own check; one that takes too long counts as passed."""
    deadline = time.monotonic() + seconds if seconds is not None else None
    if deadline is not None:
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
    try:
        rows = connection.execute("PRAGMA quick_check(1)").fetchall()
    except apsw.InterruptError:
        return True
    finally:
        connection.set_progress_handler(None)
    return rows == [("ok",)]


def _holds_buckets(layout: Layout) -> bool:
    if settled_note(layout).sequence:
        return True
    return any((path / ".bucket.json").exists() for path in layout.root.iterdir() if path.is_dir())


def make_fresh(layout: Layout) -> None:
    """An empty catalog; of one that is there the tables it lacks."""
    connection = connect(str(layout.catalog), "power-safe")
    try:
        layout.catalog.chmod(0o600)
        create_tables(connection, new_id())
    finally:
        connection.close()


def sweep_staging(catalog: Settling, blobs: LocalBlobs, workers: list[Path], *, undo: bool = True) -> int:
    """Undo or forget every intent of these workers, who are gone; how many there were. With `undo` false the blobs of
    unknown versions stay: after a loss of rows they may be all that is left of what was acknowledged."""
    disk = blobs.disk
    intents = [f"{worker}/{name}" for worker in workers for name in disk.names(str(worker))]
    buckets = catalog.buckets()
    known = catalog.known_versions([_intent(path)[1] for path in intents])
    for path in intents:
        number, version_id = _intent(path)
        found = buckets.get(number)
        if undo and found is not None and is_uuid(version_id) and version_id not in known:
            for directory in {directory_of(*found), found[0].name}:  # its bucket may have been put away since
                blobs.delete(BlobName(directory, version_id))  # before the intent, so that a crash repeats it
        _remove(disk, path)
    for worker in workers:
        _remove(disk, str(worker))
    return len(intents)


def _intent(path: str) -> tuple[int, str]:
    """(bucket's number, version id) of a staging name; nothing's where it is a stranger's."""
    number, _, version_id = path.rpartition("/")[2].partition(".")
    return (int(number), version_id) if number.isascii() and number.isdigit() else (0, "")


def _remove(disk: Disk, path: str) -> None:
    """A file, or an empty directory; a stranger's directory with something in it stays."""
    found = disk.stat(path)
    if found is not None and found.is_dir:
        disk.remove_dir(path)
    else:
        disk.unlink(path)


def settle_all(catalog: Settling, settler: Settler, shared: Shared) -> int:
    """Settle everything the last run left; how many rows. What cannot be settled now is left to the jobs."""
    with contextlib.suppress(apsw.FullError):  # they stay aside; a full disk is served
        catalog.retry_parked()
    backlog = catalog.backlog()
    shared[words.COMMITTED_ROWS], shared[words.COMMITTED_BYTES] = backlog.rows, backlog.bytes
    shared[words.SETTLED_ROWS] = shared[words.SETTLED_BYTES] = 0
    shared[words.OLDEST_MS], shared[words.PARKED_ROWS] = backlog.oldest_ms, backlog.parked
    settler.show_again()
    settled = 0
    while True:
        try:
            done = settler.run_pass()
        except apsw.FullError:
            log.error("settle: the disk is full; what waits is kept")
            return settled
        settled += done.settled
        if not done.settled:
            return settled
