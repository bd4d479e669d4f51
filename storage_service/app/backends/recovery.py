"""What a start does before anything is served: is the catalog whole, what did the last run leave behind, settle it.

Work is in proportion to what was in flight, not to what is stored.
"""

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
from storage_service.app.core.objects import BlobName, new_id

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
    row = connection.execute("SELECT value FROM state WHERE name='format'").fetchone()
    if row is None:
        return "damaged"
    if int(row[0]) > FORMAT:
        raise VolumeRefused(f"The catalog has format {row[0]}; this version knows up to {FORMAT}: upgrade the service")
    if last_sequence(connection) < settled_note(layout):
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
    if settled_note(layout):
        return True
    return any((path / ".bucket.json").exists() for path in layout.root.iterdir() if path.is_dir())


def make_fresh(layout: Layout) -> None:
    """An empty catalog."""
    connection = connect(str(layout.catalog), "power-safe")
    try:
        layout.catalog.chmod(0o600)
        create_tables(connection, new_id())
    finally:
        connection.close()


def sweep_staging(layout: Layout, catalog: Settling, blobs: LocalBlobs, disk: Disk, workers: list[Path]) -> int:
    """Undo or forget every intent of these workers, who are gone; how many there were."""
    intents = [path for worker in workers if worker.is_dir() for path in worker.iterdir()]
    buckets = catalog.buckets()
    known = catalog.known_versions([path.name.partition(".")[2] for path in intents])
    for path in intents:
        number, _, version_id = path.name.partition(".")
        found = buckets.get(int(number)) if number.isdigit() else None
        if found is not None and version_id and version_id not in known:
            blobs.delete(BlobName(directory_of(*found), version_id))  # before the intent, so that a crash repeats it
        path.unlink(missing_ok=True)
    for worker in workers:
        disk.remove_dir(str(worker))
    return len(intents)


def settle_all(catalog: Settling, settler: Settler, shared: Shared) -> int:
    """Settle everything the last run left; how many rows. What cannot be settled now is left to the jobs."""
    catalog.retry_parked()
    rows, size, oldest, parked = catalog.backlog()
    shared[words.COMMITTED_ROWS], shared[words.COMMITTED_BYTES] = rows, size
    shared[words.SETTLED_ROWS] = shared[words.SETTLED_BYTES] = 0
    shared[words.OLDEST_MS], shared[words.PARKED_ROWS] = oldest, parked
    settled = 0
    while True:
        done = settler.run_pass()
        settled += done.settled
        if not done.settled:
            return settled
