"""Large files are begun to be written before they are synced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage_service.app.backends.disk import Disk, ScratchDisk
from storage_service.app.backends.outflow import BEGIN_BYTES, Outflow

MIB = 1 << 20


class Counting(Disk):
    begun: list[int]

    def __init__(self) -> None:
        super().__init__()
        self.begun = []

    def begin_sync(self, fd: int) -> None:
        self.begun.append(os.fstat(fd).st_size)
        super().begin_sync(fd)


@pytest.mark.parametrize("chunk", [MIB, 3 * MIB, BEGIN_BYTES])
def test_the_kernel_is_asked_to_begin_every_eight_mebibytes(tmp_path: Path, chunk: int) -> None:
    disk = Counting()
    fd = disk.create(str(tmp_path / "f"), 0o640)
    outflow = Outflow(disk)
    for number in range(24 * MIB // chunk):
        outflow.write(fd, bytes([number]) * chunk)
    disk.close(fd)
    assert len(disk.begun) == 24 * MIB // (-(-BEGIN_BYTES // chunk) * chunk)
    assert all(later - earlier >= BEGIN_BYTES for earlier, later in zip([0, *disk.begun], disk.begun, strict=False))
    written = (tmp_path / "f").read_bytes()
    assert written == b"".join(bytes([number]) * chunk for number in range(24 * MIB // chunk))


def test_small_files_are_left_to_the_sync(tmp_path: Path) -> None:
    disk = Counting()
    fd = disk.create(str(tmp_path / "f"), 0o640)
    Outflow(disk).write(fd, bytes(BEGIN_BYTES - 1))
    disk.close(fd)
    assert disk.begun == []


def test_a_descriptor_that_cannot_begin_is_no_error(tmp_path: Path) -> None:
    """A pipe, say, or a file system without: the sync says what there is to say."""
    reading, writing = os.pipe()
    try:
        Disk().begin_sync(writing)
        ScratchDisk().begin_sync(-1)
    finally:
        os.close(reading)
        os.close(writing)
