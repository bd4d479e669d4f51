"""A store on a disk that cannot be written: its catalog is copied to where a service can work, and read from there.

Bodies, records and keys are read where they are. What was acknowledged and never settled is in the copy too.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage_service.app.backends.volume import Layout, VolumeRefused, identity_of, try_lock

COPIED = ("catalog.db", "catalog.db-wal", "settled.json", "usage.db")


def copy_catalog(layout: Layout) -> Path:
    """The directory to work in, below the system's temporary one; the supervisor removes it at its end.

    Raises:
        VolumeRefused: a service has the store or its copy, or there is no room for one.
    """
    place = Layout(layout.root, _place_of(layout))
    try:
        _clear(place)
        with _at_rest(layout):
            _copy(layout, place.working)
    except OSError as error:
        raise VolumeRefused(
            f"{layout.root} is mounted read-only, and its catalog cannot be copied to {place.working}"
            f" ({error.strerror}): mount it for writing, or set TMPDIR"
        ) from None
    return place.working


def _place_of(layout: Layout) -> Path:
    """The same one for each start, so that a killed service leaves one copy at most."""
    return Path(tempfile.gettempdir()) / f"storage-read-only-{identity_of(layout)}-{os.geteuid()}"


def _clear(place: Layout) -> None:
    """Empty, and nobody else's: others may write to the directory above.

    Raises:
        VolumeRefused, OSError
    """
    with suppress(FileExistsError):
        place.working.mkdir(0o700)
    found = place.working.lstat()
    if not place.working.is_dir() or place.working.is_symlink() or found.st_uid != os.geteuid():
        raise VolumeRefused(f"{place.working} is not this service's own: remove it")
    lock = try_lock(place.serve_lock)
    if lock is None:
        raise VolumeRefused(f"{place.root} is already served, read-only, by another process; stop it first")
    os.close(lock)
    shutil.rmtree(place.working)
    place.working.mkdir(0o700)
    for path in (place.run, place.staging):
        path.mkdir(0o700)


@contextmanager
def _at_rest(layout: Layout) -> Iterator[None]:
    """No service writes to the store, perhaps through another mount of the same disk.

    Raises:
        VolumeRefused
    """
    try:
        fd = os.open(layout.serve_lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise VolumeRefused(f"{layout.root} is already served by another process; stop it first") from None
    finally:
        os.close(fd)


def _copy(layout: Layout, target: Path) -> None:
    for name in COPIED:
        with suppress(FileNotFoundError):
            shutil.copyfile(layout.service / name, target / name)
            (target / name).chmod(0o600)
