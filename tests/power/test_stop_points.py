"""P2: each operation is stopped at each of its disk calls, the power is cut, and all holds.

What happens between the request and the settled files counts as one operation: the calls of all processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.power.steps import STEPS, BucketChange, Change, KeyChange
from tests.power.stops import BUCKET, Live, live_on, start_after_each
from tests.support.cuts import CutValue

pytestmark = pytest.mark.timeout(1800)

SABOTAGE: Final = Path(__file__).with_name("sabotage")
FEWEST_CALLS: Final = 12  # of an operation until it is settled
FEWEST_DIFFERENT: Final = 3  # before the commit, after it, settled
NAMES: Final = [*STEPS, "bucket create", "bucket delete"]
DISKS: Final = [
    "xfs",
    pytest.param("ext4", marks=pytest.mark.full),
]


@pytest.fixture(scope="module")
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_on(request.param, tmp_path_factory.mktemp("live")) as made:
        yield made


@pytest.mark.parametrize(
    "value", [pytest.param(2, marks=pytest.mark.ci), pytest.param(1, marks=pytest.mark.full)], ids=["value2", "value1"]
)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("live", DISKS, indirect=True)
def test_operation_stopped_at_every_call_is_done_or_not(tmp_path: Path, live: Live, name: str, value: CutValue) -> None:
    change = change_of(name, value)
    stops = live.stops(change, value)
    assert len(stops) >= FEWEST_CALLS
    assert not stops[0].acknowledged and stops[-1].acknowledged
    seen = start_after_each(stops, change, live.disk.kind, tmp_path)
    assert seen.different >= FEWEST_DIFFERENT
    assert 0 < seen.done < seen.different
    print(f"\n{live.disk.kind}, value {value}: {name}: {seen}")


@pytest.mark.ci
def test_build_that_syncs_no_body_is_caught(tmp_path: Path) -> None:
    """The control: what the sweep would say of a service that acknowledges too early."""
    change = change_of("large put", 2)
    with live_on("xfs", tmp_path, {"SABOTAGE": "unsynced-data", "SABOTAGE_SECONDS": "0"}, [SABOTAGE]) as live:
        stops = live.stops(change, 2)
        with pytest.raises(AssertionError, match=r"^found Damage|^found State\(body=None"):
            start_after_each(stops, change, "xfs", tmp_path)


def change_of(name: str, value: CutValue) -> Change:
    """Both values are tried on one disk, so each has names of its own."""
    if name in STEPS:
        return KeyChange(STEPS[name], f"k/{name}-{value}", BUCKET)
    return BucketChange(f"{name.replace(' ', '-')}-{value}", deletes=name == "bucket delete")
