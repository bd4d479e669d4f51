"""A part of an upload on its way to disk: in a file of its own, or in its slot."""

import threading
from collections.abc import Callable

from storage_service.app.backends.blobs import BLOB_MODE, LocalBlobs
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.local import clearing
from storage_service.app.backends.outflow import Outflow
from storage_service.app.backends.part_names import IN_SLOT, part_name
from storage_service.app.backends.slots import MARK_MODE, Slots
from storage_service.app.core.errors import InvalidRequest, NoSuchUpload
from storage_service.app.core.objects import BlobName, Part, Span

HASHED_AT_ONCE = 64 << 20  # bytes of a mapped file


class StagedPart:
    """What both kinds share. The lock orders a late `discard` behind the write in flight."""

    def __init__(self, fd: int, directory: str, disk: Disk) -> None:
        self._directory = directory
        self._disk = disk
        self._lock = threading.Lock()
        self._fd: int | None = fd
        self._outflow = Outflow(disk)

    def write(self, data: bytes) -> None:
        with self._lock:
            if self._fd is not None:
                self._outflow.write(self._fd, data)

    def publish(self, part: Part) -> None:
        """On return the part survives a power cut, under its own name.

        Raises: NoSuchUpload.
        """
        with self._lock:
            if self._fd is None:
                return
            self._disk.sync_data(self._fd)  # before the name: a power cut may keep the name and lose the bytes
            self._shut()
            try:
                self._name(f"{self._directory}/{part_name(part)}")
                self._disk.sync_dir(self._directory)
            except FileNotFoundError:
                raise NoSuchUpload("The upload was aborted meanwhile") from None

    def discard(self) -> None:
        """The part is known not to count: what there is of it goes, under whichever name. Idempotent."""
        with self._lock, clearing():
            self._shut()
            self._withdraw()

    def _shut(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._disk.close(fd)

    def _name(self, path: str) -> None:
        raise NotImplementedError

    def _withdraw(self) -> None:
        raise NotImplementedError


class OwnPart(StagedPart):
    """A file that is renamed when it is whole."""

    def __init__(self, path: str, directory: str, disk: Disk, blobs: LocalBlobs) -> None:
        super().__init__(disk.create(path, BLOB_MODE), directory, disk)
        self._path = path
        self._blobs = blobs

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

    def _name(self, path: str) -> None:
        self._disk.rename(self._path, path)
        self._path = path

    def _withdraw(self) -> None:
        self._disk.unlink(self._path)


class SlottedPart(StagedPart):
    """Bytes that lie where they will stay. `size`: as announced; a byte more would be the next part's."""

    def __init__(self, fd: int, directory: str, disk: Disk, slots: Slots, claim: tuple[int, int]) -> None:
        super().__init__(fd, directory, disk)
        self._slots = slots
        self._number, self._left = claim
        self._is_claimed = True  # and can be given back
        self._mark: str | None = None

    def write(self, data: bytes) -> None:
        """Raises: InvalidRequest for more than was announced."""
        if len(data) > self._left:
            raise InvalidRequest("The part is longer than was announced")
        self._left -= len(data)
        super().write(data)

    def publish(self, part: Part) -> None:
        self._is_claimed = False
        super().publish(part)

    def _name(self, path: str) -> None:
        self._mark = path + IN_SLOT
        self._disk.close(self._disk.create(self._mark, MARK_MODE))

    def _withdraw(self) -> None:
        if self._mark is not None:
            self._disk.unlink(self._mark)
        if self._is_claimed:
            self._is_claimed = False
            self._slots.release(self._number)
