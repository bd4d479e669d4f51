"""Uploads in pieces as files: `.storage/uploads/<upload>/`, a directory for each.

    upload.json                    what was said at its beginning, for a catalog that must be made again
    <number>-<attempt>.<…>         a part; the name also says its length and digests, for the same reason
    whole                          parts joined, while they become a blob
    data                           a resumable upload's bytes, growing
    wanted                         somebody else asks to write: whoever has the lock yields

The directory's own lock (flock) is held while bytes are joined or appended; the kernel frees it when a process dies.
"""

import contextlib
import threading
from base64 import b64decode
from collections.abc import Callable, Sequence

from storage_service.app.backends.blobs import BLOB_MODE, LocalBlobs
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.local import clearing
from storage_service.app.core.errors import DamagedObject, NoSuchUpload
from storage_service.app.core.objects import BlobName, Part, Span, new_id

UPLOADS = "uploads"  # below the service's own directory
RECORD = "upload.json"
RECORD_MODE = 0o600
DATA_MODE = 0o640
HASHED_AT_ONCE = 64 << 20  # bytes of a mapped file


def part_name(part: Part) -> str:
    """The file's name: all that the catalog knows of the part, but its upload."""
    digests = ".".join(b64decode(text).hex() for text in (part.crc64nvme, part.checksum))
    return f"{part.number:05d}-{part.attempt}.{part.at_ms}.{part.size}.{part.etag}.{digests}"


class StagedPart:
    """A part on its way to disk. The lock orders a late `discard` behind the write in flight."""

    def __init__(self, path: str, directory: str, blobs: LocalBlobs, disk: Disk) -> None:
        self._path = path
        self._directory = directory
        self._blobs = blobs
        self._disk = disk
        self._lock = threading.Lock()
        self._fd: int | None = disk.create(path, BLOB_MODE)

    def write(self, data: bytes) -> None:
        with self._lock:
            if self._fd is not None:
                self._disk.write(self._fd, data)

    def copy(self, blob: BlobName, span: Span) -> None:
        """Append a blob's bytes, not through memory. Raises FileNotFoundError."""
        source = self._disk.open(self._blobs.path(blob))
        try:
            with self._lock:
                if self._fd is not None:
                    self._disk.copy_range(source, self._fd, span.start, span.end - span.start)
        finally:
            self._disk.close(source)

    def read_back(self, update: Callable[[memoryview], None], size: int) -> None:
        """Hand what was copied to a hash, piece by piece, out of the page cache."""
        for offset in range(0, size, HASHED_AT_ONCE):
            with self._disk.mapped(self._path, offset, min(HASHED_AT_ONCE, size - offset)) as view:
                update(view)

    def publish(self, part: Part) -> None:
        """On return the part survives a power cut, under its own name.

        Raises: NoSuchUpload.
        """
        with self._lock:
            if self._fd is None:
                return
            self._disk.sync_data(self._fd)  # before the name: a power cut may keep the name and lose the bytes
            self._shut()
            target = f"{self._directory}/{part_name(part)}"
            try:
                self._disk.rename(self._path, target)
                self._path = target
                self._disk.sync_dir(self._directory)
            except FileNotFoundError:
                raise NoSuchUpload("The upload was aborted meanwhile") from None

    def discard(self) -> None:
        """The part is known not to count: its file goes, under whichever name. Idempotent."""
        with self._lock, clearing():
            self._shut()
            self._disk.unlink(self._path)

    def _shut(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._disk.close(fd)


class Growing:
    """The file of a resumable upload, open at its end."""

    def __init__(self, fd: int, disk: Disk) -> None:
        self._fd: int | None = fd
        self._disk = disk
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        with self._lock:
            if self._fd is not None:
                self._disk.write(self._fd, data)

    def sync(self) -> None:
        with self._lock:
            if self._fd is not None:
                self._disk.sync_data(self._fd)

    def close(self) -> None:
        """Idempotent; waits for the call in flight."""
        with self._lock:
            if self._fd is not None:
                fd, self._fd = self._fd, None
                self._disk.close(fd)


class Held:
    """The lock of one upload."""

    def __init__(self, fd: int, disk: Disk) -> None:
        self._fd: int | None = fd
        self._disk = disk

    def release(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._disk.close(fd)


class LocalUploads:
    """The core's `UploadFiles`. `staging` is this worker's own directory, on the same file system."""

    def __init__(self, root: str, blobs: LocalBlobs, staging: str) -> None:
        self._root = root
        self._blobs = blobs
        self._disk = blobs.disk
        self._staging = staging

    def _directory(self, upload_id: str) -> str:
        return f"{self._root}/{upload_id}"

    def begin(self, upload_id: str, record: bytes) -> None:
        """Make the upload's directory with its record; on return both survive a power cut."""
        directory = self._directory(upload_id)
        self._disk.make_dir(directory, 0o700)
        fd = self._disk.create(f"{directory}/{RECORD}", RECORD_MODE)
        try:
            self._disk.write(fd, record)
            self._disk.sync_data(fd)
        finally:
            self._disk.close(fd)
        self._disk.sync_dir(directory)
        self._disk.sync_dir(self._root)

    def clear(self, upload_id: str) -> bool:
        """Remove all of the upload's files; False while somebody is writing to it."""
        try:
            fd = self._disk.lock_dir(self._directory(upload_id))
        except FileNotFoundError:
            return True
        if fd is None:
            return False
        try:
            return remove_upload(self._disk, self._directory(upload_id))
        finally:
            self._disk.close(fd)

    def names(self) -> list[str]:
        """Directories of uploads, unsorted; strangers' names too."""
        return self._disk.names(self._root)

    def lock(self, upload_id: str) -> Held | None:
        """The upload's lock, or None while somebody else has it. Raises: NoSuchUpload."""
        try:
            fd = self._disk.lock_dir(self._directory(upload_id))
        except FileNotFoundError:
            raise NoSuchUpload("The upload does not exist") from None
        return None if fd is None else Held(fd, self._disk)

    def want(self, upload_id: str) -> None:
        """Ask whoever has the lock to yield."""
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            self._disk.close(self._disk.create(f"{self._directory(upload_id)}/wanted", RECORD_MODE))

    def is_wanted(self, upload_id: str) -> bool:
        return self._disk.stat(f"{self._directory(upload_id)}/wanted") is not None

    def forget_wish(self, upload_id: str) -> None:
        self._disk.unlink(f"{self._directory(upload_id)}/wanted")

    # Parts ------------------------------------------------------------------------------------------------------

    def stage(self, upload_id: str) -> StagedPart:
        return StagedPart(f"{self._staging}/part-{new_id()}", self._directory(upload_id), self._blobs, self._disk)

    def discard(self, part: Part) -> None:
        """Remove a part that counts no longer."""
        self._disk.unlink(f"{self._directory(part.upload)}/{part_name(part)}")

    def join(self, upload_id: str, parts: Sequence[Part], blob: BlobName, mtime_ns: int) -> None:
        """Make a blob of these parts in a row; on return it survives a power cut. Only with the upload's lock.

        Raises: FileNotFoundError if a part was replaced, DamagedObject.
        """
        directory = self._directory(upload_id)
        pieces = [(f"{directory}/{part_name(part)}", part.size) for part in parts]
        if len(pieces) == 1:
            self._adopt(*pieces[0], blob, mtime_ns)
        else:
            self._join(f"{directory}/whole", pieces, blob, mtime_ns)

    def _join(self, whole: str, pieces: Sequence[tuple[str, int]], blob: BlobName, mtime_ns: int) -> None:
        self._disk.unlink(whole)
        target = self._disk.create(whole, BLOB_MODE)
        try:
            for path, size in pieces:
                self._append(target, path, size)
        finally:
            self._disk.close(target)
        self._adopt(whole, sum(size for _, size in pieces), blob, mtime_ns)
        self._disk.unlink(whole)

    def _append(self, target: int, path: str, size: int) -> None:
        source = self._disk.open(path)
        try:
            if self._disk.fstat(source).size < size:
                raise DamagedObject("A stored part is shorter than it was")
            self._disk.copy_range(source, target, 0, size)
        finally:
            self._disk.close(source)

    def _adopt(self, path: str, size: int, blob: BlobName, mtime_ns: int) -> None:
        """A whole file becomes the blob: a second name for the same bytes. One that an earlier attempt left, of which
        no row can know, is replaced."""
        fd = self._disk.open(path)
        try:
            if self._disk.fstat(fd).size != size:
                raise DamagedObject("The stored bytes are not those that were written")
            self._blobs.share(fd)
            self._disk.set_mode(fd, BLOB_MODE)
            self._disk.set_times(fd, mtime_ns)
            self._disk.sync_data(fd)
        finally:
            self._disk.close(fd)
        self._blobs.delete(blob)
        self._blobs.adopt(path, blob)

    def disown(self, blob: BlobName) -> None:
        """The commit is known not to have happened: the blob goes, the pieces stay. Only with the upload's lock."""
        self._blobs.delete(blob)

    # Resumable --------------------------------------------------------------------------------------------------

    def open(self, upload_id: str, offset: int) -> Growing:
        """The upload's file, to be written from `offset` on; what lies behind it was never acknowledged and goes.
        Only with the upload's lock."""
        directory = self._directory(upload_id)
        try:
            growing = Growing(self._disk.extend(f"{directory}/data", offset, DATA_MODE), self._disk)
        except FileNotFoundError:
            raise NoSuchUpload("The upload does not exist") from None
        if offset == 0:
            self._disk.sync_dir(directory)
        return growing

    def finish(self, upload_id: str, size: int, blob: BlobName, mtime_ns: int) -> None:
        """Make the upload's file a blob, without a copy. Only with the upload's lock."""
        self._adopt(f"{self._directory(upload_id)}/data", size, blob, mtime_ns)

    def concatenate(self, upload_id: str, pieces: Sequence[tuple[str, int]], blob: BlobName, mtime_ns: int) -> None:
        """Make a blob of other resumable uploads' files in a row (id, bytes). Only with the upload's lock.

        Raises: FileNotFoundError if one was ended, DamagedObject.
        """
        files = [(f"{self._directory(name)}/data", size) for name, size in pieces if size]
        self._join(f"{self._directory(upload_id)}/whole", files, blob, mtime_ns)


def remove_upload(disk: Disk, directory: str) -> bool:
    """Whether the directory and all of the service's in it are gone. Its own name goes last."""
    for name in disk.names(directory):
        disk.unlink(f"{directory}/{name}")
    return disk.remove_dir(directory)
