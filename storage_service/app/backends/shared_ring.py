"""The last records of all processes of a service in one mapped file: written and read without waiting for a disk.

A header page counts the records ever written; each lies in the slot of its number. Writers take a lock, and leave
the record out where another process holds it just then. A reader takes none: a record that is being overwritten
fails its checksum and is left out.
"""

import fcntl
import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Final

SLOTS: Final = 64
SLOT_BYTES: Final = 32 << 10
PAGE: Final = 4096
COUNT = struct.Struct("<Q")
HEAD = struct.Struct("<QII")  # number, length, CRC-32
MOST_BYTES: Final = SLOT_BYTES - HEAD.size


class SharedRing:
    """One process's way to the file, which outlives them all."""

    def __init__(self, path: Path) -> None:
        """Raises: OSError."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._fd, PAGE + SLOTS * SLOT_BYTES)
        self._map = mmap.mmap(self._fd, PAGE + SLOTS * SLOT_BYTES)

    def close(self) -> None:
        self._map.close()
        os.close(self._fd)

    def append(self, record: bytes) -> None:
        """One of more than MOST_BYTES is left out."""
        if len(record) > MOST_BYTES:
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        try:
            number = self._count()
            at = PAGE + number % SLOTS * SLOT_BYTES
            self._map[at + HEAD.size : at + HEAD.size + len(record)] = record
            HEAD.pack_into(self._map, at, number, len(record), zlib.crc32(record))
            COUNT.pack_into(self._map, 0, number + 1)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def newest(self, limit: int) -> list[bytes]:
        """Newest first."""
        count = self._count()
        numbers = range(count - 1, max(count - 1 - min(limit, SLOTS), -1), -1)
        return [record for number in numbers if (record := self._read(number)) is not None]

    def _count(self) -> int:
        return int(COUNT.unpack_from(self._map, 0)[0])

    def _read(self, number: int) -> bytes | None:
        at = PAGE + number % SLOTS * SLOT_BYTES
        found, length, checksum = HEAD.unpack_from(self._map, at)
        record = bytes(self._map[at + HEAD.size : at + HEAD.size + min(length, MOST_BYTES)])
        return record if found == number and zlib.crc32(record) == checksum else None
