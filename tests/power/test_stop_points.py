"""P2: each operation is stopped at each of its disk calls, the power is cut, and all holds.

The shim freezes every process of the service at the Nth counted call, so that nothing after it
reaches the disk. What happens between the request and the settled files counts as one operation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import pytest

from tests.power.bench import service_on
from tests.power.door import Door
from tests.support.cuts import CUT_VALUES, FILE_SYSTEMS, CutDisk, CutValue, FileSystem, cut_disk
from tests.support.model import ABSENT, State, render_body
from tests.support.service import Service
from tests.support.shim import Shim, shim_over

pytestmark = [pytest.mark.xdist_group("disk"), pytest.mark.timeout(3600)]

SMALL: Final = 4096
LARGE: Final = 300_000
QUIET_SECONDS: Final = 0.5  # settle looks ten times a second
COUNT_SECONDS: Final = 1.2  # the same where a call too few would leave a stop point out
REACHED_SECONDS: Final = 3.0  # the last calls may be a worker's metrics, which do not come each time
ANSWER_SECONDS: Final = 20.0
OLD, NEW, SOURCE, BESIDE = State("old"), State("new"), State("source"), State("beside")


class Step(NamedTuple):
    """An operation on the key `k/N`, what stands there before it, and what after it."""

    run: Callable[[Door, str], httpx.Response]
    before: State
    after: State
    prepared: tuple[tuple[str, State, int], ...] = ()  # suffix, state, length: put before the stop
    takes_source: bool = False  # in the same commit


def put_small(door: Door, key: str) -> httpx.Response:
    return door.put(key, render_body("new", SMALL))


def put_large(door: Door, key: str) -> httpx.Response:
    return door.put(key, render_body("new", LARGE))


def delete(door: Door, key: str) -> httpx.Response:
    return door.delete(key)


def copy(door: Door, key: str) -> httpx.Response:
    return door.copy(f"{key}.source", key)


def move(door: Door, key: str) -> httpx.Response:
    return door.move(f"{key}.source", key)


def tag(door: Door, key: str) -> httpx.Response:
    return door.put_tag(key, "t")


STEPS: Final = {
    "small put": Step(put_small, ABSENT, NEW),
    "large put": Step(put_large, ABSENT, NEW),
    "overwrite of small by small": Step(put_small, OLD, NEW, (("", OLD, SMALL),)),
    "overwrite of small by large": Step(put_large, OLD, NEW, (("", OLD, SMALL),)),
    "overwrite of large by small": Step(put_small, OLD, NEW, (("", OLD, LARGE),)),
    "delete": Step(delete, OLD, ABSENT, (("", OLD, SMALL),)),
    "delete of large": Step(delete, OLD, ABSENT, (("", OLD, LARGE),)),
    "copy of small": Step(copy, ABSENT, SOURCE, ((".source", SOURCE, SMALL),)),
    "copy of large": Step(copy, ABSENT, SOURCE, ((".source", SOURCE, LARGE),)),
    "move": Step(move, OLD, SOURCE, (("", OLD, SMALL), (".source", SOURCE, LARGE)), takes_source=True),
    "tags": Step(tag, OLD, State("old", "t"), (("", OLD, SMALL),)),
}


class StopPoints:
    """A service under the shim on a disk that is cut and brought back once per index."""

    def __init__(self, disk: CutDisk, value: CutValue, service: Service, shim: Shim) -> None:
        self._disk = disk
        self._value = value
        self._service = service
        self._shim = shim
        with self._door() as door:
            door.create_bucket().raise_for_status()
            door.put("beside", render_body("beside", LARGE)).raise_for_status()

    def _door(self, bucket: str = "stops") -> Door:
        return Door(self._service, bucket, timeout_seconds=ANSWER_SECONDS)

    def count(self, step: Step, key: str) -> int:
        """How many disk calls the operation makes until it is settled."""
        with self._door() as door:
            self._prepare(door, step, key)
            before = self._settled(COUNT_SECONDS)
            step.run(door, key).raise_for_status()
            return self._settled(COUNT_SECONDS) - before

    def _settled(self, quiet_seconds: float = QUIET_SECONDS) -> int:
        return self._shim.wait_until_quiet(quiet_seconds, timeout_seconds=60.0)

    def _prepare(self, door: Door, step: Step, key: str) -> None:
        for suffix, state, length in step.prepared:
            door.put(key + suffix, render_body(state.body or "", length)).raise_for_status()

    def stop_at(self, index: int, step: Step, key: str) -> None:
        """Run to the index, cut, restart; then what must hold, and the operation once more."""
        with self._door() as door:
            self._prepare(door, step, key)
            self._settled()
            acknowledged = self._run_until_stopped(index, lambda: step.run(door, key))
        self._cut_and_restart()
        with self._door() as door:
            with_tag = step.after.tag is not None
            found = door.observe(key, with_tag)
            allowed = {step.after} if acknowledged else {step.before, step.after}
            assert found in allowed, self._explain(index, step, found)
            assert door.observe("beside") == BESIDE
            if step.takes_source:
                assert (door.observe(f"{key}.source") == ABSENT) == (found == step.after), "half a move"
            again = step.run(door, key)
            is_done = step.takes_source or step.after == ABSENT
            assert again.is_success or (is_done and found == step.after), again.text
            assert door.observe(key, with_tag) == step.after

    def _run_until_stopped(self, index: int, run: Callable[[], httpx.Response]) -> bool:
        """Whether the operation was acknowledged; it may be, when settling is what stops."""
        answers: list[bool] = []

        def ask() -> None:
            try:
                answers.append(run().is_success)
            except httpx.TransportError:
                answers.append(False)

        asking = threading.Thread(target=ask, daemon=True)
        self._shim.arm(index, "freeze")
        asking.start()
        self._shim.wait_until_reached(REACHED_SECONDS)
        asking.join(timeout=0.2)  # an answer that is on its way arrives before the cut
        acknowledged = bool(answers and answers[0])
        self._disk.power_cut(self._value)
        self._service.kill_all()
        asking.join()
        return acknowledged

    def _cut_and_restart(self) -> None:
        self._disk.power_on()
        self._shim.disarm()
        self._service.start()

    def check(self) -> None:
        """Nothing that any of the cuts left behind is damage: neither files, nor rows, nor the view."""
        self._settled(COUNT_SECONDS)
        done = self._service.run("check", "--json", "--deep")
        assert done.returncode == 0, done.stdout + done.stderr

    def _explain(self, index: int, step: Step, found: object) -> str:
        last = self._shim.calls
        calls = "\n".join(f"{one.call} {one.path}" for one in self._shim.log(max(1, last - 40), last))
        return f"stopped at call {index}: {found}, not {step.before} or {step.after}\n{calls}"

    def stop_bucket(self, index: int, bucket: str, deletes: bool) -> None:
        """The same for making or removing an empty bucket."""
        with self._door(bucket) as door:
            if deletes:
                door.create_bucket().raise_for_status()
            self._settled()
            run = door.delete_bucket if deletes else door.create_bucket
            acknowledged = self._run_until_stopped(index, run)
        self._cut_and_restart()
        with self._door(bucket) as door:
            is_there = door.head_bucket().status_code == 200
            assert not acknowledged or is_there != deletes
            again = door.delete_bucket() if deletes else door.create_bucket()
            already = is_there != deletes
            assert again.is_success or (already and again.status_code in {404, 409}), again.text
            assert (door.head_bucket().status_code == 200) != deletes

    def count_bucket(self, bucket: str, deletes: bool) -> int:
        with self._door(bucket) as door:
            if deletes:
                door.create_bucket().raise_for_status()
            before = self._settled(COUNT_SECONDS)
            (door.delete_bucket() if deletes else door.create_bucket()).raise_for_status()
            return self._settled(COUNT_SECONDS) - before


def stop_points(stack: ExitStack, tmp_path: Path, kind: FileSystem, value: CutValue) -> StopPoints:
    disk = stack.enter_context(cut_disk(tmp_path, kind, size_mib=1024))
    (disk.mount_point / "data").mkdir()
    shim = stack.enter_context(shim_over(disk.mount_point, tmp_path))
    service = stack.enter_context(service_on(disk, tmp_path, 1, shim.environment()))
    return StopPoints(disk, value, service, shim)


def sample(count: int) -> list[int]:
    """One before the commit or in it, one while it is settled."""
    assert count > 4
    return [count // 4, 3 * count // 4]


@pytest.mark.ci
@pytest.mark.parametrize("name", STEPS)
def test_operation_stopped_at_some_calls_leaves_old_or_new(tmp_path: Path, name: str) -> None:
    kind = FILE_SYSTEMS[len(name) % 2]
    with ExitStack() as stack:
        points = stop_points(stack, tmp_path, kind, 2)
        for index in sample(points.count(STEPS[name], "counted")):
            points.stop_at(index, STEPS[name], f"k/{index}")
        points.check()


@pytest.mark.full
@pytest.mark.parametrize("value", CUT_VALUES)
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
@pytest.mark.parametrize("name", STEPS)
def test_operation_stopped_at_every_call_leaves_old_or_new(
    tmp_path: Path, name: str, kind: FileSystem, value: CutValue
) -> None:
    with ExitStack() as stack:
        points = stop_points(stack, tmp_path, kind, value)
        count = points.count(STEPS[name], "counted")
        assert count > 0
        for index in range(1, count + 1):
            points.stop_at(index, STEPS[name], f"k/{index}")
        points.check()
    print(f"\n{kind}, value {value}: {name} stopped at each of {count} calls: old or new each time")


@pytest.mark.ci
@pytest.mark.parametrize("deletes", [False, True], ids=["create", "delete"])
def test_bucket_change_stopped_at_some_calls_is_done_or_not(tmp_path: Path, deletes: bool) -> None:
    with ExitStack() as stack:
        points = stop_points(stack, tmp_path, "xfs", 2)
        for index in sample(points.count_bucket("counted", deletes)):
            points.stop_bucket(index, f"b{index:03d}", deletes)
        points.check()


@pytest.mark.full
@pytest.mark.parametrize("value", CUT_VALUES)
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
@pytest.mark.parametrize("deletes", [False, True], ids=["create", "delete"])
def test_bucket_change_stopped_at_every_call_is_done_or_not(
    tmp_path: Path, deletes: bool, kind: FileSystem, value: CutValue
) -> None:
    with ExitStack() as stack:
        points = stop_points(stack, tmp_path, kind, value)
        count = points.count_bucket("counted", deletes)
        for index in range(1, count + 1):
            points.stop_bucket(index, f"b{index:03d}", deletes)
        points.check()
    print(f"\n{kind}, value {value}: bucket {'delete' if deletes else 'create'} stopped at each of {count} calls")
