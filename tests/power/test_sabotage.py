"""Controls: a build with one promise taken away must be caught within 20 cuts.

Without them a green power test shows nothing: the bench could be blind. The sabotage is done from
outside (`sabotage/`, on PYTHONPATH); windows that are hit rarely are widened by a sleep.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.power.bench import Bench, service_on
from tests.support.cuts import CUT_VALUES, FILE_SYSTEMS, cut_disk
from tests.support.model import Report

pytestmark = [pytest.mark.ci, pytest.mark.timeout(900)]

SABOTAGE: Final = Path(__file__).with_name("sabotage")
MOST_CUTS: Final = 20
CUTS_A_DISK: Final = 5
CLIENTS: Final = 8


def cuts_until_caught(tmp_path: Path, environment: dict[str, str]) -> tuple[int, Report]:
    """How many cuts it took (one more than allowed = never) and what was seen."""
    made, report = 0, Report()
    while made < MOST_CUTS:
        kind = FILE_SYSTEMS[made // CUTS_A_DISK % 2]
        with (
            cut_disk(tmp_path, kind, size_mib=1024) as disk,
            service_on(disk, tmp_path, 2, environment, [SABOTAGE]) as service,
        ):
            bench = Bench(service, CLIENTS, seed=made)
            bench.prepare()
            for _ in range(CUTS_A_DISK):
                made += 1
                report = bench.cut_cycle(disk, CUT_VALUES[made % 2])
                if report.findings:
                    return made, report
    return MOST_CUTS + 1, report


@pytest.mark.parametrize(
    ("name", "window_seconds"),
    [
        ("unsynced-data", 0.0),
        ("normal-commit", 0.0),
        ("early-answer", 0.05),
        ("early-drop", 0.1),
    ],
)
def test_sabotaged_build_is_caught(tmp_path: Path, name: str, window_seconds: float) -> None:
    environment = {"SABOTAGE": name, "SABOTAGE_SECONDS": str(window_seconds)}
    cuts, report = cuts_until_caught(tmp_path, environment)
    print(f"{name}: caught by cut {cuts}: {report}")
    assert cuts <= MOST_CUTS
