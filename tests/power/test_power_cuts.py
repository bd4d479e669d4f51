"""P1: the power is cut at random moments under load, and everything acknowledged is there after.

`STORAGE_CUT_CYCLES` sets how many cuts are made in all, over both file systems and both values.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from tests.power.bench import Bench, service_on
from tests.support.cuts import CUT_VALUES, FILE_SYSTEMS, CutValue, FileSystem, cut_disk

pytestmark = [pytest.mark.xdist_group("disk"), pytest.mark.timeout(1800)]

KINDS_OF_CUT: Final = len(FILE_SYSTEMS) * len(CUT_VALUES)
CLIENTS: Final = 12
WORKERS: Final = 4
READY_SECONDS: Final = 5.0


def cycles_each(default_in_all: int) -> int:
    in_all = int(os.environ.get("STORAGE_CUT_CYCLES", default_in_all))
    return -(-in_all // KINDS_OF_CUT)


@pytest.mark.parametrize(
    "cycles_in_all",
    [
        pytest.param(12, marks=pytest.mark.ci),
        pytest.param(32, marks=pytest.mark.full),
    ],
)
@pytest.mark.parametrize("value", CUT_VALUES)
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_acknowledged_writes_survive_power_cuts(
    tmp_path: Path, kind: FileSystem, value: CutValue, cycles_in_all: int
) -> None:
    with cut_disk(tmp_path, kind, size_mib=1024) as disk:
        with service_on(disk, tmp_path, WORKERS) as service:
            bench = Bench(service, CLIENTS, seed=value * 1000)
            bench.prepare()
            for _ in range(cycles_each(cycles_in_all)):
                report = bench.cut_cycle(disk, value)
                assert not report.caught, f"{report}\n{report.findings}\n{report.wrong_reads}"
            damages = service.run("check", "--json")
            assert damages.returncode == 0, damages.stdout + damages.stderr
        print(f"{kind}, value {value}: {bench.report}")
    assert bench.report.acknowledged > 50 * bench.report.cycles
    assert bench.report.slowest_ready_seconds <= READY_SECONDS
