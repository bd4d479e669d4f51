"""The last records one process wrote, for all others to read: a mapped file of slots, written over in turn.

One writer; readers never wait and never make it wait. Who reads too slowly misses records and is told how many.
"""

import contextlib
import mmap
import os
import struct
from typing import Final, NamedTuple

SLOTS: Final = 512
SLOT_BYTES: Final = 1024
HEAD = struct.Struct("<QH")  # a record's number, 0 while it is being written; its length
NEXT = struct.Struct("<Q")  # at the beginning of the file: the next record's number, from 1 on
BEGIN: Final = 64
FILE_BYTES: Final = BEGIN + SLOTS * SLOT_BYTES
MOST_BYTES: Final = SLOT_BYTES - HEAD.size


class Taken(NamedTuple):
    """Records in their order, and how many more there were that nobody can read any more."""

    records: list[bytes]
    missed: int


class RingWriter:
    """Makes the file. About 1 µs a record."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._next = 1
        temporary = f"{path}.new"
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, FILE_BYTES)
            self._map = mmap.mmap(fd, FILE_BYTES)
        finally:
            os.close(fd)
        NEXT.pack_into(self._map, 0, self._next)
        os.rename(temporary, path)  # one that a reader has mapped must never shrink under it

    def write(self, record: bytes) -> None:
        """One that is too long is left out."""
        if len(record) > MOST_BYTES:
            return
        number, at = self._next, _place(self._next)
        HEAD.pack_into(self._map, at, 0, 0)
        start = at + HEAD.size
        self._map[start : start + len(record)] = record
        HEAD.pack_into(self._map, at, number, len(record))
        self._next = number + 1
        NEXT.pack_into(self._map, 0, self._next)

    def close(self) -> None:
        self._map.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)


class RingReader:
    """Reads from the oldest record that is there. Raises: OSError, ValueError, where there is no whole file."""

    def __init__(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._map = mmap.mmap(fd, FILE_BYTES, prot=mmap.PROT_READ)
        finally:
            os.close(fd)
        self._at = 1

    def take(self) -> Taken:
        """What was written since the last call."""
        (end,) = NEXT.unpack_from(self._map, 0)
        first = max(self._at, end - SLOTS)
        found = [record for number in range(first, end) if (record := self._record(number)) is not None]
        missed = end - self._at - len(found)
        self._at = max(self._at, end)
        return Taken(found, max(0, missed))

    def _record(self, number: int) -> bytes | None:
        """None where it was written over while it was read."""
        at = _place(number)
        before, size = HEAD.unpack_from(self._map, at)
        if before != number or size > MOST_BYTES:
            return None
        start = at + HEAD.size
        record = self._map[start : start + size]
        return record if HEAD.unpack_from(self._map, at)[0] == number else None

    def close(self) -> None:
        self._map.close()


def _place(number: int) -> int:
    return BEGIN + number % SLOTS * SLOT_BYTES
