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

from tests.faults.operations import OPERATIONS, ROOT, Operation, Place
from tests.power.door import Door
from tests.power.steps import BESIDE, LARGE
from tests.support.model import render_body
from tests.support.ready import wait_until
from tests.support.service import Service
from tests.support.shim import DiskCall, Shim, shim_over

pytestmark = pytest.mark.timeout(3600)

ERRORS: Final = {
    name: getattr(errno, name) for name in ("ENOSPC", "EIO", "EDQUOT", "EROFS", "EMFILE", "EINTR", "EACCES")
}
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
HALVED: Final = 0  # no error: half of what is to be written is, and that is what the disk says
QUIET_SECONDS: Final = 0.3  # settle looks ten times a second
COUNT_SECONDS: Final = 1.2  # the same where a call too few would leave one out
REACHED_SECONDS: Final = 1.0
WELL_SECONDS: Final = 60.0
BUCKET: Final = "errors"
FEWEST_CALLS: Final = 12  # of an operation until it is settled


class Injected(NamedTuple):
    """The disk's `error` (or `HALVED`) at the call number `at`; `sticky`: at every later one too."""

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

    def settled(self, quiet_seconds: float = QUIET_SECONDS) -> int:
        return self.shim.wait_until_quiet(quiet_seconds, timeout_seconds=60.0)

    def calls(self, operation: Operation) -> list[DiskCall]:
        """What the operation asks of the disk until it is settled."""
        with self.door() as door:
            place = Place(door, "counted")
            operation.prepare(place)
            before = self.settled(COUNT_SECONDS)
            operation.run(place).raise_for_status()
            return self.shim.log(before + 1, self.settled(COUNT_SECONDS))

    def inject(self, operation: Operation, key: str, injected: Injected) -> None:
        """Run the operation with the error, then what must hold; at last the service is whole again."""
        with self.door() as door:
            place = Place(door, key)
            operation.prepare(place)
            self.settled()
            self.shim.arm(injected.at, "fail" if injected.error else "halve", injected.error, injected.sticky)
            answer = operation.run(place)
            self.shim.wait_until_reached(REACHED_SECONDS)
            assert_well_formed(answer, injected)
            assert door.observe("beside") == BESIDE, "reads go on"
            self.shim.disarm()
            allowed = {operation.after} if answer.is_success else {operation.before, operation.after}
            self._assert_in(operation, place, allowed, injected)
        self.make_well()
        with self.door() as door:
            place = Place(door, key, place.upload)
            self._assert_in(operation, place, allowed, injected)
            again = operation.run(place)
            assert again.is_success or again.status_code in operation.done, again.text
            assert operation.look(place) == operation.after

    def _assert_in(self, operation: Operation, place: Place, allowed: set[object], injected: Injected) -> None:
        found = operation.look(place)
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
    """An answer of the door that was asked, and one that says to come again."""
    if answer.is_success:
        return
    assert injected.error != HALVED, answer.text
    assert answer.status_code in ({503, 507} if injected.error in FULL else {503}), answer.text
    if answer.headers["content-type"] == "application/xml":
        assert all(f"<{name}>" in answer.text for name in ("Code", "Message", "RequestId")), answer.text
    else:
        assert {"code", "detail", "request_id"} <= answer.json().keys()


@pytest.fixture
def bench(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    data = tmp_path / "data"
    data.mkdir()
    with shim_over(data, tmp_path_factory.getbasetemp()) as shim:
        environment = shim.environment() | {"TRASH_DAYS": "0"} | ROOT
        with Service(data, tmp_path, environment=environment) as service:
            yield Bench(service, shim)


@pytest.mark.parametrize("half", [0, 1])
def test_each_operation_survives_one_refused_call(bench: Bench, half: int) -> None:
    """Another call and another error for each operation."""
    errors = list(ERRORS.values())
    for number, (name, operation) in [*enumerate(OPERATIONS.items())][half::2]:
        error = errors[number % len(errors)]
        sticky = number % 2 == 1 and error != errno.EINTR
        injected = Injected(1 + number * 7 % FEWEST_CALLS, error, sticky)
        try:
            bench.inject(operation, f"k/{number}", injected)
        except Exception as fault:
            fault.add_note(f"{name}: {injected}")
            raise
    bench.check()


def test_each_operation_goes_on_after_writes_cut_short(bench: Bench) -> None:
    """As interrupted calls and nearly full disks leave them: no answer may tell of it."""
    for number, name in enumerate(name for name in OPERATIONS if name.startswith(("large", "part", "tus all"))):
        bench.inject(OPERATIONS[name], f"k/{number}", Injected(1, HALVED, sticky=True))
    bench.check()


def test_view_follows_by_itself_once_the_disk_takes_it(bench: Bench) -> None:
    """Nobody writes any more: it is shown late all the same."""
    operation, shown = OPERATIONS["overwrite of small by small"], bench.service.data / BUCKET
    calls = bench.calls(operation)
    at = next(number for number, one in enumerate(calls, 1) if one.path.endswith(f"/{BUCKET}/counted"))
    with bench.door() as door:
        place = Place(door, "refused")
        operation.prepare(place)
        bench.settled()
        old = (shown / "refused").read_bytes()
        bench.shim.arm(at, "fail", errno.EIO, sticky=True)
        operation.run(place).raise_for_status()
        assert bench.shim.wait_until_reached(WELL_SECONDS)
        time.sleep(REACHED_SECONDS)
        assert (shown / "refused").read_bytes() == old
        bench.shim.disarm()
        wait_until(lambda: (shown / "refused").read_bytes() != old, WELL_SECONDS)
        assert (shown / "refused").read_bytes() == (shown / "counted").read_bytes()
    bench.check()


# Error, sticky, every so many calls: the two that disks have most at each call, the others here and there.
REFUSALS: Final = [
    *((ERRORS[name], sticky, 1) for name in ("ENOSPC", "EIO") for sticky in (False, True)),
    *((error, False, 7) for name, error in ERRORS.items() if name not in {"ENOSPC", "EIO"}),
    (HALVED, False, 3),
    (HALVED, True, 7),
]
NAMES: Final = [f"{errno.errorcode.get(error, 'halved')}{'+' * sticky}" for error, sticky, _ in REFUSALS]


@pytest.mark.full
@pytest.mark.parametrize(("error", "sticky", "stride"), REFUSALS, ids=NAMES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_survives_every_refused_call(bench: Bench, name: str, error: int, sticky: bool, stride: int) -> None:
    operation = OPERATIONS[name]
    count = len(bench.calls(operation))
    assert count > 0
    for at in range(1, count + 1, stride):
        bench.inject(operation, f"k/{at}", Injected(at, error, sticky))
    bench.check()
