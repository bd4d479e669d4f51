"""Parts written where they will lie in the object: joining them then copies nothing (docs/decisions/0009).

    slots           one file for all parts of an upload; part N lies in slot N, which begins at (N - 1) * slot bytes
    slot-bytes      how long a slot is: as the first part that claimed one
    claim-<number>  an empty file: whoever made it writes into that slot, and nobody else ever does
    sealed          `slots`, renamed when a completion begins: no claim opens it any more

A part in a slot has an empty file with its name and `.slot`. Any other part is a file of its own, and may replace one
in a slot; the slot is then left as it is. A claim is made before `slots` is opened, and a completion renames `slots`
before it looks at the claims: so it sees the claim of everybody who could still write.
"""

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from storage_service.app.backends.blobs import read_file
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.part_names import IN_SLOT, part_name
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import MIN_PART_BYTES, Part, new_id

SLOTS, SEALED, SLOT_BYTES, CLAIM = "slots", "sealed", "slot-bytes", "claim-"
SLOTS_MODE = 0o640
MARK_MODE = 0o400  # of a file whose name says all
MOST_BYTES = 5 << 40  # no object is longer: a part that would lie behind it is a file of its own


class Piece(NamedTuple):
    """Where a part's bytes are. `slot`: in the file of slots."""

    path: str
    offset: int
    size: int
    slot: bool


class Slots:
    """Of one upload. Uploads that were begun without `slots` never have any."""

    def __init__(self, directory: str, disk: Disk) -> None:
        self._directory = directory
        self._disk = disk
        self.sealed = f"{directory}/{SEALED}"
        self._open = f"{directory}/{SLOTS}"
        self._length: int | None = None  # of a slot; once it is decided it stays

    def make(self) -> None:
        """At the upload's beginning. The caller syncs the directory."""
        self._disk.close(self._disk.create(self._open, SLOTS_MODE))

    # Writing ----------------------------------------------------------------------------------------------------

    def claim(self, number: int, size: int) -> int | None:
        """A descriptor that writes at the slot's beginning; None: the part must be a file of its own."""
        try:
            return self._take(number, size)
        except (FileExistsError, FileNotFoundError):  # claimed before; or the upload is being completed or ends
            return None

    def _take(self, number: int, size: int) -> int | None:
        """Raises: FileExistsError, FileNotFoundError."""
        slot = self._slot_for(size)
        if not 0 < size <= slot or number * slot > MOST_BYTES:
            return None
        self._disk.close(self._disk.create(self._claim(number), MARK_MODE))
        try:
            return self._disk.open_at(self._open, (number - 1) * slot)
        except OSError:  # not found: a completion has begun
            self.release(number)
            raise

    def release(self, number: int) -> None:
        """Only by whoever claimed it, has published nothing, and writes no more."""
        self._disk.unlink(self._claim(number))

    def _claim(self, number: int) -> str:
        return f"{self._directory}/{CLAIM}{number:05d}"

    def _slot_for(self, size: int) -> int:
        """Bytes of a slot. The first large part decides; 0 while none has come."""
        try:
            return self._slot_bytes()
        except FileNotFoundError:
            if size < MIN_PART_BYTES or self._disk.stat(self._open) is None:
                return 0
        self._decide(size)
        return self._slot_bytes()

    def _slot_bytes(self) -> int:
        if self._length is None:
            text = read_file(self._disk, f"{self._directory}/{SLOT_BYTES}")
            try:
                self._length = int(text)
            except ValueError:
                raise DamagedObject("What an upload says of the size of its parts is damaged") from None
        return self._length

    def _decide(self, size: int) -> None:
        """The first of several wins. Its bytes are safe before its name is there."""
        path = f"{self._directory}/{SLOT_BYTES}"
        temporary = f"{path}.{new_id()}"
        fd = self._disk.create(temporary, MARK_MODE)
        try:
            self._disk.write(fd, str(size).encode())
            self._disk.sync_data(fd)
        finally:
            self._disk.close(fd)
        with contextlib.suppress(FileExistsError):
            self._disk.link(temporary, path)
        self._disk.unlink(temporary)

    # Reading ----------------------------------------------------------------------------------------------------

    def find(self, part: Part) -> Piece:
        """Raises: FileNotFoundError if the part was replaced; DamagedObject if its bytes are not all there."""
        path = f"{self._directory}/{part_name(part)}"
        if self._disk.stat(path + IN_SLOT) is not None:
            return self._in_slot(part)
        found = self._disk.stat(path)
        if found is None:
            raise FileNotFoundError(path)
        if found.size != part.size:
            raise DamagedObject("A stored part is not as long as it was")
        return Piece(path, 0, part.size, slot=False)

    def _in_slot(self, part: Part) -> Piece:
        try:
            begin = (part.number - 1) * self._slot_bytes()
        except FileNotFoundError:
            raise DamagedObject("What an upload says of the size of its parts is gone") from None
        for path in (self._open, self.sealed):
            found = self._disk.stat(path)
            if found is not None:
                if found.size < begin + part.size:
                    break
                return Piece(path, begin, part.size, slot=True)
        raise DamagedObject("A stored part is shorter than it was")

    def seal(self) -> None:
        """From here on no part is written into a slot but by those who have a claim already."""
        with contextlib.suppress(FileNotFoundError):
            self._disk.rename(self._open, self.sealed)

    def lying_in_place(self, parts: Sequence[Part], pieces: Sequence[Piece]) -> int:
        """How many parts, from the first on, lie in the sealed file as they will in the object. Nobody writes to it
        any more, then. Else 0. Only after `seal`."""
        claimed = {name for name in self._disk.names(self._directory) if name.startswith(CLAIM)}
        count = len(claimed)
        first = list(zip(parts, pieces, strict=True))[:count]
        if claimed != {f"{CLAIM}{part.number:05d}" for part, piece in first if piece.slot}:
            return 0
        length = 0
        for part, piece in first:
            if piece.offset != length:
                return 0
            length += part.size
        return count
