"""Steps, many at once: what was done, what failed, and an end at Ctrl-C that leaves nothing half done."""

import errno
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from storage_service.cli.transfer.meter import Meter
from storage_service.cli.transfer.steps import Step
from storage_service.client import ClientError, ConnectionFailed, InsufficientStorage, Unauthenticated
from storage_service.client.source import Progress

HOPELESS = (ConnectionFailed, InsufficientStorage, Unauthenticated)  # the next file would fare no better


class Stopped(Exception):
    """The run has ended: whatever is on its way is given up."""


@dataclass(slots=True)
class Report:
    """Counts of files. `failed` has (path, why) of each that did not work, `notes` what was left out on purpose."""

    copied: int = 0
    copied_bytes: int = 0
    unchanged: int = 0
    deleted: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    planned: list[tuple[str, str]] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        return {
            "copied": self.copied,
            "bytes": self.copied_bytes,
            "unchanged": self.unchanged,
            "deleted": self.deleted,
            "failed": [{"path": path, "error": error} for path, error in self.failed],
            "left_out": self.notes,
            "planned": [{"source": source, "target": target} for source, target in self.planned],
        }


class Run:
    """One run over steps. `dry`: only `planned` is filled."""

    def __init__(self, at_once: int, meter: Meter, *, dry: bool = False) -> None:
        self.report = Report()
        self._at_once = at_once
        self._meter = meter
        self._dry = dry
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def copy(self, steps: Iterable[Step]) -> None:
        """Do all of them. A step that fails is reported, and the others go on, unless none can succeed any more."""
        self._all(steps, "copied")

    def delete(self, steps: Iterable[Step]) -> None:
        self._all(steps, "deleted")

    @property
    def clean(self) -> bool:
        return not self.report.failed

    def _all(self, steps: Iterable[Step], count: str) -> None:
        waiting = iter(steps)
        with ThreadPoolExecutor(self._at_once) as pool:
            workers = [pool.submit(self._work, waiting, count) for _ in range(self._at_once)]
            try:
                for worker in workers:
                    worker.result()
            except BaseException:
                self._stopped.set()
                raise

    def _work(self, waiting: Iterator[Step], count: str) -> None:
        while not self._stopped.is_set():
            with self._lock:
                step = next(waiting, None)
            if step is None:
                return
            try:
                self._do(step, count)
            except Stopped:
                return
            except (ClientError, OSError) as error:
                self._fail(step, error)

    def _do(self, step: Step, count: str) -> None:
        if step.done_already is not None and step.done_already():
            if step.after is not None and not self._dry:
                step.after()
            with self._lock:
                self.report.unchanged += 1
            self._meter.pass_over(step.size)
            return
        if self._dry:
            with self._lock:
                self.report.planned.append((step.source, step.target))
            return
        step.work(self._told())
        if step.after is not None:
            step.after()
        with self._lock:
            setattr(self.report, count, getattr(self.report, count) + 1)
            self.report.copied_bytes += step.size

    def _told(self) -> Progress:
        """Told of one transfer's bytes; a repeated one begins again."""
        before = 0

        def progress(done: int, _: int | None) -> None:
            nonlocal before
            if self._stopped.is_set():
                raise Stopped
            self._meter.advance(done - before)
            before = done

        return progress

    def _fail(self, step: Step, error: ClientError | OSError) -> None:
        what = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        with self._lock:
            self.report.failed.append((step.source or step.target, what))
        if isinstance(error, HOPELESS) or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
            self._stopped.set()
