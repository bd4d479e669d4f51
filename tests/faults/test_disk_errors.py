"""E1: the disk refuses one call of an operation, or every call from there on. Old or new, a clear answer, nothing lost.

What a request does until its files are settled counts as one operation, so any process of the service may be hit.
"""

import errno
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import pytest

from tests.power.door import Door
from tests.power.steps import BESIDE, LARGE, STEPS, Step
from tests.support.model import State, render_body
from tests.support.service import Service
from tests.support.shim import Shim, shim_over

pytestmark = pytest.mark.timeout(3600)

ERRORS: Final = {
    name: getattr(errno, name) for name in ("ENOSPC", "EIO", "EDQUOT", "EROFS", "EMFILE", "EINTR", "EACCES")
}
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
QUIET_SECONDS: Final = 0.5
WELL_SECONDS: Final = 60.0
BUCKET: Final = "errors"
FEWEST_CALLS: Final = 12  # of an operation until it is settled


class Injected(NamedTuple):
    """The disk's `error` at the call number `at`; `sticky`: at every later one too."""

    at: int
    error: int
    sticky: bool


class Bench:
    """A service whose disk calls fail when they are told to."""

    def __init__(self, service: Service, shim: Shim) -> None:
        self.service = service
        self.shim = shim
        with self.door() as door:
            door.create_bucket().raise_for_status()
            door.put("beside", render_body("beside", LARGE)).raise_for_status()

    def door(self) -> Door:
        return Door(self.service, BUCKET)

    def settled(self) -> int:
        return self.shim.wait_until_quiet(QUIET_SECONDS, timeout_seconds=60.0)

    def prepare(self, door: Door, step: Step, key: str) -> None:
        for suffix, state, length in step.prepared:
            door.put(key + suffix, render_body(state.body or "", length)).raise_for_status()

    def count(self, step: Step) -> int:
        """How many calls the operation makes until it is settled."""
        with self.door() as door:
            self.prepare(door, step, "counted")
            before = self.settled()
            step.run(door, "counted").raise_for_status()
            return self.settled() - before

    def inject(self, step: Step, key: str, injected: Injected) -> None:
        """Run the operation with the error, then what must hold; at last the service is whole again."""
        with self.door() as door:
            self.prepare(door, step, key)
            self.settled()
            self.shim.arm(injected.at, "fail", injected.error, injected.sticky)
            answer = step.run(door, key)
            self.shim.wait_until_reached(2.0)
            assert_well_formed(answer, injected)
            assert door.observe("beside") == BESIDE, "reads go on"
            self.shim.disarm()
            allowed = {step.after} if answer.is_success else {step.before, step.after}
            self._assert_in(door, step, key, allowed, injected)
        self.make_well()
        with self.door() as door:
            self._assert_in(door, step, key, allowed, injected)
            again = step.run(door, key)
            assert again.is_success or again.status_code in {404, 412}, again.text
            assert door.observe(key, step.after.tag is not None) == step.after

    def _assert_in(self, door: Door, step: Step, key: str, allowed: set[State], injected: Injected) -> None:
        found = door.observe(key, step.after.tag is not None)
        if found in allowed:
            return
        calls = "\n".join(
            f"{one.call} {one.path}" for one in self.shim.log(max(1, self.shim.calls - 40), self.shim.calls)
        )
        raise AssertionError(f"{injected}: {found}, not one of {allowed}\n{calls}")

    def make_well(self) -> None:
        """Writes work again: by themselves, or after the restart that a volume gone read-only asks for."""
        with self.door() as door:
            answer = door.put("again", b"again")
            if not answer.is_success:
                assert answer.status_code in {503, 507}, answer.text
                self.service.kill_all()
                self.service.start()
        with self.door() as door:
            deadline = time.monotonic() + WELL_SECONDS
            while not (answer := door.put("again", b"again")).is_success:
                assert time.monotonic() < deadline, answer.text
                time.sleep(0.2)

    def check(self) -> None:
        """No damage came of it, and nothing under way was left."""
        self.service.restart()
        assert self.service.run("settle", "--wait", "--timeout", "60").returncode == 0
        done = self.service.run("check", "--json", "--deep")
        assert done.returncode == 0, done.stdout + done.stderr
        left = [path for path in (self.service.data / ".storage/staging").rglob("*") if path.is_file()]
        assert left == []


def assert_well_formed(answer: httpx.Response, injected: Injected) -> None:
    if answer.is_success:
        return
    assert answer.status_code in ({503, 507} if injected.error in FULL else {503}), answer.text
    assert {"code", "detail", "request_id"} <= answer.json().keys()


@pytest.fixture
def bench(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    data = tmp_path / "data"
    data.mkdir()
    with shim_over(data, tmp_path_factory.getbasetemp()) as shim:
        environment = shim.environment() | {"TRASH_DAYS": "0"}
        with Service(data, tmp_path, environment=environment) as service:
            yield Bench(service, shim)


def test_each_operation_survives_one_refused_call(bench: Bench) -> None:
    """Another call and another error for each operation."""
    errors = list(ERRORS.values())
    for number, (name, step) in enumerate(STEPS.items()):
        error = errors[number % len(errors)]
        sticky = number % 2 == 1 and error != errno.EINTR
        injected = Injected(1 + number * 7 % FEWEST_CALLS, error, sticky)
        bench.inject(step, f"k/{name}", injected)
    bench.check()


# Error, sticky, every so many calls: the two that disks have most at each call, the others here and there.
REFUSALS: Final = [(error, sticky, 1) for error in ("ENOSPC", "EIO") for sticky in (False, True)] + [
    (error, False, 7) for error in ERRORS if error not in {"ENOSPC", "EIO"}
]


@pytest.mark.full
@pytest.mark.parametrize(("error", "sticky", "stride"), REFUSALS)
@pytest.mark.parametrize("name", STEPS)
def test_operation_survives_every_refused_call(bench: Bench, name: str, error: str, sticky: bool, stride: int) -> None:
    step = STEPS[name]
    count = bench.count(step)
    assert count > 0
    for at in range(1, count + 1, stride):
        bench.inject(step, f"k/{at}", Injected(at, ERRORS[error], sticky))
    bench.check()
