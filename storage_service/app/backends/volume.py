"""The storage directory itself: identity, format, the service's own files, and whether it may be served.

Everything a start refuses is refused here, with one line that names path, owner and the fix.
"""

import contextlib
import errno
import fcntl
import json
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from storage_service.app.backends.blobs import SERVICE
from storage_service.app.backends.disk import Disk, published
from storage_service.app.backends.shared import ELSEWHERE_VARIABLE
from storage_service.app.core.disk_errors import FULL
from storage_service.app.core.objects import new_id, now_ms

FORMAT = 1  # of the directory's layout
BALLAST_BYTES = 16 << 20  # given up so that deletes work on a full disk
PROBE_BYTES = 64 << 10  # about what a start writes
MINIO = ".minio.sys"
LEFTOVERS = frozenset({"lost+found", SERVICE})


class VolumeRefused(Exception):
    """The directory cannot be served; the message says why and what to do."""


class DiskIsReadOnly(VolumeRefused):
    """A store is there, and nothing can be written to it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of the service's own below the storage directory.

    `elsewhere`: where that cannot be written, a directory for what a running service has to write; with a copy of
    the catalog.
    """

    root: Path
    elsewhere: Path | None = None

    @property
    def service(self) -> Path:
        return self.root / SERVICE

    @property
    def working(self) -> Path:
        return self.elsewhere or self.service

    @property
    def identity(self) -> Path:
        return self.service / "identity.json"

    @property
    def catalog(self) -> Path:
        return self.working / "catalog.db"

    @property
    def commit_lock(self) -> Path:
        return self.working / "commit.lock"

    @property
    def serve_lock(self) -> Path:
        return self.working / "serve.lock"

    @property
    def jobs_lock(self) -> Path:
        return self.working / "jobs.lock"

    @property
    def start_lock(self) -> Path:
        return self.working / "start.lock"

    @property
    def staging(self) -> Path:
        return self.working / "staging"

    @property
    def uploads(self) -> Path:
        return self.service / "uploads"

    @property
    def records(self) -> Path:
        return self.service / "records"

    @property
    def secrets_key(self) -> Path:
        return self.service / "secrets.key"

    @property
    def run(self) -> Path:
        return self.working / "run"

    @property
    def shared(self) -> Path:
        return self.run / "shared"

    def counters_of(self, worker: str) -> Path:
        """What a worker has counted, for the others to read."""
        return self.run / f"metrics-{worker}.json"

    def counters(self) -> list[Path]:
        """The same of all workers, with what was begun and not finished (`.new`)."""
        return list(self.run.glob("metrics-*"))

    @property
    def failures(self) -> Path:
        """The last requests whose signature was refused, of all workers."""
        return self.run / "failures"

    @property
    def settled(self) -> Path:
        return self.working / "settled.json"

    @property
    def usage_history(self) -> Path:
        return self.working / "usage.db"

    @property
    def ballast(self) -> Path:
        return self.service / "ballast"

    @property
    def loss(self) -> Path:
        return self.service / "lost_after.json"

    @property
    def garbage_lock(self) -> Path:
        """Held, shared, by whoever copies what garbage might remove; by garbage while it removes."""
        return self.working / "garbage.lock"

    @property
    def restoring(self) -> Path:
        """There while a restore has not come to its end."""
        return self.service / "restoring.json"


def layout_of(root: Path) -> Layout:
    """The layout as all processes of the running service have it."""
    elsewhere = os.environ.get(ELSEWHERE_VARIABLE)
    return Layout(root, Path(elsewhere) if elsewhere else None)


def open_volume(root: Path, storage_id: str | None) -> str:
    """The directory's identity; made on first use. Nothing is served from a directory that is refused.

    Raises:
        VolumeRefused: not mounted, another's, a newer format, MinIO's, or not writable.
        DiskIsReadOnly: only not writable.
    """
    layout = layout_of(root)
    try:
        return _open(layout, storage_id)
    except OSError as error:
        kind = DiskIsReadOnly if error.errno == errno.EROFS and layout.catalog.exists() else VolumeRefused
        raise kind(_not_writable(root, error)) from None


def _open(layout: Layout, storage_id: str | None) -> str:
    root = layout.root
    if storage_id is not None and not layout.identity.exists():
        raise VolumeRefused(f"{root} does not hold storage {storage_id}: is the disk mounted? (STORAGE_ID is set)")
    if (root / MINIO).exists():
        raise VolumeRefused(f"{root} is a MinIO data directory; bring it in with: storage import {root}")
    if layout.restoring.exists():
        raise VolumeRefused(f"{root} is half restored; let `storage restore` finish: run it again")
    identity = identity_of(layout)
    if storage_id is not None and identity != storage_id:
        raise VolumeRefused(f"{root} is storage {identity}, not {storage_id} as STORAGE_ID asks")
    if layout.elsewhere is None:
        _make_writable(layout)
    return identity or _found(layout)


def _make_writable(layout: Layout) -> None:
    """Raises: OSError of the first thing that cannot be made."""
    layout.root.mkdir(parents=True, exist_ok=True, mode=0o750)
    for path in (layout.service, layout.staging, layout.uploads, layout.run, layout.service / "trash"):
        path.mkdir(exist_ok=True, mode=0o700)
    probe = layout.run / f"probe-{os.getpid()}"
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    except OSError as error:
        if error.errno not in FULL or not release_ballast(layout):
            raise  # a full disk is served, deletes make room; but not without a byte for what a start writes
    finally:
        probe.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # while there is room for a name: what frees room must not need any
        layout.garbage_lock.touch(0o600)


def _not_writable(root: Path, error: OSError) -> str:
    """One line: the path, who owns it, who needs it, and what to run."""
    problem = f"{root} cannot be written ({error.strerror})"
    if error.errno not in {errno.EACCES, errno.EPERM}:
        fixes = {errno.EROFS: "mount it for writing", **dict.fromkeys(FULL, "make some room on the disk")}
        return f"{problem}: {fixes.get(error.errno or 0, 'set STORAGE_PATH to a directory')}"
    place = root
    while not os.path.exists(place) and place != place.parent:
        place = place.parent
    found = place.stat()
    uid, gid = os.geteuid(), os.getegid()
    return (
        f"{problem}: {place} is owned by {_name(found.st_uid)}:{found.st_gid} with mode"
        f" {found.st_mode & 0o7777:o}, this service runs as {_name(uid)}:{gid}."
        f" Fix: chown -R {uid}:{gid} {place}, or run as the owner"
    )


def _name(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name}({uid})"
    except KeyError:
        return str(uid)


def identity_of(layout: Layout) -> str | None:
    """None where there is no store yet. Raises: VolumeRefused for a damaged one, or a newer format."""
    try:
        record = json.loads(layout.identity.read_bytes())
        number, identity = record["format"], str(record["id"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise VolumeRefused(f"{layout.identity} is damaged; put a copy back or write {{format, id}} by hand") from None
    if not isinstance(number, int) or number > FORMAT:
        raise VolumeRefused(
            f"{layout.root} has format {number}; this version knows up to {FORMAT}: upgrade the service"
        )
    return identity


def _found(layout: Layout) -> str:
    """A new identity, written whole and synced."""
    identity = new_id()
    record = {"format": FORMAT, "id": identity, "created_ms": now_ms()}
    disk = Disk()
    with published(disk, str(layout.identity), 0o600) as fd:
        disk.write(fd, json.dumps(record, indent=2).encode() + b"\n")
    disk.sync_dir(str(layout.service))
    disk.sync_dir(str(layout.root))
    return identity


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """A descriptor that holds the lock until it is closed; None while somebody else has it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def wait_lock(path: Path, *, shared: bool = False) -> int:
    """The same, waiting for as long as it takes."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    return fd


class SettledNote(NamedTuple):
    """How far the catalog was settled at least. Up to `whole` no row had been set aside either; None: nobody knows."""

    sequence: int
    whole: int | None


def keep_settled(layout: Layout, disk: Disk, note: SettledNote, epoch: str) -> None:
    """Note beside the catalog how far it is settled: an older copy put in its place is then found out. The name is not
    synced: a note that lags only makes the check weaker."""
    with published(disk, str(layout.settled), 0o600) as fd:
        disk.write(fd, json.dumps({"sequence": note.sequence, "whole": note.whole, "epoch": epoch}).encode())


def settled_note(layout: Layout) -> SettledNote:
    """What `keep_settled` wrote."""
    try:
        record = json.loads(layout.settled.read_bytes())
        return SettledNote(int(record["sequence"]), int(record["whole"]))
    except (OSError, ValueError, KeyError, TypeError):
        return SettledNote(0, None)


def fill_ballast(layout: Layout, free_bytes: int) -> None:
    """Lay the ballast file down again where there is room enough to spare."""
    if layout.ballast.exists() or free_bytes < 8 * BALLAST_BYTES:
        return
    fd = os.open(layout.ballast, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, BALLAST_BYTES)
    except OSError:
        layout.ballast.unlink()
    finally:
        os.close(fd)


def release_ballast(layout: Layout) -> bool:
    """Give the ballast up; False where it is gone already."""
    try:
        layout.ballast.unlink()
    except OSError:
        return False
    return True
