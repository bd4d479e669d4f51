"""The disk-call shim from the test's side: build it, preload it, arm it and read what it saw.

`shim.c` counts the calls that change files under one directory, over all processes that have it
preloaded, and can stop the world at the Nth. State lives in one mapped file, so a running service
can be armed between two requests.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple

from tests.support.tools import require_tool

Action = Literal["count", "kill", "freeze", "fail", "halve"]

_ACTIONS: Final[dict[Action, int]] = {"count": 0, "kill": 1, "freeze": 2, "fail": 3, "halve": 4}
_SOURCE: Final = Path(__file__).with_name("shim.c")
# shim.c's struct state: calls, stop_at, action, error, sticky, reached, lie, clock; then the log.
_HEADER: Final = struct.Struct("<QQIIII112sq")
_ENTRY: Final = struct.Struct("<16s112s")
_LOGGED: Final = 8192
_STOP_AT: Final = struct.Struct("<Q")
_STOP_AT_OFFSET: Final = 8
_ACTION: Final = struct.Struct("<IIII")
_ACTION_OFFSET: Final = 16
_LIE_OFFSET: Final = 32
_CLOCK_OFFSET: Final = 144
_CALL_SECONDS: Final = 0.02  # most that a sync of a small disk takes


class DiskCall(NamedTuple):
    """One counted call and the path it changed, relative to the watched directory."""

    call: str
    path: str


class Shim:
    """The shared counter of one watched directory; give `.environment()` to what it shall watch."""

    def __init__(self, library: Path, state: Path, root: Path) -> None:
        self._library = library
        self._state = state
        self._root = root
        size = _HEADER.size + _LOGGED * _ENTRY.size
        state.write_bytes(bytes(size))
        with state.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self._library),
            "SHIM_STATE": str(self._state),
            "SHIM_ROOT": str(self._root),
        }

    @property
    def calls(self) -> int:
        """How many calls were counted since the shim was made."""
        return int(_HEADER.unpack_from(self._map)[0])

    @property
    def reached(self) -> bool:
        """Whether the armed index was hit."""
        return bool(_HEADER.unpack_from(self._map)[5])

    def log(self, first: int, last: int) -> list[DiskCall]:
        """The calls with index first..last (from 1), of which the newest 8,192 are kept."""
        return [self._entry(index) for index in range(first, last + 1)]

    def _entry(self, index: int) -> DiskCall:
        call, path = _ENTRY.unpack_from(self._map, _HEADER.size + (index % _LOGGED) * _ENTRY.size)
        return DiskCall(_text(call), _text(path))

    def arm(self, after: int, action: Action, error: int = errno.EIO, sticky: bool = False) -> None:
        """Acts at the `after`th call from now (1 = the very next one)."""
        stop_at = self.calls + after
        _STOP_AT.pack_into(self._map, _STOP_AT_OFFSET, 0)
        _ACTION.pack_into(self._map, _ACTION_OFFSET, _ACTIONS[action], error, int(sticky), 0)
        _STOP_AT.pack_into(self._map, _STOP_AT_OFFSET, stop_at)

    def disarm(self) -> None:
        """What is frozen goes on."""
        _STOP_AT.pack_into(self._map, _STOP_AT_OFFSET, 0)

    def thaw_one(self) -> None:
        """Of what is frozen the first call is made; all that come after it wait."""
        stop_at = self.stop_at + 1
        is_waiting = self.calls >= stop_at
        _STOP_AT.pack_into(self._map, _STOP_AT_OFFSET, stop_at)
        if is_waiting:  # another thread's: nothing else tells when the first one's call has returned
            time.sleep(_CALL_SECONDS)

    @property
    def stop_at(self) -> int:
        """The index it is armed for; 0 = none."""
        return int(_HEADER.unpack_from(self._map)[1])

    def wait_until_frozen(self, timeout_seconds: float) -> bool:
        """Whether a call waits at the armed index."""
        deadline = time.monotonic() + timeout_seconds
        while self.calls < self.stop_at and time.monotonic() < deadline:
            time.sleep(0.001)
        return self.calls >= self.stop_at

    def lie_about(self, part_of_path: str) -> None:
        """Makes syncs of paths that contain this text do nothing and succeed ('' = none)."""
        struct.pack_into("<112s", self._map, _LIE_OFFSET, part_of_path.encode())

    def set_clock(self, seconds_ahead: int) -> None:
        """Moves the wall clock of the watched processes; what measures spans of time is left alone."""
        struct.pack_into("<q", self._map, _CLOCK_OFFSET, seconds_ahead)

    def wait_until_reached(self, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        while not self.reached and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.reached

    def wait_until_quiet(self, quiet_seconds: float, timeout_seconds: float) -> int:
        """The count after no call was seen for `quiet_seconds`, or when the time is up."""
        deadline = time.monotonic() + timeout_seconds
        last, since = self.calls, time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < quiet_seconds:
            time.sleep(0.01)
            if self.calls != last:
                last, since = self.calls, time.monotonic()
        return last

    def close(self) -> None:
        self._map.close()


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")


def build_shim(directory: Path) -> Path:
    """Compiles shim.c into `directory`; skips the test where there is no C compiler."""
    compiler = require_tool("gcc")
    library = directory / "shim.so"
    if not library.exists():
        command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        fresh = directory / f"shim.{os.getpid()}.so"
        subprocess.run([*command, "-o", str(fresh), str(_SOURCE), "-ldl"], check=True)
        fresh.rename(library)
    return library


@contextmanager
def shim_over(root: Path, directory: Path) -> Iterator[Shim]:
    """A shim that watches `root`; `directory` (elsewhere) takes its library and state."""
    library = build_shim(directory)
    state = directory / f"shim-{time.monotonic_ns()}.state"
    shim = Shim(library, state, root)
    try:
        yield shim
    finally:
        shim.close()
