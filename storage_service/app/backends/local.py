"""Local files as the core's `Blobs`: open files that close safely, and bodies staged on their way in."""

import contextlib
import errno
import logging
import threading
from collections.abc import Iterator

from storage_service.app.backends.blobs import BLOB_MODE, LocalBlobs, OpenBlob
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.outflow import Outflow
from storage_service.app.core.disk_errors import told
from storage_service.app.core.errors import DamagedObject, ServiceUnavailable, StorageError
from storage_service.app.core.objects import BlobName

log = logging.getLogger(__name__)

LOST = frozenset({errno.EIO, errno.EBADMSG, errno.EUCLEAN})  # checksums of the file system, too
NOTHING_STORED = "The disk failed; nothing was stored"
STAGED_NAME = "{bucket}.{version_id}"  # the bucket's number, so that a start can find the blob of an intent


@contextlib.contextmanager
def clearing() -> Iterator[None]:
    """What is left behind when the disk refuses to remove it: no answer to a request depends on that. A sweep removes
    it, or `storage check` names it."""
    try:
        yield
    except OSError as error:
        log.warning("a file could not be removed and is left: %s", error)


def unread(error: OSError) -> StorageError:
    """What a read that the disk refused is called: damage that stays, or trouble of this moment."""
    log.error("a read failed: %s: %s", type(error).__name__, error)
    if error.errno in LOST:
        return DamagedObject("The disk cannot read the stored bytes")
    return ServiceUnavailable("The disk cannot be read at this moment")


class OpenFile:
    """An open blob. A read in flight finishes before `close` closes: a reused descriptor would be another's file."""

    def __init__(self, opened: OpenBlob, disk: Disk, location: str | None = None) -> None:
        self.size = opened.size
        self.location = location
        self._fd = opened.fd
        self._disk = disk
        self._lock = threading.Lock()
        self._open = True

    def fileno(self) -> int:
        return self._fd

    def read(self, offset: int, size: int) -> bytes:
        """Raises DamagedObject, ServiceUnavailable."""
        try:
            with self._lock:
                return self._disk.read(self._fd, size, offset) if self._open else b""
        except OSError as error:
            raise unread(error) from None

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Raises DamagedObject, ServiceUnavailable."""
        try:
            with self._lock:
                return self._disk.read_into(self._fd, buffer, offset) if self._open else 0
        except OSError as error:
            raise unread(error) from None

    def close(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                self._disk.close(self._fd)


class StagedFile:
    """A body under a staging name. The lock orders a late `discard` behind the write in flight."""

    def __init__(self, path: str, blobs: LocalBlobs, disk: Disk) -> None:
        self._path = path
        self._blobs = blobs
        self._disk = disk
        self._lock = threading.Lock()
        with told(NOTHING_STORED):
            self._fd: int | None = disk.create(path, BLOB_MODE)
        self._blob: BlobName | None = None
        self._gone = False
        self._outflow = Outflow(disk)

    def write(self, data: bytes) -> None:
        with self._lock, told(NOTHING_STORED):
            if self._fd is not None:
                self._outflow.write(self._fd, data)

    def publish(self, blob: BlobName, mtime_ns: int) -> None:
        with self._lock, told(NOTHING_STORED):
            if self._gone or self._fd is None:
                return
            self._blobs.share(self._fd)
            self._disk.set_times(self._fd, mtime_ns)
            self._disk.sync_data(self._fd)  # before the name: a power cut may keep the name and lose the bytes
            self._shut()
            self._blob = blob
            self._blobs.adopt(self._path, blob)

    def link(self, source: BlobName, blob: BlobName) -> None:
        """Another blob's bytes get this name too, unsynced; of the staging file only the name counts."""
        with self._lock, told(NOTHING_STORED):
            self._shut()
            self._blob = blob
            self._blobs.copy(source, blob)

    def keep(self) -> None:
        with self._lock, clearing():
            self._shut()
            self._disk.unlink(self._path)

    def discard(self) -> None:
        with self._lock, clearing():
            self._gone = True
            self._shut()
            if self._blob is not None:
                self._blobs.delete(self._blob)  # before the intent: if it stays, a sweep takes both
            self._disk.unlink(self._path)

    def _shut(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._disk.close(fd)


class LocalFiles:
    """The core's `Blobs` over a directory. `staging` is this worker's own directory, on the same file system."""

    def __init__(self, blobs: LocalBlobs, disk: Disk, staging: str) -> None:
        self._blobs = blobs
        self._disk = disk
        self._staging = staging

    def open(self, blob: BlobName, size: int, mtime_ns: int | None) -> OpenFile:
        """Raises FileNotFoundError, DamagedObject, ServiceUnavailable."""
        try:
            return OpenFile(self._blobs.open(blob, size, mtime_ns), self._disk, self._blobs.location(blob))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise unread(error) from None

    def read_small(self, blob: BlobName, size: int, mtime_ns: int | None) -> bytes:
        """As `open`, and all of it."""
        try:
            return self._blobs.read_small(blob, size, mtime_ns)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise unread(error) from None

    def stage(self, bucket: int, version_id: str) -> StagedFile:
        name = STAGED_NAME.format(bucket=bucket, version_id=version_id)
        return StagedFile(f"{self._staging}/{name}", self._blobs, self._disk)

    def copy(self, source: BlobName, target: BlobName, bucket: int) -> StagedFile:
        with told(NOTHING_STORED):
            if self._blobs.stat(source) is None:  # no intent in vain: its body is in the journal still
                raise FileNotFoundError(self._blobs.location(source))
        staged = self.stage(bucket, target.version_id)
        try:
            staged.link(source, target)
        except BaseException:
            staged.discard()
            raise
        return staged
