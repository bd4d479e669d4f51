"""The service clock: moves only with monotonic time, so that a jump of the wall clock deletes nothing."""

import time
from collections.abc import Callable

JUMP_MS = 300_000  # a wall clock that leaves ours by more than this pauses the deleting jobs
SETTLED_MS = 3_600_000  # after so long at one offset the new time is believed


class ServiceClock:
    """`now_ms` follows the wall clock through small steps; at a jump it goes on by itself and `paused` says so."""

    def __init__(self, wall_ms: Callable[[], int], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall_ms = wall_ms
        self._monotonic = monotonic
        self._offset_ms = wall_ms() - monotonic() * 1000
        self._jumped_at: float | None = None
        self._jumped_to_ms = 0.0

    @property
    def now_ms(self) -> int:
        return int(self._monotonic() * 1000 + self._offset_ms)

    def paused(self) -> bool:
        """Look at the wall clock; True while it differs too much for anything to be deleted by time."""
        offset = self._wall_ms() - self._monotonic() * 1000
        if abs(offset - self._offset_ms) <= JUMP_MS:
            self._offset_ms = offset  # a step by NTP, a leap second
            self._jumped_at = None
            return False
        if self._jumped_at is None or abs(offset - self._jumped_to_ms) > JUMP_MS:
            self._jumped_at, self._jumped_to_ms = self._monotonic(), offset
        if (self._monotonic() - self._jumped_at) * 1000 >= SETTLED_MS:
            self._offset_ms, self._jumped_at = offset, None
            return False
        return True
