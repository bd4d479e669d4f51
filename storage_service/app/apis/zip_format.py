"""The bytes of a ZIP archive whose files are stored as they are. Pure.

Where every byte stands follows from names and sizes alone, so the whole length is known before a file is read. A small
file's CRC stands before it; a larger one's follows it, or nothing could be sent before all of it was read.
Source: PKWARE APPNOTE.TXT 6.3.10; the section stands at each part.
"""

import struct
import time
from typing import Final, NamedTuple

EARLY_BYTES: Final = 1 << 20  # up to here a file is read at once, and its CRC goes before it
FULL_16, FULL_32 = 0xFFFF, 0xFFFFFFFF  # what stands where a ZIP64 field holds the value
PLAIN, ZIP64 = 20, 45  # versions needed to extract (4.4.3)
MADE_BY = 3 << 8 | ZIP64  # Unix: the attributes below are its modes (4.4.2)
CRC_FOLLOWS, UTF_8 = 1 << 3, 1 << 11  # general purpose bits (4.4.4)
FILE_MODE, DIRECTORY_MODE = 0o100644 << 16, 0o40755 << 16 | 0x10
EARLIEST, LATEST = 315_532_800, 4_354_819_198  # 1980 to 2107 in seconds since 1970: what MS-DOS counts
LATEST_EXTRA = 2**31 - 1

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
DESCRIPTOR = struct.Struct("<4s3L")
DESCRIPTOR_64 = struct.Struct("<4sL2Q")
TIMES = struct.Struct("<2HBl")  # Info-ZIP's extended timestamp: seconds since 1970, where MS-DOS time has no zone
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
END = struct.Struct("<4s4H2LH")
EXTRA_64 = 4


class Entry(NamedTuple):
    """One file or, with a slash at the end of its name, directory. `name` is UTF-8."""

    name: bytes
    size: int
    at_ms: int

    @property
    def is_late(self) -> bool:
        """Whether its CRC follows it."""
        return self.size > EARLY_BYTES

    @property
    def is_huge(self) -> bool:
        return self.size >= FULL_32


def local_bytes(entry: Entry) -> int:
    """Length of `local_header`."""
    return LOCAL.size + len(entry.name) + TIMES.size + (EXTRA_64 + 16 if entry.is_huge else 0)


def descriptor_bytes(entry: Entry) -> int:
    if not entry.is_late:
        return 0
    return DESCRIPTOR_64.size if entry.is_huge else DESCRIPTOR.size


def central_bytes(entry: Entry, offset: int) -> int:
    """Length of `central_record`."""
    wide = 8 * (2 * entry.is_huge + (offset >= FULL_32))
    return CENTRAL.size + len(entry.name) + TIMES.size + (EXTRA_64 + wide if wide else 0)


def end_bytes(count: int, size: int, start: int) -> int:
    """Length of `end_records`."""
    return END.size + (END_64.size + LOCATOR.size if _is_wide(count, size, start) else 0)


def local_header(entry: Entry, crc: int) -> bytes:
    """4.3.7. Where the CRC follows, it and the sizes are zero (4.4.4), in the ZIP64 field if there is one (4.3.9.2)."""
    date, clock = _dos_time(entry.at_ms)
    size = 0 if entry.is_late else entry.size
    extra = _times(entry)
    if entry.is_huge:
        extra += struct.pack("<2H2Q", 1, 16, 0, 0)
        size = FULL_32
    head = LOCAL.pack(
        b"PK\3\4",
        ZIP64 if entry.is_huge else PLAIN,
        _flags(entry),
        0,  # stored
        clock,
        date,
        0 if entry.is_late else crc,
        size,
        size,
        len(entry.name),
        len(extra),
    )
    return head + entry.name + extra


def descriptor(entry: Entry, crc: int) -> bytes:
    """What follows the data of a late entry (4.3.9); nothing after others."""
    if not entry.is_late:
        return b""
    form = DESCRIPTOR_64 if entry.is_huge else DESCRIPTOR
    return form.pack(b"PK\7\x08", crc, entry.size, entry.size)


def central_record(entry: Entry, crc: int, offset: int) -> bytes:
    """4.3.12."""
    date, clock = _dos_time(entry.at_ms)
    wide = [entry.size] * 2 * entry.is_huge + [offset] * (offset >= FULL_32)
    extra = _times(entry)
    if wide:  # in this order (4.5.3)
        extra += struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide)
    size = min(entry.size, FULL_32)
    head = CENTRAL.pack(
        b"PK\1\2",
        MADE_BY,
        ZIP64 if wide else PLAIN,
        _flags(entry),
        0,
        clock,
        date,
        crc,
        size,
        size,
        len(entry.name),
        len(extra),
        0,
        0,
        0,
        DIRECTORY_MODE if entry.name.endswith(b"/") else FILE_MODE,
        min(offset, FULL_32),
    )
    return head + entry.name + extra


def end_records(count: int, size: int, start: int) -> bytes:
    """The archive's end: `count` records of `size` bytes in all begin at `start` (4.3.14 to 4.3.16)."""
    end = END.pack(
        b"PK\5\6", 0, 0, min(count, FULL_16), min(count, FULL_16), min(size, FULL_32), min(start, FULL_32), 0
    )
    if not _is_wide(count, size, start):
        return end
    wide = END_64.pack(b"PK\6\6", END_64.size - 12, MADE_BY, ZIP64, 0, 0, count, count, size, start)
    return wide + LOCATOR.pack(b"PK\6\7", 0, start + size, 1) + end


def _is_wide(count: int, size: int, start: int) -> bool:
    return count >= FULL_16 or size >= FULL_32 or start >= FULL_32


def _flags(entry: Entry) -> int:
    return UTF_8 | (CRC_FOLLOWS if entry.is_late else 0)


def _times(entry: Entry) -> bytes:
    return TIMES.pack(0x5455, 5, 1, max(0, min(entry.at_ms // 1000, LATEST_EXTRA)))


def _dos_time(at_ms: int) -> tuple[int, int]:
    """Date and time in UTC, to two seconds (4.4.6)."""
    year, month, day, hour, minute, second, *_ = time.gmtime(max(EARLIEST, min(at_ms // 1000, LATEST)))
    return (year - 1980) << 9 | month << 5 | day, hour << 11 | minute << 5 | second // 2
