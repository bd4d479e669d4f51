"""The service as a person starts it: one command, a directory, a port. Nothing of it is imported.

It gets a session of its own, so that every process it starts can be found and ended, and no other.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

import httpx
from jose import jwt

SECRET_KEY: Final = "a-secret-for-tests-of-more-than-32-bytes"
ANON_KEY: Final = "a0" * 32
SERVICE_KEY: Final = "b1" * 32
OWNER: Final = "owner@example.org"
STOP_SECONDS: Final = 30.0
JOURNALLED_BYTES: Final = 16 << 10  # less than by default: what is to be a file of its own need not be long
REPOSITORY: Final = Path(__file__).parents[2]

_COMMAND: Final = (sys.executable, "-m", "storage_service.cli.main")
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
_JOBS_NICE: Final = 5  # the jobs process runs nicer than this, workers don't

Role = Literal["supervisor", "worker", "jobs", "helper"]


class ServiceDidNotStart(AssertionError):
    """It exited, or was not ready in time; the message ends with its log."""


class Process(NamedTuple):
    pid: int
    role: Role
    command: str


class Service:
    """`with Service(data, logs) as service:` starts it, waits until it is ready, stops it."""

    def __init__(
        self,
        data: Path,
        logs: Path,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
        python_path: Iterable[Path] = (),
    ) -> None:
        self.data = data
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = logs / f"service-{self.port}.log"
        self.ready_seconds = 0.0
        self._cwd = logs
        self._process: subprocess.Popen[bytes] | None = None
        self._sessions: list[int] = []
        self._environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._environment |= {
            "PYTHONPATH": os.pathsep.join(map(str, [*python_path, REPOSITORY])),
            "STORAGE_PATH": str(data),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "STORAGE_SERVICE_PUBLIC_URL": self.url,
            "SECRET_KEY": SECRET_KEY,
            "ANON_KEY": ANON_KEY,
            "STORAGE_SERVICE_API_KEY": SERVICE_KEY,
            "WORKERS": str(workers),
            "DURABILITY": "power-safe",
            "INLINE_BODY_BYTES": str(JOURNALLED_BYTES),
        }
        self._environment |= environment or {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill_all()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self.is_running and kind is None:
                self.stop()
        finally:
            self.kill_all()

    def start(self, ready_seconds: float = 30.0) -> None:
        """Start it and return when it says that it is ready."""
        self.launch()
        self.wait_until_ready(ready_seconds)

    def launch(self) -> None:
        """Start it and return at once."""
        self._reap()
        self._cwd.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_COMMAND, "serve"],
                cwd=self._cwd,  # no .env there
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._sessions.append(self._process.pid)

    def wait_until_ready(self, timeout_seconds: float) -> None:
        started = time.monotonic()
        with httpx.Client(base_url=self.url, timeout=5.0) as client:
            while not self._is_ready(client):
                waited = time.monotonic() - started
                if not self.is_running or waited > timeout_seconds:
                    state = "not ready" if self.is_running else f"exited with {self.exit_code}"
                    raise ServiceDidNotStart(f"{state} after {waited:.1f} s\n{self.log_tail()}")
                time.sleep(0.02)
        self.ready_seconds = time.monotonic() - started

    @staticmethod
    def _is_ready(client: httpx.Client) -> bool:
        try:
            return client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def run(self, *arguments: str, timeout_seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """`storage ARGUMENTS` with this service's settings; never raises for its exit code."""
        return subprocess.run(
            [*_COMMAND, *arguments],
            cwd=self._cwd,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    @contextmanager
    def changed(self, settings: Mapping[str, str]) -> Iterator[None]:
        """For commands of this block; the running service keeps its own."""
        before = self._environment
        self._environment = {**before, **settings}
        try:
            yield
        finally:
            self._environment = before

    @property
    def environment(self) -> dict[str, str]:
        """Its settings, for programs that are to find it."""
        return dict(self._environment)

    def token(self, sub: str = OWNER, ttl_seconds: int = 3600) -> str:
        claims = {"sub": sub, "exp": int(time.time()) + ttl_seconds}
        return str(jwt.encode(claims, SECRET_KEY, algorithm="HS256"))

    def client(self, sub: str = OWNER, timeout_seconds: float = 30.0) -> httpx.Client:
        """An HTTP client with a token of `sub`; close it."""
        headers = {"authorization": f"Bearer {self.token(sub)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout_seconds)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def wait_for_exit(self, timeout_seconds: float) -> int:
        """The exit code of the command; raises subprocess.TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(timeout_seconds)

    def log_tail(self, max_bytes: int = 4000) -> str:
        return self.log.read_bytes()[-max_bytes:].decode(errors="replace")

    def pids(self, role: Role | None = None) -> list[Process]:
        """The living processes of this service, the supervisor first."""
        found = [process for session in self._sessions for process in _processes_of(session)]
        return [process for process in found if role is None or process.role == role]

    def kill(self, pid: int, signal_number: int = signal.SIGKILL) -> None:
        """End one process of this service; no other can be meant."""
        if pid not in {process.pid for process in self.pids()}:
            raise ValueError(f"{pid} is no process of this service")
        os.kill(pid, signal_number)

    def kill_all(self) -> None:
        """SIGKILL for the whole tree, again until nothing of it lives."""
        deadline = time.monotonic() + STOP_SECONDS
        while left := self.pids():
            for process in left:
                try:
                    os.kill(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if time.monotonic() > deadline:
                raise TimeoutError(f"still alive after SIGKILL: {left}")
            self._reap()
            time.sleep(0.01)
        self._reap()

    def _reap(self) -> None:
        if self._process is not None:
            self._process.poll()

    def stop(self) -> int:
        """SIGTERM, as a service manager does; its exit code. Too slow is an error."""
        assert self._process is not None
        self._process.terminate()
        return self.wait_for_exit(STOP_SECONDS)

    def restart(self) -> None:
        self.stop()
        self.start()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _processes_of(session: int) -> list[Process]:
    """Living members of a session, by pid. Zombies are dead: they wait for their parent only."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # "pid (any name) state ppid pgrp session ... nice ...": split after the name
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session and fields[0] not in {"Z", "X"}:
            pid = int(entry.name)
            found.append(Process(pid, _role(pid == session, words, int(fields[16])), words.strip()))
    return sorted(found)


def _role(is_leader: bool, command: str, nice: int) -> Role:
    if is_leader:
        return "supervisor"
    if "resource_tracker" in command:
        return "helper"
    return "jobs" if nice > _JOBS_NICE or "jobs" in command else "worker"
