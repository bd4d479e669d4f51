"""One service on a disk that can be cut: load, cut, restart, compare. The heart of P1 and K1."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

from tests.power.door import Door
from tests.power.load import BUCKET, Load, observe_all
from tests.support.cuts import CutDisk, CutValue
from tests.support.model import Ledger, Report, State, compare_listing
from tests.support.service import Service

LOAD_SECONDS: Final = (0.3, 1.8)
CUT_AGAIN: Final = 0.25  # of the starts after a cut
RECOVERY_SECONDS: Final = (0.5, 2.0)  # from the command on: recovery lies in there, and the first settling
# No trash: dead versions would fill the small disk over many cycles.
SMALL_DISK: Final = {"TRASH_DAYS": "0"}


class Bench:
    """A started service with one bucket, and what it has promised so far."""

    def __init__(self, service: Service, clients: int, seed: int) -> None:
        self.service = service
        self.report = Report()
        self._clients = clients
        self._seed = seed
        self._random = random.Random(seed)
        self._ledger = Ledger()

    def prepare(self, versioning: Literal["off", "on"] = "off") -> None:
        with Door(self.service, BUCKET) as door:
            door.create_bucket(versioning).raise_for_status()

    def cut_cycle(self, disk: CutDisk, value: CutValue) -> Report:
        """Load, power cut at a random moment, power on, restart, compare. Some starts are cut as well."""
        with self._load() as load:
            time.sleep(self._random.uniform(*LOAD_SECONDS))
            cut_ns = disk.power_cut(value)
            self.service.kill_all()
        disk.power_on()
        while self._random.random() < CUT_AGAIN:
            self.service.launch()
            time.sleep(self._random.uniform(*RECOVERY_SECONDS))
            disk.power_cut(value)
            self.service.kill_all()
            disk.power_on()
            self.report.cut_again += 1
        return self._restart_and_compare(load, cut_ns)

    def kill_cycle(self) -> Report:
        """The same with SIGKILL for all processes. Every answer counts: a kill loses no bytes."""
        with self._load() as load:
            time.sleep(self._random.uniform(*LOAD_SECONDS))
            self.service.kill_all()
        return self._restart_and_compare(load, math.inf)

    def worker_kill_cycle(self) -> Report:
        """SIGKILL for one worker or the jobs process in the middle of the load; nothing is restarted by us."""
        with self._load() as load:
            time.sleep(self._random.uniform(*LOAD_SECONDS))
            victim = self._random.choice([*self.service.pids("worker"), *self.service.pids("jobs")])
            self.service.kill(victim.pid)
            time.sleep(self._random.uniform(*LOAD_SECONDS))
        return self._compare(load, math.inf)

    def _load(self) -> Load:
        self._seed += 1
        return Load(self.service, self._ledger, self._clients, self._seed)

    def _restart_and_compare(self, load: Load, end_ns: float) -> Report:
        self.service.start()
        return self._compare(load, end_ns, self.service.ready_seconds)

    def _compare(self, load: Load, end_ns: float, ready_seconds: float = 0.0) -> Report:
        with Door(self.service, BUCKET) as door:
            observed = observe_all(door, self._ledger)
            report = self._ledger.compare(observed, end_ns)
            report.findings += compare_listing(door.list_keys(), observed)
        report.wrong_reads = load.wrong_reads(end_ns)
        report.slowest_ready_seconds = ready_seconds
        self._ledger = Ledger({k: s for k, s in observed.items() if isinstance(s, State)})
        self.report += report
        return report


def service_on(
    disk: CutDisk,
    logs: Path,
    workers: int,
    environment: Mapping[str, str] | None = None,
    python_path: Iterable[Path] = (),
) -> Service:
    data = disk.mount_point / "data"
    data.mkdir(exist_ok=True)
    settings = SMALL_DISK | dict(environment or {})
    return Service(data, logs, workers, settings, python_path)
