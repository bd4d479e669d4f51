"""The bytes of an archive, as another reader sees them: Python's zipfile."""

from __future__ import annotations

import io
import zipfile
from itertools import accumulate
from pathlib import Path

import pytest
from awscrt.checksums import combine_crc32, crc32

from storage_service.app.apis.zip_format import (
    EARLY_BYTES,
    Entry,
    central_bytes,
    central_record,
    descriptor,
    descriptor_bytes,
    end_bytes,
    end_records,
    local_bytes,
    local_header,
)

AT_MS = 1_795_260_151_000  # 2026-11-21 11:22:31 UTC
HUGE = (1 << 32) + 7


def crc_of_zeros(size: int) -> int:
    """Without reading so many."""
    crc, done, block, width = 0, 0, crc32(b"\0"), 1
    while done < size:
        if size & width:
            crc, done = combine_crc32(crc, block, width), done + width
        block, width = combine_crc32(block, block, width), width * 2
    return crc


def lay_down(path: Path, entries: list[Entry]) -> None:
    """An archive of zeros; of those the disk keeps no byte."""
    offsets = list(accumulate((local_bytes(e) + e.size + descriptor_bytes(e) for e in entries), initial=0))
    with path.open("wb") as file:
        for entry, offset in zip(entries, offsets, strict=False):
            crc = crc_of_zeros(entry.size)
            header = local_header(entry, crc)
            assert len(header) == local_bytes(entry)
            file.seek(offset)
            file.write(header)
            file.seek(entry.size, io.SEEK_CUR)
            tail = descriptor(entry, crc)
            assert len(tail) == descriptor_bytes(entry)
            file.write(tail)
        file.seek(offsets[-1])
        size = 0
        for entry, offset in zip(entries, offsets, strict=False):
            record = central_record(entry, crc_of_zeros(entry.size), offset)
            assert len(record) == central_bytes(entry, offset)
            size += file.write(record)
        end = end_records(len(entries), size, offsets[-1])
        assert len(end) == end_bytes(len(entries), size, offsets[-1])
        file.write(end)


@pytest.mark.parametrize("size", [0, 1, EARLY_BYTES, EARLY_BYTES + 1])
def test_a_file_of_any_size_reads_back(tmp_path: Path, size: int) -> None:
    lay_down(tmp_path / "a.zip", [Entry(b"first", size, AT_MS), Entry("ü/€".encode(), 3, AT_MS)])
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert found.testzip() is None
        assert found.namelist() == ["first", "ü/€"]
        assert [info.file_size for info in found.infolist()] == [size, 3]
        assert found.infolist()[0].date_time == (2026, 11, 21, 11, 22, 30)  # to two seconds


def test_an_archive_over_four_gigabytes_says_so_in_its_wide_fields(tmp_path: Path) -> None:
    entries = [Entry(b"huge", HUGE, AT_MS), Entry(b"behind", 5, AT_MS), Entry(b"large", EARLY_BYTES + 9, AT_MS)]
    lay_down(tmp_path / "a.zip", entries)
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert [info.file_size for info in found.infolist()] == [HUGE, 5, EARLY_BYTES + 9]
        assert found.infolist()[1].header_offset > 1 << 32
        assert found.read("behind") == bytes(5)
        assert found.read("large") == bytes(EARLY_BYTES + 9)


@pytest.mark.ci
def test_more_files_than_sixteen_bits_count(tmp_path: Path) -> None:
    lay_down(tmp_path / "a.zip", [Entry(b"f%05d" % number, 0, AT_MS) for number in range(65_540)])
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert len(found.namelist()) == 65_540
        assert found.read("f65539") == b""


@pytest.mark.parametrize(("at_ms", "year"), [(0, 1980), (-(10**12), 1980), (10**14, 2107)])
def test_times_that_the_format_does_not_know_are_the_nearest_it_does(tmp_path: Path, at_ms: int, year: int) -> None:
    lay_down(tmp_path / "a.zip", [Entry(b"a", 1, at_ms)])
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert found.infolist()[0].date_time[0] == year
