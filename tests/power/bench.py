"""One service on a disk that can be cut: load, cut, restart, compare. The heart of P1 and K1."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from tests.power.door import Door
from tests.power.load import BUCKET, Load, observe_all
from tests.support.cuts import CutDisk, CutValue
from tests.support.model import Ledger, Report, State, compare_listing
from tests.support.service import Service

LOAD_SECONDS: Final = (0.3, 1.8)
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

    def prepare(self) -> None:
        with Door(self.service, BUCKET) as door:
            door.create_bucket().raise_for_status()

    def cut_cycle(self, disk: CutDisk, value: CutValue) -> Report:
        """Load, power cut at a random moment, power on, restart, compare."""
        with self._load() as load:
            time.sleep(self._random.uniform(*LOAD_SECONDS))
            cut_ns = disk.power_cut(value)
            self.service.kill_all()
        disk.power_on()
        return self._restart_and_compare(load, cut_ns)

    def kill_cycle(self) -> Report:
        """The same with SIGKILL for all processes. Every answer counts: a kill loses no bytes."""
        with self._load() as load:
            time.sleep(self._random.uniform(*LOAD_SECONDS))
            self.service.kill_all()
        return self._restart_and_compare(load, math.inf)

    def worker_kill_cycle(self) -> Report:
        """SIGKILL for one worker in the middle of the load; nothing is restarted by us."""
        with self._load() as load:
            time.sleep(self._random.uniform(*LOAD_SECONDS))
            victim = self._random.choice(self.service.pids("worker"))
            self.service.kill(victim.pid)
            time.sleep(self._random.uniform(*LOAD_SECONDS))
        return self._compare(load, math.inf)

    def _load(self) -> Load:
        self._seed += 1
        return Load(self.service, self._ledger, self._clients, self._seed)

    def _restart_and_compare(self, load: Load, end_ns: float) -> Report:
        self.service.start()
        report = self._compare(load, end_ns)
        report.slowest_ready_seconds = self.service.ready_seconds
        return report

    def _compare(self, load: Load, end_ns: float) -> Report:
        with Door(self.service, BUCKET) as door:
            observed = observe_all(door, self._ledger)
            report = self._ledger.compare(observed, end_ns)
            report.findings += compare_listing(door.list_keys(), observed)
        report.wrong_reads = load.wrong_reads(end_ns)
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
