"""The bench itself: what it must see, and what a kill alone can't show.

A bench that passes a writer without syncs would pass anything. These run before the product's own
power tests mean something.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal, NamedTuple

import pytest

from tests.support.cuts import CUT_VALUES, FILE_SYSTEMS, CutDisk, CutValue, FileSystem, cut_disk
from tests.support.ready import wait_until
from tests.support.shim import Shim, shim_over

pytestmark = pytest.mark.ci

WRITER = Path(__file__).with_name("tiny_writer.py")
RUN_SECONDS = 0.5
# More than so many are acknowledged before the power goes: a busy disk takes longer than RUN_SECONDS for them.
FEWEST = {"synced": 20, "unsynced": 50}
# Room for all that can be written: XFS flushes data when it runs out of space.
DISK_MIB = 2048


class Outcome(NamedTuple):
    acknowledged: int
    missing: int
    damaged: int


def start_writer(
    directory: Path, mode: Literal["synced", "unsynced"], log: Path, shim: Shim | None = None
) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, str(WRITER), str(directory), mode],
            stdout=out,
            stderr=subprocess.DEVNULL,
            env=shim.environment() if shim else None,
        )


def let_it_write(mode: Literal["synced", "unsynced"], log: Path) -> None:
    time.sleep(RUN_SECONDS)
    wait_until(lambda: len(log.read_bytes().splitlines()) > FEWEST[mode])


def compare(directory: Path, log: Path, before_ns: int) -> Outcome:
    acknowledged = missing = damaged = 0
    for line in log.read_text().splitlines():
        name, stamp = line.split()
        if int(stamp) >= before_ns:
            continue
        acknowledged += 1
        path = directory / name
        if not path.exists():
            missing += 1
        elif hashlib.sha256(path.read_bytes()).hexdigest() != name:
            damaged += 1
    return Outcome(acknowledged, missing, damaged)


def cut_under_writer(tmp_path: Path, kind: FileSystem, value: CutValue, mode: Literal["synced", "unsynced"]) -> Outcome:
    log = tmp_path / "acknowledged"
    with cut_disk(tmp_path, kind, DISK_MIB) as disk:
        writer = start_writer(disk.mount_point, mode, log)
        try:
            let_it_write(mode, log)
            cut_ns = disk.power_cut(value)
        finally:
            writer.kill()
            writer.wait()
        disk.power_on()
        return compare(disk.mount_point, log, cut_ns)


@pytest.mark.parametrize("value", CUT_VALUES)
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_writer_without_syncs_loses_everything_to_a_cut(tmp_path: Path, kind: FileSystem, value: CutValue) -> None:
    outcome = cut_under_writer(tmp_path, kind, value, "unsynced")
    assert outcome.acknowledged > FEWEST["unsynced"]
    assert outcome.missing + outcome.damaged == outcome.acknowledged


@pytest.mark.parametrize("value", CUT_VALUES)
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_writer_with_syncs_loses_nothing_to_a_cut(tmp_path: Path, kind: FileSystem, value: CutValue) -> None:
    outcome = cut_under_writer(tmp_path, kind, value, "synced")
    assert outcome.acknowledged > FEWEST["synced"]
    assert outcome.missing + outcome.damaged == 0


def test_kill_alone_loses_nothing_even_without_syncs(tmp_path: Path) -> None:
    """So a kill proves nothing about a power cut."""
    (data := tmp_path / "data").mkdir()
    writer = start_writer(data, "unsynced", tmp_path / "acknowledged")
    let_it_write("unsynced", tmp_path / "acknowledged")
    writer.kill()
    writer.wait()
    outcome = compare(data, tmp_path / "acknowledged", time.monotonic_ns())
    assert outcome.acknowledged > FEWEST["unsynced"]
    assert outcome.missing + outcome.damaged == 0


@pytest.mark.parametrize("value", CUT_VALUES)
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_copy_of_a_frozen_disk_holds_what_a_cut_leaves(tmp_path: Path, kind: FileSystem, value: CutValue) -> None:
    with cut_disk(tmp_path, kind) as disk:
        synced, unsynced = disk.mount_point / "synced", disk.mount_point / "unsynced"
        with synced.open("wb") as file:
            file.write(b"s" * 50_000)
            file.flush()
            os.fsync(file.fileno())
        unsynced.write_bytes(b"u" * 50_000)
        image = tmp_path / "copy.img"
        disk.copy_as_cut(value, image)
        disk.power_cut(value)
        disk.power_on()
        left = {path.name: path.read_bytes() for path in (synced, unsynced) if path.exists()}
        copy = CutDisk(kind, image, tmp_path / "copy")
        with copy.mounted() as root:
            copied = {path.name: path.read_bytes() for path in root.glob("*synced")}
    assert left == copied
    assert left["synced"] == b"s" * 50_000
    assert left.get("unsynced") == (None if value == 2 else b"")


def test_shim_counts_every_call_of_a_synced_write_in_order(tmp_path: Path) -> None:
    (data := tmp_path / "data").mkdir()
    with shim_over(data, tmp_path) as shim:
        shim.arm(10, "freeze")  # the writer's second file: its calls 6 to 10
        writer = start_writer(data, "synced", tmp_path / "acknowledged", shim)
        try:
            assert shim.wait_until_reached(timeout_seconds=10)
            seen = [entry.call.removesuffix("64") for entry in shim.log(1, 10)]
        finally:
            writer.kill()
            writer.wait()
    assert seen == ["open", "write", "fsync", "rename", "fsync"] * 2


@pytest.mark.parametrize("index", [1, 2, 3, 4, 5, 13])
def test_shim_stops_the_writer_at_each_call(tmp_path: Path, index: int) -> None:
    (data := tmp_path / "data").mkdir()
    with shim_over(data, tmp_path) as shim:
        shim.arm(index, "kill")
        writer = start_writer(data, "synced", tmp_path / "acknowledged", shim)
        assert writer.wait(timeout=10) == -signal.SIGKILL
        assert shim.calls == index
    assert len((tmp_path / "acknowledged").read_text().splitlines()) == (index - 1) // 5
    whole = [path for path in data.iterdir() if path.suffix != ".tmp"]
    assert len(whole) == index // 5  # the stopped call itself did not happen


def test_shim_fails_a_call_with_the_error_it_was_given(tmp_path: Path) -> None:
    (data := tmp_path / "data").mkdir()
    with shim_over(data, tmp_path) as shim:
        shim.arm(8, "fail")
        writer = start_writer(data, "synced", tmp_path / "acknowledged", shim)
        assert writer.wait(timeout=10) == 1  # OSError from the second file's fsync
    assert len((tmp_path / "acknowledged").read_text().splitlines()) == 1


@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_cut_catches_syncs_that_lie(tmp_path: Path, kind: FileSystem) -> None:
    with cut_disk(tmp_path, kind, DISK_MIB) as disk:
        (data := disk.mount_point / "data").mkdir()
        with shim_over(disk.mount_point, tmp_path) as shim:
            shim.lie_about("/data")
            writer = start_writer(data, "synced", tmp_path / "acknowledged", shim)
            try:
                let_it_write("synced", tmp_path / "acknowledged")
                cut_ns = disk.power_cut(2)
            finally:
                writer.kill()
                writer.wait()
        disk.power_on()
        outcome = compare(data, tmp_path / "acknowledged", cut_ns)
    assert outcome.acknowledged > FEWEST["synced"]
    assert outcome.missing + outcome.damaged == outcome.acknowledged
