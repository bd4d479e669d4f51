"""When each job runs. One thread, one loop; sleeping costs nothing but a look at the shared words."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import apsw

from storage_service.app.backends import shared as words
from storage_service.app.backends.shared import Shared
from storage_service.app.jobs.clock import ServiceClock

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.1  # between looks while nothing waits
GATHER_SECONDS = 0.05  # after a small pass, so that one sync serves many rows
BUSY_ROWS = 1_000  # from here on passes follow each other at once
CLOCK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Timer:
    """`call` every `seconds`, with the service clock's time in milliseconds; `deletes`: not while that is paused."""

    seconds: float
    call: Callable[[int], object]
    deletes: bool = False


class Loop:
    """Settles what waits and calls the timers until `stop`."""

    def __init__(self, shared: Shared, settle: Callable[[], int], timers: list[Timer], clock: ServiceClock) -> None:
        self._shared = shared
        self._settle = settle
        self._timers = timers
        self._clock = clock
        self._stopping = threading.Event()
        self._due = [time.monotonic() + timer.seconds for timer in timers]
        self._clock_at = 0.0
        self._paused = False

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            sound = self._shared[words.VOLUME] != words.SUSPECT
            settled = self._try_settle() if sound and self._shared.backlog_rows else 0
            self._call_timers()
            if settled < BUSY_ROWS:
                self._stopping.wait(GATHER_SECONDS if settled else IDLE_SECONDS)

    def _try_settle(self) -> int:
        """A pass; after an error of the disk everything is kept and tried again a little later."""
        try:
            return self._settle()
        except (OSError, apsw.Error) as error:
            log.error("settle: %s: %s; everything is kept", type(error).__name__, error)
            if isinstance(error, apsw.CorruptError | apsw.NotADBError):
                self._shared[words.VOLUME] = words.SUSPECT
            self._stopping.wait(1.0)
            return 0

    def _call_timers(self) -> None:
        now = time.monotonic()
        if now >= self._clock_at:
            self._clock_at = now + CLOCK_SECONDS
            self._paused = self._clock.paused()
            self._shared[words.CLOCK_PAUSED] = int(self._paused)
        for index, timer in enumerate(self._timers):
            if now >= self._due[index] and not (timer.deletes and self._paused):
                self._due[index] = now + timer.seconds
                self._call(timer)

    def _call(self, timer: Timer) -> None:
        try:
            timer.call(self._clock.now_ms)
        except (OSError, apsw.Error) as error:
            log.error("job: %s: %s", type(error).__name__, error)
