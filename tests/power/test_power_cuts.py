"""P1: the power is cut at random moments under load, and everything acknowledged is there after.

`STORAGE_CUT_CYCLES` sets how many cuts are made in all, over both file systems and both values.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from tests.power.bench import Bench, service_on
from tests.power.door import Door
from tests.power.load import BUCKET
from tests.support.cuts import CUT_VALUES, FILE_SYSTEMS, CutValue, FileSystem, cut_disk
from tests.support.model import Report

pytestmark = pytest.mark.timeout(1800)

KINDS_OF_CUT: Final = len(FILE_SYSTEMS) * len(CUT_VALUES)
CLIENTS: Final = 12
WORKERS: Final = 4
CUTS_A_DISK: Final = 8  # what is deleted stays for its grace time, and the disk is small


def cycles_each(default_in_all: int) -> int:
    in_all = int(os.environ.get("STORAGE_CUT_CYCLES", default_in_all))
    return -(-in_all // KINDS_OF_CUT)


@pytest.mark.parametrize(
    "cycles_in_all",
    [
        pytest.param(16, marks=pytest.mark.ci),
        pytest.param(64, marks=pytest.mark.full),
    ],
)
@pytest.mark.parametrize("value", CUT_VALUES)
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_acknowledged_writes_survive_power_cuts(
    tmp_path: Path, kind: FileSystem, value: CutValue, cycles_in_all: int
) -> None:
    report, left = Report(), cycles_each(cycles_in_all)
    while left > 0:
        report += cuts_on_a_fresh_disk(tmp_path, kind, value, min(left, CUTS_A_DISK), seed=1000 * value + left)
        left -= CUTS_A_DISK
    print(f"\n{kind}, value {value}: {report}")
    assert report.acknowledged > 50 * report.cycles
    # How soon it was ready is printed, not judged: four workers start on two cores, beside whatever else runs.


def cuts_on_a_fresh_disk(tmp_path: Path, kind: FileSystem, value: CutValue, cuts: int, seed: int) -> Report:
    """The first half in a bucket that keeps no versions, the rest in one that does; then `check` finds no damage."""
    with cut_disk(tmp_path, kind, size_mib=1024) as disk, service_on(disk, tmp_path, WORKERS) as service:
        plain = Bench(service, CLIENTS, seed)
        plain.prepare()
        bench = plain
        for number in range(cuts):
            if number == (cuts + 1) // 2:
                bench = start_again_with_versions(plain, seed)
            report = bench.cut_cycle(disk, value)
            assert not report.caught, f"{kind}, value {value}: {report}\n{report.findings}\n{report.wrong_reads}"
        damages = service.run("check", "--json", "--deep")
        assert damages.returncode == 0, damages.stdout + damages.stderr
    if bench is not plain:
        plain.report += bench.report
    return plain.report


def start_again_with_versions(plain: Bench, seed: int) -> Bench:
    """The bucket with all it holds goes to the trash; another of its name takes its place."""
    with Door(plain.service, BUCKET) as door:
        door.delete_bucket(force=True).raise_for_status()
    bench = Bench(plain.service, CLIENTS, seed + 500)
    bench.prepare(versioning="on")
    return bench
