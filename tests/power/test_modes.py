"""DURABILITY: what each mode syncs before it answers, and what the weaker ones keep when something dies."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.power.bench import SMALL_DISK, Bench, service_on
from tests.power.door import Door
from tests.power.filled import settle
from tests.power.load import BUCKET
from tests.support.cuts import CutValue, FileSystem, cut_disk
from tests.support.service import Service
from tests.support.shim import Shim, shim_over

pytestmark = [pytest.mark.ci, pytest.mark.timeout(300)]

SYNCS: Final = frozenset({"fsync", "fdatasync", "syncfs"})
JOURNAL, BODY, NAME = "catalog.db-wal", "/staging/", "/.blobs/"
CRASH_SAFE: Final = {"DURABILITY": "crash-safe"}
CYCLES: Final = 2


@pytest.mark.parametrize(
    ("mode", "small", "large"),
    [
        ("power-safe", {JOURNAL}, {JOURNAL, BODY, NAME}),
        ("crash-safe", set(), {BODY, NAME}),
        ("scratch", set(), set()),
    ],
)
def test_mode_syncs_what_it_promises_before_it_answers(
    tmp_path: Path, mode: str, small: set[str], large: set[str]
) -> None:
    (data := tmp_path / "data").mkdir()
    with (
        shim_over(data, tmp_path) as shim,
        Service(data, tmp_path, environment=shim.environment() | {"DURABILITY": mode}) as service,
        Door(service, BUCKET) as door,
    ):
        door.create_bucket().raise_for_status()
        (jobs,) = service.pids("jobs")
        service.kill(jobs.pid, signal.SIGSTOP)  # what is synced from here on is synced for the answer
        door.put("before", b"x").raise_for_status()  # a journal's first page may be synced in any mode
        assert synced(shim, lambda: door.put("small", bytes(1000))) == small
        assert synced(shim, lambda: door.put("large", bytes(100_000))) == large
        service.kill(jobs.pid, signal.SIGCONT)


def synced(shim: Shim, run: Callable[[], httpx.Response]) -> set[str]:
    """Of journal, body and name: what was synced until the answer."""
    first = shim.calls + 1
    run().raise_for_status()
    paths = [entry.path for entry in shim.log(first, shim.calls) if entry.call in SYNCS]
    return {part for part in (JOURNAL, BODY, NAME) for path in paths if part in path}


def test_crash_safe_loses_nothing_to_a_kill(tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path, 2, SMALL_DISK | CRASH_SAFE) as service:
        bench = Bench(service, clients=8, seed=5)
        bench.prepare()
        for _ in range(CYCLES):
            report = bench.kill_cycle()
            assert not report.caught, f"{report}\n{report.findings}\n{report.wrong_reads}"
        assert report.acknowledged > 0


@pytest.mark.parametrize(("kind", "value"), [("xfs", 2), ("ext4", 1)])
def test_crash_safe_may_lose_moments_to_a_cut_but_what_is_there_is_whole(
    tmp_path: Path, kind: FileSystem, value: CutValue
) -> None:
    with (
        cut_disk(tmp_path, kind, size_mib=1024) as disk,
        service_on(disk, tmp_path, 2, CRASH_SAFE) as service,
    ):
        bench = Bench(service, clients=8, seed=6)
        bench.prepare()
        settle(service)  # the bucket itself is not to be one of those moments
        for _ in range(CYCLES):
            report = bench.cut_cycle(disk, value)
            assert report.count("torn") + report.count("unlisted") == 0, report.findings
            assert report.wrong_reads == []
        checked = service.run("check", "--json", "--deep")
        assert checked.returncode == 0, checked.stdout
