"""E2, E3: a disk without room, without inodes, or read-only. Reads and deletes go on, and later writes do again."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.power.door import Door
from tests.support.model import ABSENT, State, render_body
from tests.support.service import Service
from tests.support.shim import shim_over
from tests.support.tools import require_root, require_tool

pytestmark = [pytest.mark.ci, pytest.mark.timeout(300)]

BUCKET: Final = "filled"
LARGE: Final = 1 << 20
SMALL: Final = 2_000
MOST: Final = 2_000  # writes until the disk must be full
DISK_MIB: Final = 256  # room for the ballast at the first start
RESERVE_MIB: Final = 32
SETTINGS: Final = {"FREE_SPACE_RESERVE_BYTES": str(RESERVE_MIB << 20), "TRASH_DAYS": "0"}


@contextmanager
def small_disk(tmp_path: Path, options: str) -> Iterator[Path]:
    require_root()
    require_tool("mount")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def write_until_refused(door: Door, length: int, prefix: str) -> tuple[list[str], httpx.Response]:
    """The keys that were acknowledged, and the refusal."""
    done: list[str] = []
    for number in range(MOST):
        key = f"{prefix}/{number}"
        answer = door.put(key, render_body(key, length))
        if not answer.is_success:
            return done, answer
        done.append(key)
    raise AssertionError("it never was full")


def assert_refused_as_full(answer: httpx.Response) -> None:
    assert answer.status_code == 507, answer.text
    assert answer.json()["code"]


def assert_reads(door: Door, keys: list[str]) -> None:
    found = {key: door.observe(key) for key in keys}
    assert {key: one for key, one in found.items() if one != State(key)} == {}


def wait_until_written(door: Door, length: int, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not (answer := door.put("again", render_body("again", length))).is_success:
        assert answer.status_code in {503, 507}, answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)
    assert door.observe("again") == State("again")


def assert_serves_while_full(service: Service, keys: list[str]) -> list[str]:
    """Reads and deletes work; so they do after a start on the full disk. The keys that are left."""
    with Door(service, BUCKET) as door:
        assert_reads(door, keys)
        assert door.delete(keys[0]).is_success
        assert door.observe(keys[0]) == ABSENT
    service.kill_all()
    service.start()
    with Door(service, BUCKET) as door:
        assert door.observe(keys[0]) == ABSENT
        assert_reads(door, keys[1:])
        assert door.delete(keys[1]).is_success
        more, refusal = write_until_refused(door, LARGE, "more")
        assert_refused_as_full(refusal)
    return [*keys[2:], *more]


def fill_bytes(place: Path, leave_mib: int) -> None:
    """Somebody else's file, which leaves this much."""
    with place.open("ab", buffering=0) as file:
        while (free := os.statvfs(place.parent).f_bavail * os.statvfs(place.parent).f_frsize) > leave_mib << 20:
            with suppress(OSError):  # the service writes too
                file.write(bytes(min(1 << 20, free - (leave_mib << 20))))


def assert_start_is_refused_without_a_byte(service: Service, filler: Path) -> None:
    """Nothing is set aside any more, and a start has to write: one line says what to do."""
    service.kill_all()
    # The deletes above may have got by without it: then this start would use it up, and serve.
    (service.data / ".storage" / "ballast").unlink(missing_ok=True)
    fill_bytes(filler, leave_mib=0)
    service.launch()
    assert service.wait_for_exit(20.0) != 0
    last = service.log_tail().splitlines()[-1]
    assert str(service.data) in last
    assert "No space left on device): make some room" in last, last


def fill_inodes(place: Path, leave: int) -> None:
    for number in range(os.statvfs(place).f_favail - leave):
        (place / f"{leave}-{number}").touch()


@contextmanager
def service_with_bucket(disk: Path, logs: Path) -> Iterator[tuple[Service, Door]]:
    with Service(disk / "data", logs, 2, SETTINGS) as service, Door(service, BUCKET) as door:
        door.create_bucket().raise_for_status()
        settle(service)
        yield service, door


def wait_for_all_workers(service: Service) -> None:
    """Ready is who is asked: here 20 connections in a row."""
    deadline, ready = time.monotonic() + 20.0, 0
    while ready < 20:
        assert time.monotonic() < deadline, service.log_tail()
        ready = ready + 1 if httpx.get(f"{service.url}/readyz").status_code == 200 else 0


def settle(service: Service) -> None:
    done = service.run("settle", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr


def assert_whole_with_room(service: Service, keys: list[str], length: int) -> None:
    with Door(service, BUCKET) as door:
        wait_until_written(door, length)
        wait_until_written(door, LARGE)
        assert_reads(door, keys)
    settle(service)
    checked = service.run("check", "--json", "--deep")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("length", [SMALL, LARGE], ids=["small", "large"])
def test_disk_without_a_free_byte_refuses_writes_and_serves_the_rest(tmp_path: Path, length: int) -> None:
    with small_disk(tmp_path, f"size={DISK_MIB}m") as disk, service_with_bucket(disk, tmp_path) as (service, door):
        filler = disk / "filler"
        fill_bytes(filler, leave_mib=RESERVE_MIB + (4 if length == SMALL else 40))
        keys, refusal = write_until_refused(door, length, "full")
        assert_refused_as_full(refusal)
        assert len(keys) > 10
        fill_bytes(filler, leave_mib=0)  # the reserve is there for such neighbours
        left = assert_serves_while_full(service, keys)
        assert_start_is_refused_without_a_byte(service, filler)
        filler.unlink()
        service.start()
        assert_whole_with_room(service, left, length)


@pytest.mark.parametrize("length", [SMALL, LARGE], ids=["small", "large"])
def test_disk_without_inodes_refuses_writes_and_serves_the_rest(tmp_path: Path, length: int) -> None:
    with (
        small_disk(tmp_path, "size=2g,nr_inodes=6000") as disk,
        service_with_bucket(disk, tmp_path) as (service, door),
    ):
        (filler := disk / "filler").mkdir()
        fill_inodes(filler, leave=1000)
        keys, refusal = write_until_refused(door, length, "full")
        assert_refused_as_full(refusal)
        assert len(keys) > 10
        left = assert_serves_while_full(service, keys)
        wait_for_all_workers(service)  # one that starts needs a few files
        fill_inodes(filler, leave=0)
        pids = service.pids()
        time.sleep(3.0)  # what runs by the clock meets it too
        with Door(service, BUCKET) as other:
            assert_reads(other, left)
            assert other.delete(left[0]).is_success
            assert_refused_as_full(other.put("none", render_body("none", LARGE)))
        assert service.pids() == pids, "a process did not live through it"
        subprocess.run(["rm", "-rf", filler], check=True)
        assert_whole_with_room(service, left[1:], length)


def test_disk_that_turns_read_only_is_read_from_and_says_so(tmp_path: Path) -> None:
    """As a kernel does it after an error of the disk: from one call to the next, with files open."""
    (tmp_path / "disk").mkdir()
    with (
        shim_over(tmp_path / "disk", tmp_path) as shim,
        Service(tmp_path / "disk/data", tmp_path, 2, {**SETTINGS, **shim.environment()}) as service,
        Door(service, BUCKET) as door,
    ):
        door.create_bucket().raise_for_status()
        keys = [f"kept/{number}" for number in range(20)]
        for number, key in enumerate(keys):
            door.put(key, render_body(key, LARGE if number % 2 else SMALL)).raise_for_status()
        settle(service)
        shim.arm(1, "fail", errno.EROFS, sticky=True)
        for length in (LARGE, SMALL, SMALL):
            answer = door.put("refused", render_body("refused", length))
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"]
        assert door.delete(keys[0]).status_code == 503
        pids = service.pids()
        time.sleep(3.0)  # what runs by the clock meets it too
        assert_reads(door, keys)
        assert door.http.get("/health").json()["status"] == "degraded"
        assert service.pids() == pids, "a process did not live through it"
        service.kill_all()
        shim.disarm()
        service.start()
        assert door.observe("refused") in {ABSENT, State("refused")}  # a failed commit's outcome is unknown
        assert_whole_with_room(service, keys, SMALL)
