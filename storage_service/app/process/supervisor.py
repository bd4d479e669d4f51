"""The supervisor: starts workers and the jobs process, and keeps them running. What `launch` becomes.

It imports next to nothing and does nothing itself, so it stays small; the jobs process recovers while workers start.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from storage_service.app.backends import shared as words
from storage_service.app.process.agreement import (
    DRAIN_SECONDS,
    JOBS_SECONDS,
    LAUNCH_VARIABLE,
    REFUSED,
    SOCKETS_VARIABLE,
    THOROUGH_VARIABLE,
)

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.2
SUSPECT_SECONDS = 600.0  # a catalog suspected again so soon after a check: the disk is dying, not the file
SOON_SECONDS = 1.0  # a child that dies sooner is started again only after a pause


class Child:
    """One process that is started again whenever it ends."""

    def __init__(self, module: str, descriptors: tuple[int, ...] = ()) -> None:
        self._command = [sys.executable, "-m", module]
        self._descriptors = descriptors
        self._started = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if time.monotonic() - self._started < SOON_SECONDS:
            return
        self._started = time.monotonic()
        self.process = subprocess.Popen(self._command, pass_fds=self._descriptors)  # noqa: S603 (ourselves)

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def exit_code(self) -> int | None:
        return self.process.poll() if self.process is not None else None

    def stop(self, seconds: float) -> None:
        """SIGTERM, and SIGKILL for one that has not ended by then."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()


class Supervisor:
    """All processes of one service."""

    def __init__(self, workers: int, listeners: list[int], shared: words.Shared, greeting: str) -> None:
        """`listeners` are the descriptors workers accept on."""
        self._jobs = Child("storage_service.app.process.jobs")
        os.environ[SOCKETS_VARIABLE] = ",".join(map(str, listeners))
        self._workers = [Child("storage_service.app.process.worker", tuple(listeners)) for _ in range(workers)]
        self._shared = shared
        self._greeting = greeting
        self._stopping = False
        self._checked = -SUSPECT_SECONDS

    def run(self) -> int:
        """Until SIGTERM or SIGINT; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while not self._stopping:
            if not self._keep_running():
                self._end()
                return REFUSED
            if self._shared[words.VOLUME] == words.SUSPECT:
                self._check()
            if self._greeting and self._shared[words.VOLUME] in words.OPEN:
                print(self._greeting, flush=True)
                self._greeting = ""
            time.sleep(WATCH_SECONDS)
        self._end()
        return 0

    def _keep_running(self) -> bool:
        """Start what is not running; False when a child was refused and would be again."""
        for child in (self._jobs, *self._workers):
            if not child.is_running():
                if child.exit_code() == REFUSED:
                    return False
                child.start()
        return True

    def _check(self) -> None:
        """The catalog reads as damaged: end all that have it open, and let a fresh jobs process look thoroughly."""
        if time.monotonic() - self._checked < SUSPECT_SECONDS:
            log.error(
                "the catalog reads as damaged again: read-only until the disk is checked and the service restarted"
            )
            self._shared[words.VOLUME] = words.READ_ONLY
            return
        log.error("the catalog reads as damaged; everything stops while it is checked")
        for child in (self._jobs, *self._workers):
            child.ask()
        for child in (self._jobs, *self._workers):
            child.stop(JOBS_SECONDS)
        self._shared[words.VOLUME] = words.REBUILDING
        self._checked = time.monotonic()
        os.environ[THOROUGH_VARIABLE] = "1"  # for every later start too: this disk has shown damage

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _end(self) -> None:
        """Workers drain; then jobs settle what is left."""
        deadline = time.monotonic() + DRAIN_SECONDS
        for worker in self._workers:
            worker.ask()
        for worker in self._workers:
            worker.stop(deadline - time.monotonic())
        self._jobs.ask()
        self._jobs.stop(JOBS_SECONDS)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    launch = json.loads(os.environ.pop(LAUNCH_VARIABLE))
    os.set_inheritable(launch["lock"], False)  # held by this process alone
    shared = words.Shared(Path(launch["shared"]))
    try:
        return Supervisor(launch["workers"], launch["listeners"], shared, launch["greeting"]).run()
    finally:
        if words.ELSEWHERE_VARIABLE in os.environ:
            _remove(os.environ[words.ELSEWHERE_VARIABLE])


def _remove(directory: str) -> None:
    """The copy of a catalog whose disk cannot be written."""
    import shutil  # noqa: PLC0415 - seldom needed, and not small

    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
