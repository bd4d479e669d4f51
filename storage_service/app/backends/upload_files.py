"""Uploads in pieces as files: `.storage/uploads/<upload>/`, a directory for each.

    upload.json                    what was said at its beginning, for a catalog that must be made again
    <number>-<attempt>.<…>         a part; the name also says its length and digests, for the same reason
    <number>-<attempt>.<…>.slot    the same of a part whose bytes lie where they will lie in the object: see `slots`
    slots, sealed, slot-bytes, claim-<number>
    whole                          parts joined, while they become a blob
    data                           a resumable upload's bytes, growing
    wanted                         somebody else asks to write: whoever has the lock yields

The directory's own lock (flock) is held while bytes are joined or appended; the kernel frees it when a process dies.
"""

import contextlib
import logging
import threading
from collections.abc import Sequence

from storage_service.app.backends.blobs import BLOB_MODE, LocalBlobs
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.outflow import Outflow
from storage_service.app.backends.part_names import IN_SLOT, part_name
from storage_service.app.backends.slots import SLOTS_MODE, Piece, Slots
from storage_service.app.backends.staged_parts import OwnPart, SlottedPart, StagedPart
from storage_service.app.core.errors import DamagedObject, NoSuchUpload
from storage_service.app.core.objects import BlobName, Part, new_id

log = logging.getLogger(__name__)

UPLOADS = "uploads"  # below the service's own directory
RECORD = "upload.json"
RECORD_MODE = 0o600
DATA_MODE = 0o640


class Growing:
    """The file of a resumable upload, open at its end."""

    def __init__(self, fd: int, disk: Disk) -> None:
        self._fd: int | None = fd
        self._disk = disk
        self._lock = threading.Lock()
        self._outflow = Outflow(disk)

    def write(self, data: bytes) -> None:
        with self._lock:
            if self._fd is not None:
                self._outflow.write(self._fd, data)

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

    def _slots(self, upload_id: str) -> Slots:
        return Slots(self._directory(upload_id), self._disk)

    def begin(self, upload_id: str, record: bytes) -> None:
        """Make the upload's directory with its record; on return both survive a power cut."""
        directory = self._directory(upload_id)
        self._disk.make_dir(directory, 0o700)
        self._slots(upload_id).make()
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

    def stage(self, upload_id: str, number: int, size: int | None) -> StagedPart:
        """In its slot, if nobody wrote there before and the length is known (bytes); else in a file of its own."""
        slots = self._slots(upload_id)
        if size is not None and (fd := slots.claim(number, size)) is not None:
            return SlottedPart(fd, self._directory(upload_id), self._disk, slots, (number, size))
        return self.stage_copy(upload_id)

    def stage_copy(self, upload_id: str) -> OwnPart:
        """In a file of its own, to be filled from a blob."""
        path = f"{self._staging}/part-{new_id()}"
        return OwnPart(path, self._directory(upload_id), self._disk, self._blobs)

    def discard(self, part: Part) -> None:
        """Remove a part that counts no longer. A slot it lay in stays taken."""
        path = f"{self._directory(part.upload)}/{part_name(part)}"
        self._disk.unlink(path + IN_SLOT)
        self._disk.unlink(path)

    def to_copy(self, upload_id: str, parts: Sequence[Part]) -> int:
        """Bytes that `join` will copy. From here on no part is put in place. Only with the upload's lock.

        Raises: FileNotFoundError if a part was replaced, DamagedObject.
        """
        pieces, kept = self._lie(upload_id, parts)
        return 0 if _is_whole_file(pieces) else sum(piece.size for piece in pieces[kept:])

    def join(self, upload_id: str, parts: Sequence[Part], blob: BlobName, mtime_ns: int) -> None:
        """Make a blob of these parts in a row; on return it survives a power cut. Only with the upload's lock.

        Raises: FileNotFoundError if a part was replaced, DamagedObject.
        """
        pieces, kept = self._lie(upload_id, parts)
        if kept:
            self._go_on(self._slots(upload_id).sealed, pieces, kept, blob, mtime_ns)
        elif _is_whole_file(pieces):
            self._adopt(pieces[0].path, pieces[0].size, blob, mtime_ns)
        else:
            self._join(f"{self._directory(upload_id)}/whole", pieces, blob, mtime_ns)

    def _lie(self, upload_id: str, parts: Sequence[Part]) -> tuple[list[Piece], int]:
        """Where the parts are, and how many of them, from the first on, are in place already."""
        slots = self._slots(upload_id)
        slots.seal()
        pieces = [slots.find(part) for part in parts]
        return pieces, slots.lying_in_place(parts, pieces)

    def _go_on(self, sealed: str, pieces: Sequence[Piece], kept: int, blob: BlobName, mtime_ns: int) -> None:
        """The file of slots becomes the blob, with what lies elsewhere copied behind. Its name here stays: if the
        commit refuses, it holds the parts still."""
        length = sum(piece.size for piece in pieces[:kept])
        self._make_writable(sealed)
        target = self._disk.extend(sealed, length, SLOTS_MODE)
        try:
            for piece in pieces[kept:]:
                self._append(target, piece)
        finally:
            self._disk.close(target)
        self._adopt(sealed, length + sum(piece.size for piece in pieces[kept:]), blob, mtime_ns)

    def _make_writable(self, path: str) -> None:
        """An earlier completion, that was refused, had made it a blob."""
        fd = self._disk.open(path)
        try:
            self._disk.set_mode(fd, SLOTS_MODE)
        finally:
            self._disk.close(fd)

    def _join(self, whole: str, pieces: Sequence[Piece], blob: BlobName, mtime_ns: int) -> None:
        self._disk.unlink(whole)
        target = self._disk.create(whole, BLOB_MODE)
        try:
            for piece in pieces:
                self._append(target, piece)
        finally:
            self._disk.close(target)
        self._adopt(whole, sum(piece.size for piece in pieces), blob, mtime_ns)
        self._disk.unlink(whole)

    def _append(self, target: int, piece: Piece) -> None:
        source = self._disk.open(piece.path)
        try:
            if self._disk.fstat(source).size < piece.offset + piece.size:
                raise DamagedObject("A stored part is shorter than it was")
            self._disk.copy_range(source, target, piece.offset, piece.size)
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
        """The commit is known not to have happened: the blob goes, the pieces stay. Only with the upload's lock.

        The caller is to hear why the commit was refused, so what the disk says now is logged. A blob that stays is
        replaced by the next completion, or goes with the upload.
        """
        try:
            self._blobs.delete(blob)
        except OSError as error:
            log.warning("a refused completion left its blob: %s", error)

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
        files = [Piece(f"{self._directory(name)}/data", 0, size, slot=False) for name, size in pieces if size]
        self._join(f"{self._directory(upload_id)}/whole", files, blob, mtime_ns)


def _is_whole_file(pieces: Sequence[Piece]) -> bool:
    return len(pieces) == 1 and not pieces[0].slot


def remove_upload(disk: Disk, directory: str) -> bool:
    """Whether the directory and all of the service's in it are gone. Its own name goes last."""
    for name in disk.names(directory):
        disk.unlink(f"{directory}/{name}")
    return disk.remove_dir(directory)
