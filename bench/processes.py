"""A server as a person starts it, in a session of its own: all of it can be measured and ended, nothing else."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.machine import TICKS

READY_SECONDS = 60.0
STOP_SECONDS = 40.0  # a service drains for up to 25 s
OK = 200
PSS = re.compile(rb"^Pss:\s+(\d+)", re.MULTILINE)
# After "pid (any name)", see proc_pid_stat(5): state is 0.
STATE, SESSION, USER_TICKS, SYSTEM_TICKS = 0, 3, 11, 12
LOG_BYTES = 2000


class DidNotStart(Exception):
    """It exited or was not ready in time; the end of its log."""


@dataclass(slots=True)
class Server:
    """`with server:` starts it, waits until it is ready, and ends it."""

    name: str
    workers: int
    command: Sequence[str]
    environment: Mapping[str, str]
    port: int
    ready_path: str
    log: Path
    ready_seconds: float = 0.0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        started = time.perf_counter()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                self.command,
                cwd=self.log.parent,  # no .env there
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        self.ready_seconds = time.perf_counter() - started
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def leader(self) -> int:
        """The pid of the command, which is also the id of its session."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    def pids(self) -> list[int]:
        return members(self.leader)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pids())

    def pss_kib(self) -> int:
        return pss_kib(self.pids())

    def kill(self) -> None:
        """SIGKILL for the whole session."""
        while pids := (self.pids() if self._process is not None else []):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
            if self._process is not None and self._process.poll() is not None and pids == [self._process.pid]:
                break
        if self._process is not None:
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """SIGTERM for the command, then SIGKILL for what is left of its session."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _wait_until_ready(self) -> None:
        deadline = time.perf_counter() + READY_SECONDS
        while not (is_ok(self.url + self.ready_path) if self.ready_path else is_open(self.port)):
            exited = self._process is not None and self._process.poll() is not None
            if exited or time.perf_counter() > deadline:
                tail = self.log.read_bytes()[-LOG_BYTES:].decode(errors="replace")
                raise DidNotStart(f"{self.name} {'exited' if exited else 'is not ready'}:\n{tail}")
            time.sleep(0.02)


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http, our own
            return bool(answer.status == OK)
    except (urllib.error.URLError, OSError):
        return False


def members(session: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = stat_fields(int(entry.name))
            if fields and int(fields[SESSION]) == session and fields[STATE] not in {"Z", "X"}:
                found.append(int(entry.name))
    return sorted(found)


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of those that live."""
    used = (stat_fields(pid) for pid in pids)
    return sum(int(f[USER_TICKS]) + int(f[SYSTEM_TICKS]) for f in used if f) / TICKS


def pss_kib(pids: Sequence[int]) -> int:
    """Memory, with shared pages counted once."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            found = PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
            total += int(found[1]) if found else 0
    return total


def stat_fields(pid: int) -> list[str]:
    """Of /proc/PID/stat, what follows the name; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
