"""Settings -> the parts of a process. The one place, with `main`, where an implementation is chosen."""

import os
from dataclasses import dataclass
from pathlib import Path

from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.catalog.committer import Committer, Keeping
from storage_service.app.backends.catalog.reading import Reader
from storage_service.app.backends.catalog.settling import Settling
from storage_service.app.backends.catalog.sqlite import SqliteCatalog
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.local import LocalFiles
from storage_service.app.backends.pressure import Backlog, DiskVolume
from storage_service.app.backends.settle import Settler
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.view import View, has_reflinks
from storage_service.app.backends.volume import Layout, keep_settled, release_ballast, try_lock
from storage_service.app.core.config import Settings
from storage_service.app.core.storage import Limits, ObjectStore

DAY_MS = 86_400_000


def trash_ms(settings: Settings) -> int:
    return int(settings.trash_days * DAY_MS)


def local_blobs(settings: Settings) -> LocalBlobs:
    return LocalBlobs(str(settings.storage_path), Disk(), settings.storage_gid)


@dataclass(slots=True)
class Worker:
    """What one worker holds open. `start` on its event loop, `close` after its last request."""

    store: ObjectStore
    shared: Shared
    volume: DiskVolume
    reader: Reader
    committer: Committer

    def start(self) -> None:
        self.committer.start()

    def close(self) -> None:
        self.committer.close()
        self.store.close()
        self.reader.close()


def make_worker(settings: Settings, staging: Path) -> Worker:
    """A worker's parts. The catalog must be there and recovered; `staging` is this worker's own directory."""
    layout = Layout(settings.storage_path)
    disk, shared = Disk(), Shared(layout.shared)
    keeping = Keeping(settings.grace_seconds * 1000, trash_ms(settings))
    committer = Committer(
        str(layout.catalog),
        str(layout.commit_lock),
        settings.durability,
        shared,
        keeping,
        lambda: release_ballast(layout),
    )
    reader = Reader(str(layout.catalog), settings.durability)
    backlog = Backlog(settings.backlog_rows, settings.backlog_bytes, settings.backlog_seconds)
    volume = DiskVolume(str(layout.root), disk, shared, backlog)
    limits = Limits(settings.max_object_bytes, settings.inline_body_bytes, settings.free_space_reserve_bytes)
    files = LocalFiles(local_blobs(settings), disk, str(staging))
    store = ObjectStore(SqliteCatalog(committer, reader, shared), files, volume, limits)
    return Worker(store, shared, volume, reader, committer)


@dataclass(slots=True)
class Keeper:
    """What settles and clears: the jobs process has one, a recovery has one for a while."""

    layout: Layout
    catalog: Settling
    blobs: LocalBlobs
    disk: Disk
    settler: Settler
    shared: Shared
    view: View

    def close(self) -> None:
        self.catalog.close()


def make_keeper(settings: Settings) -> Keeper:
    """Opens the catalog; only where it is whole."""
    layout = Layout(settings.storage_path)
    disk, shared, blobs = Disk(), Shared(layout.shared), local_blobs(settings)
    catalog = Settling(str(layout.catalog), str(layout.commit_lock))
    view = View(blobs, disk, reflinks=has_reflinks(str(layout.run), disk))
    settler = Settler(
        catalog, blobs, disk, view, shared, lambda sequence, epoch: keep_settled(layout, sequence, epoch)
    )
    return Keeper(layout, catalog, blobs, disk, settler, shared, view)


def make_staging(layout: Layout, name: str) -> tuple[Path, int]:
    """A worker's own staging directory and the lock that says it lives."""
    lock = try_lock(layout.run / f"worker-{name}.lock")  # before the directory: a sweep takes those without a lock
    if lock is None:
        raise RuntimeError(f"another worker is called {name}")
    path = layout.staging / name
    path.mkdir(exist_ok=True, mode=0o700)
    return path, lock


def dead_workers(layout: Layout) -> list[Path]:
    """Staging directories whose worker is gone: its lock is free."""
    gone = []
    for path in layout.staging.iterdir():
        lock_path = layout.run / f"worker-{path.name}.lock"
        lock = try_lock(lock_path)
        if lock is not None:
            lock_path.unlink(missing_ok=True)
            os.close(lock)
            gone.append(path)
    return gone
