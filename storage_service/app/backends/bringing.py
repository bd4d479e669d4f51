"""Bytes of one file under a second name: a reflink where the disk has it, else a copy; a hard link only when asked for.

What is brought is read once on the way, so that whoever asks can compare it with what it should be.
"""

import errno
import os
from collections.abc import Callable

from storage_service.app.backends.blobs import BLOB_MODE
from storage_service.app.backends.disk import Disk, FileStat

CHUNK_BYTES = 1 << 20
NO_LINK = frozenset({errno.EMLINK, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP})


class Changed(OSError):
    """Somebody wrote to the file while it was read."""


def bring(disk: Disk, source: str, target: str, update: Callable[[bytes], None], *, link: bool = False) -> FileStat:
    """Make `target`, which must not be there, of `source`'s bytes, with its time; hand every piece to `update`.

    `link`: as a second name of the same file. Unsynced; on an error there is no target.
    Raises: OSError; Changed.
    """
    fd = disk.open(source)
    try:
        before = disk.fstat(fd)
        if not before.is_file:
            raise OSError(errno.EINVAL, "Not a plain file")
        try:
            _make(disk, fd, source, target, update, link=link)
            if disk.fstat(fd)[:3] != before[:3] or (link and disk.stat(target) != disk.fstat(fd)):
                raise Changed(errno.EBUSY, "The file is being written to")
        except FileExistsError:
            raise
        except BaseException:
            disk.unlink(target)
            raise
        return before
    finally:
        disk.close(fd)


def _make(disk: Disk, fd: int, source: str, target: str, update: Callable[[bytes], None], *, link: bool) -> None:
    if (link and _linked(disk, source, target)) or disk.clone(source, target, BLOB_MODE):
        _read(disk, fd, update)
        if not link:
            _set_time(disk, target, disk.fstat(fd).mtime_ns)
        return
    out = disk.create(target, BLOB_MODE)
    try:

        def write(chunk: bytes) -> None:
            update(chunk)
            disk.write(out, chunk)

        _read(disk, fd, write)
        disk.set_times(out, disk.fstat(fd).mtime_ns)
    finally:
        disk.close(out)


def _linked(disk: Disk, source: str, target: str) -> bool:
    try:
        disk.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        return False
    return True


def _set_time(disk: Disk, path: str, mtime_ns: int) -> None:
    fd = disk.open(path)
    try:
        disk.set_times(fd, mtime_ns)
    finally:
        disk.close(fd)


def _read(disk: Disk, fd: int, update: Callable[[bytes], None]) -> None:
    offset = 0
    while chunk := disk.read(fd, CHUNK_BYTES, offset):
        update(chunk)
        offset += len(chunk)


def is_inside(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or lies below it, links followed."""
    path, directory = os.path.realpath(path), os.path.realpath(directory)
    return os.path.commonpath([path, directory]) == directory
