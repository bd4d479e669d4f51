"""The few calls that touch files. `Disk` is the real one; tests run the same code on a simulated weak disk.

Everything here blocks and belongs on a thread, never on the event loop.
"""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from storage_service.app.backends.quick import read_cached

COPIED_AT_ONCE = 64 << 20  # bytes a call: a thread that copies can still be told to stop
SYNC_FILE_RANGE_WRITE = 2  # linux/fs.h
FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)
_libc = ctypes.CDLL(None, use_errno=True)
_libc.sync_file_range.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]


class FileStat(NamedTuple):
    size: int
    mtime_ns: int
    inode: int
    is_file: bool
    is_dir: bool
    links: int = 1


class Disk:
    """Plain files. Paths are absolute."""

    def __init__(self) -> None:
        self._roots: dict[str, int] = {}  # descriptors of `sync_fs`, by path

    def __del__(self) -> None:
        for fd in self._roots.values():
            os.close(fd)

    def create(self, path: str, mode: int) -> int:
        """A descriptor of a new file. Raises FileExistsError, never follows a link."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, mode)

    def open(self, path: str) -> int:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)

    def open_at(self, path: str, offset: int) -> int:
        """A descriptor of a file that is there, which writes from `offset` on and leaves the rest as it is."""
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        os.lseek(fd, offset, os.SEEK_SET)
        return fd

    def write(self, fd: int, data: bytes | memoryview) -> None:
        """All of `data`: a partial write goes on where it stopped."""
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def read(self, fd: int, size: int, offset: int) -> bytes:
        return os.pread(fd, size, offset)

    def read_into(self, fd: int, buffer: memoryview, offset: int) -> int:
        return os.preadv(fd, [buffer], offset)

    def read_cached(self, path: str, size: int, mtime_ns: int | None) -> bytes | None:
        """All of a file that has this size and time, if that takes no disk; None: read it the ordinary way."""
        return read_cached(path, size, mtime_ns)

    def extend(self, path: str, offset: int, mode: int) -> int:
        """A descriptor that writes from `offset` on; the file is made where there is none, and cut there.

        Raises: OSError (EIO) if the file is shorter.
        """
        fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        try:
            if os.fstat(fd).st_size < offset:
                raise OSError(errno.EIO, "The file is shorter than what was written")
            os.ftruncate(fd, offset)
            os.lseek(fd, offset, os.SEEK_SET)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def copy_range(self, source: int, target: int, offset: int, size: int) -> None:
        """Append `size` bytes of `source` from `offset` on to `target`, inside the kernel; a reflink where it can be.

        Raises: OSError (EIO) if the source ends early.
        """
        while size:
            try:
                copied = os.copy_file_range(source, target, min(size, COPIED_AT_ONCE), offset)
            except OSError as error:
                if error.errno not in {errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}:
                    raise
                copied = self._copy_piece(source, target, offset, min(size, 1 << 20))
            if not copied:
                raise OSError(errno.EIO, "The source ends early")
            offset += copied
            size -= copied

    def _copy_piece(self, source: int, target: int, offset: int, size: int) -> int:
        data = self.read(source, size, offset)
        self.write(target, data)
        return len(data)

    @contextlib.contextmanager
    def mapped(self, path: str, offset: int, size: int) -> Iterator[memoryview]:
        """Bytes of a file as memory of the page cache, not of Python's. `offset` is a multiple of the page's size."""
        fd = self.open(path)
        try:
            pages = mmap.mmap(fd, size, access=mmap.ACCESS_READ, offset=offset)
        finally:
            os.close(fd)
        with pages, memoryview(pages) as view:
            yield view

    def lock_dir(self, path: str) -> int | None:
        """A descriptor that holds the directory's lock until it is closed, or None while somebody else has it.

        Raises: FileNotFoundError.
        """
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if isinstance(error, BlockingIOError):
                return None
            raise
        return fd

    def set_mode(self, fd: int, mode: int) -> None:
        os.fchmod(fd, mode)

    def set_times(self, fd: int, mtime_ns: int) -> None:
        os.utime(fd, ns=(mtime_ns, mtime_ns))

    def set_group(self, fd: int, gid: int) -> None:
        os.fchown(fd, -1, gid)

    def sync_data(self, fd: int) -> None:
        os.fsync(fd)  # not fdatasync: the time counts too, a blob is compared with its row by it

    def begin_sync(self, fd: int) -> None:
        """Have the kernel begin to write what is dirty of a file. Promises nothing, and what goes wrong is told by the
        sync that follows. Source: sync_file_range(2)."""
        _libc.sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE)

    def close(self, fd: int) -> None:
        os.close(fd)

    def fstat(self, fd: int) -> FileStat:
        return _stat_of(os.fstat(fd))

    def stat(self, path: str) -> FileStat | None:
        """Of the name itself, links not followed; None where there is nothing."""
        try:
            return _stat_of(os.lstat(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def link(self, source: str, target: str) -> None:
        os.link(source, target, follow_symlinks=False)

    def rename(self, source: str, target: str) -> None:
        os.rename(source, target)

    def unlink(self, path: str) -> None:
        """Idempotent: an absent file is a success."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def make_dir(self, path: str, mode: int = 0o750) -> bool:
        """Whether it was made now."""
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            return False
        return True

    def remove_dir(self, path: str) -> bool:
        """Whether it is gone; one that still holds something stays."""
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                return False
            raise
        return True

    def sync_dir(self, path: str) -> None:
        """After this the names made in `path` survive a power cut."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_fs(self, path: str) -> None:
        """Everything written to this file system so far survives a power cut (Linux ≥ 5.8 reports errors here).

        The descriptor is kept: an error is told once to each that was open before it, so a fresh one might not hear of
        what somebody else's sync has been told.
        """
        if path not in self._roots:
            self._roots[path] = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if _libc.syncfs(self._roots[path]) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def names(self, path: str) -> list[str]:
        """Names in a directory, unsorted; empty where there is none."""
        try:
            return os.listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def clone(self, source: str, target: str, mode: int) -> bool:
        """A reflink of `source`; False where the file system has none. The target is whole or absent."""
        fd = self.create(target, mode)
        try:
            origin = self.open(source)
            try:
                fcntl.ioctl(fd, FICLONE, origin)
            finally:
                os.close(origin)
        except OSError as error:
            os.unlink(target)
            if error.errno in {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY}:
                return False
            raise
        finally:
            os.close(fd)
        return True

    def free_inodes(self, path: str) -> int:
        """How many files may still be made; very many where the file system does not count them."""
        found = os.statvfs(path)
        return found.f_favail if found.f_files else 1 << 62

    def free_bytes(self, path: str) -> int:
        """What an unprivileged writer may still use."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize


class ScratchDisk(Disk):
    """Never syncs: DURABILITY=scratch promises nothing, for caches and CI."""

    def begin_sync(self, fd: int) -> None:
        pass

    def sync_data(self, fd: int) -> None:
        pass

    def sync_dir(self, path: str) -> None:
        pass

    def sync_fs(self, path: str) -> None:
        pass


def _stat_of(found: os.stat_result) -> FileStat:
    is_file, is_dir = stat.S_ISREG(found.st_mode), stat.S_ISDIR(found.st_mode)
    return FileStat(found.st_size, found.st_mtime_ns, found.st_ino, is_file, is_dir, found.st_nlink)


@contextlib.contextmanager
def published(disk: Disk, path: str, mode: int, temporary: str = "") -> Iterator[int]:
    """A descriptor whose file appears under `path`, synced and whole, when the block ends; on any error it does not.

    The one way a file is replaced. The caller syncs the directory. `temporary`: its name until then, of a writer that
    has no other beside it: what a crash leaves is replaced by the next one. Else a name of this process's own.
    """
    temporary = temporary or f"{path}.tmp{os.getpid():x}"
    disk.unlink(temporary)
    fd = disk.create(temporary, mode)
    try:
        try:
            yield fd
            disk.sync_data(fd)  # before the rename: a crash may keep the name and lose the bytes
        finally:
            disk.close(fd)
        disk.rename(temporary, path)
    except BaseException:
        disk.unlink(temporary)
        raise
