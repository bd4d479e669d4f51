"""The view: each current object again under its key, for people, rsync and backups. It has no say.

A key never becomes a path except here, where every step is taken from an open directory without following links.
"""

import contextlib
import errno
import fcntl
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable
from itertools import islice

from storage_service.app.backends.blobs import BLOB_MODE, BLOBS, BUCKET_SIDECAR, SERVICE, LocalBlobs, is_intact
from storage_service.app.backends.disk import FICLONE, Disk
from storage_service.app.core.objects import BlobName, Version

MAX_NAME_BYTES = 255  # NAME_MAX on Linux
MOST_VERSIONS = 10_000  # of a key are looked at; more than one pass of settle can replace
Versions = Callable[[], Iterable[Version]]
_OPEN_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def segments(key: str) -> list[str] | None:
    """The names a key walks through; None where it cannot be shown."""
    names = key.split("/")
    first = unicodedata.normalize("NFC", names[0]).casefold()
    if first in {BUCKET_SIDECAR, BLOBS} or first.startswith(SERVICE):
        return None
    return None if any(_unfit(name) for name in names) else names


def _unfit(name: str) -> bool:
    if name in {"", ".", ".."} or len(name.encode()) > MAX_NAME_BYTES:
        return True
    return any(unicodedata.category(char) == "Cc" for char in name)


class View:
    """Shows and hides keys below the buckets' directories. Counts what it could not show."""

    def __init__(self, blobs: LocalBlobs, disk: Disk, *, reflinks: bool) -> None:
        self._blobs = blobs
        self._disk = disk
        self._reflinks = reflinks
        self.hidden = 0
        self.foreign = 0

    def show(self, bucket: str, key: str, head: Version | None, versions: Versions) -> None:
        """Make the name of `key` show `head`, or nothing. `versions` names every version it may show now, newest first.

        A name that is none of these versions is somebody else's: it stays, and is counted.
        """
        names = segments(key)
        if names is None:
            self.hidden += 1
            return
        with contextlib.suppress(NotADirectoryError, FileNotFoundError):
            if head is None:
                self._hide(bucket, names, versions)
            else:
                self._place(bucket, names, head, versions)

    def _place(self, bucket: str, names: list[str], head: Version, versions: Versions) -> None:
        parent = self._open_parent(bucket, names[:-1], make=True)
        if parent is None:
            self.hidden += 1  # a file stands where a directory is needed: `a` beside `a/b`
            return
        try:
            blob = BlobName(bucket, head.version_id)
            found = self._blobs.stat(blob)
            if found is None or not is_intact(found, head.size, head.mtime_ns):
                return  # not settled yet, and perhaps torn by a power cut: settling it shows it
            source = self._blobs.path(blob)
            try:
                self._put(source, names[-1], parent)
            except FileExistsError:
                self._replace(bucket, source, names[-1], parent, head, versions)
        finally:
            os.close(parent)

    def _put(self, source: str, name: str, parent: int) -> None:
        if not self._reflinks:
            os.link(source, name, dst_dir_fd=parent, follow_symlinks=False)
            return
        target = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o640, dir_fd=parent)
        try:
            clone_into(source, target)
            # Only now a name: a kill or a power cut in between would leave an empty file that nobody knows as ours.
            os.link(f"/proc/self/fd/{target}", name, dst_dir_fd=parent, follow_symlinks=True)
        finally:
            os.close(target)

    def _replace(
        self,
        bucket: str,
        source: str,
        name: str,
        parent: int,
        head: Version,
        versions: Versions,
    ) -> None:
        if self._is_linked(parent, name, bucket, head):
            return
        if not self._shows(parent, name, bucket, versions()):
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                self.hidden += 1  # `a/b` is shown: `a` cannot be
            else:
                self.foreign += 1
            return
        temporary = f"{SERVICE}.{head.version_id}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=parent)
        self._put(source, temporary, parent)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        with contextlib.suppress(FileNotFoundError):  # a rename between two links of one inode does nothing
            os.unlink(temporary, dir_fd=parent)

    def _hide(self, bucket: str, names: list[str], versions: Versions) -> None:
        parent = self._open_parent(bucket, names[:-1], make=False)
        if parent is None:
            return
        try:
            if self._shows(parent, names[-1], bucket, versions()):
                os.unlink(names[-1], dir_fd=parent)
        finally:
            os.close(parent)
        self._prune(bucket, names[:-1])

    def _is_linked(self, parent: int, name: str, bucket: str, head: Version) -> bool:
        """Whether the name shows this version as well as it can: as its blob's second link, or as a reflink."""
        if self._reflinks:
            return self._shows(parent, name, bucket, [head])
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        blob = self._blobs.stat(BlobName(bucket, head.version_id))
        return blob is not None and blob.inode == found.st_ino

    def _shows(self, parent: int, name: str, bucket: str, versions: Iterable[Version]) -> bool:
        """Whether the name is one of these versions: the blob's inode; or, for a reflink and for a blob
        that was settled again after a power cut, a file of its size and time."""
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(found.st_mode):
            return False
        ours = self._reflinks or found.st_mode & 0o777 == BLOB_MODE
        for version in islice(versions, MOST_VERSIONS):
            if ours and (found.st_size, found.st_mtime_ns) == (version.size, version.mtime_ns):
                return True
            blob = self._blobs.stat(BlobName(bucket, version.version_id))
            if blob is not None and blob.inode == found.st_ino:
                return True
        return False

    def _open_parent(self, bucket: str, names: list[str], *, make: bool) -> int | None:
        """A descriptor of the directory the names lead to; None where something else is in the way."""
        fd = os.open(f"{self._blobs.root}/{bucket}", _OPEN_DIR)
        for name in names:
            try:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, 0o750, dir_fd=fd)
                deeper = os.open(name, _OPEN_DIR, dir_fd=fd)
            except (NotADirectoryError, FileNotFoundError):
                return None
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                self.foreign += 1  # a planted link
                return None
            finally:
                os.close(fd)
            fd = deeper
        return fd

    def _prune(self, bucket: str, names: list[str]) -> None:
        """Remove the directories that the hidden key leaves empty."""
        for depth in range(len(names), 0, -1):
            parent = self._open_parent(bucket, names[: depth - 1], make=False)
            if parent is None:
                return
            try:
                os.rmdir(names[depth - 1], dir_fd=parent)
            except OSError:
                return
            finally:
                os.close(parent)


def clone_into(source: str, target: int) -> None:
    """Reflink `source` into an open file and give it the same time."""
    origin = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.ioctl(target, FICLONE, origin)
        found = os.fstat(origin)
        os.utime(target, ns=(found.st_mtime_ns, found.st_mtime_ns))
    finally:
        os.close(origin)


def has_reflinks(directory: str, disk: Disk) -> bool:
    """Whether the file system of this directory can reflink, also into a file without a name; found out by trying."""
    try:
        os.close(os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError:
        return False
    source, target = f"{directory}/.reflink-a", f"{directory}/.reflink-b"
    disk.unlink(source)
    disk.unlink(target)
    fd = disk.create(source, BLOB_MODE)
    try:
        disk.write(fd, bytes(4096))
    finally:
        disk.close(fd)
    try:
        return disk.clone(source, target, BLOB_MODE)
    finally:
        disk.unlink(source)
        disk.unlink(target)
