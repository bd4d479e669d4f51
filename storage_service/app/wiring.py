"""Settings -> the parts of a process. The one place, with `main`, where an implementation is chosen."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage_service.app.backends.catalog.committer import Committer
from storage_service.app.backends.catalog.reading import Reader
from storage_service.app.backends.catalog.sqlite import SqliteCatalog
from storage_service.app.backends.key_records import StoredKeys
from storage_service.app.backends.local import LocalFiles
from storage_service.app.backends.origins import S3Origins
from storage_service.app.backends.pressure import Backlog, DiskVolume
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.upload_files import LocalUploads
from storage_service.app.backends.volume import Layout, release_ballast, try_lock
from storage_service.app.core.config import Settings
from storage_service.app.core.storage import ObjectStore
from storage_service.app.core.tokens import TokenVerifier
from storage_service.app.core.uploads import Uploads
from storage_service.app.core.writing import Limits
from storage_service.app.keeping import Plan, make_blobs

DAY_MS = 86_400_000


def plan_of(settings: Settings) -> Plan:
    """What the jobs process and the repairs need to know, as plain values."""
    return Plan(
        root=str(settings.storage_path),
        durability=settings.durability,
        gid=settings.storage_gid,
        grace_ms=settings.grace_seconds * 1000,
        trash_ms=int(settings.trash_days * DAY_MS),
        feed_ms=int(settings.feed_days * DAY_MS),
        reserve_bytes=settings.free_space_reserve_bytes,
        first_buckets=[(seed.name, seed.public) for seed in settings.storage_buckets],
    )


def make_verifier(settings: Settings) -> TokenVerifier:
    secret, *previous = settings.secrets
    return TokenVerifier(
        secret,
        algorithm=settings.algorithm,
        previous=previous[0] if previous else None,
        issuer=settings.jwt_issuer,
        admins=settings.storage_admins,
    )


@dataclass(slots=True)
class Worker:
    """What one worker holds open. `start` on its event loop, `close` after its last request."""

    store: ObjectStore
    uploads: Uploads
    shared: Shared
    volume: DiskVolume
    reader: Reader
    committer: Committer
    keys: StoredKeys
    origins: S3Origins

    def start(self, waited: Callable[[float], None]) -> None:
        """`waited` is told the seconds each commit took."""
        self.committer.start(waited, self.keys.holds)

    def close(self) -> None:
        self.committer.close()
        self.uploads.close()
        self.store.close()
        self.reader.close()


def make_worker(settings: Settings, staging: Path) -> Worker:
    """A worker's parts. The catalog must be there and recovered; `staging` is this worker's own directory."""
    plan = plan_of(settings)
    layout, blobs = plan.layout, make_blobs(plan)
    disk, shared = blobs.disk, Shared(layout.shared)
    committer = Committer(
        str(layout.catalog),
        str(layout.commit_lock),
        settings.durability,
        shared,
        plan.keeping,
        lambda: release_ballast(layout),
    )
    reader = Reader(str(layout.catalog), settings.durability)
    backlog = Backlog(settings.backlog_rows, settings.backlog_bytes, settings.backlog_seconds)
    volume = DiskVolume(str(layout.root), disk, shared, backlog)
    limits = Limits(settings.max_object_bytes, settings.inline_body_bytes, settings.free_space_reserve_bytes)
    files = LocalFiles(blobs, disk, str(staging))
    catalog = SqliteCatalog(committer, reader, shared)
    origins = S3Origins(layout)
    store = ObjectStore(catalog, files, volume, limits, origins)
    pieces = LocalUploads(str(layout.uploads), blobs, str(staging))
    uploads = Uploads(store, catalog, pieces, int(settings.upload_expiry_days * DAY_MS))
    return Worker(store, uploads, shared, volume, reader, committer, StoredKeys(layout, shared), origins)


def make_staging(layout: Layout, name: str) -> tuple[Path, int]:
    """A worker's own staging directory and the lock that says it lives."""
    lock = try_lock(layout.run / f"worker-{name}.lock")  # before the directory: a sweep takes those without a lock
    if lock is None:
        raise RuntimeError(f"another worker is called {name}")
    path = layout.staging / name
    path.mkdir(exist_ok=True, mode=0o700)
    return path, lock
