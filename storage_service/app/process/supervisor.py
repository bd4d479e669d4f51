"""`storage serve`: takes the directory, opens the port, starts workers and the jobs process, and keeps them running.

It imports little and does nothing itself, so that it stays small; the jobs process recovers while workers start.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

from storage_service.app.backends import shared as words
from storage_service.app.backends.volume import Layout, VolumeRefused, open_volume
from storage_service.app.core.config import BadSettings, Settings, WeakSecret, check_secret, load
from storage_service.app.group import GROUP_VARIABLE, join
from storage_service.app.process.jobs import REFUSED

log = logging.getLogger(__name__)

SOCKET_VARIABLE = "STORAGE_SOCKET"
DRAIN_SECONDS = 25  # a worker's requests in flight
JOBS_SECONDS = 5
WATCH_SECONDS = 0.2
BACKLOG = 2048
SOON_SECONDS = 1.0  # a child that dies sooner is started again only after a pause


class PortTaken(Exception):
    """Somebody listens there already."""


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

    def __init__(self, settings: Settings, descriptor: int) -> None:
        self._jobs = Child("storage_service.app.process.jobs")
        os.environ[SOCKET_VARIABLE] = str(descriptor)
        self._workers = [
            Child("storage_service.app.process.worker", (descriptor,)) for _ in range(settings.workers)
        ]
        self._shared = words.Shared(Layout(settings.storage_path).shared)
        self._stopping = False

    def run(self, on_ready: Callable[[], None]) -> int:
        """Until SIGTERM or SIGINT; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        told = False
        while not self._stopping:
            for child in (self._jobs, *self._workers):
                if not child.is_running():
                    if child.exit_code() == REFUSED:
                        self._end()
                        return REFUSED
                    child.start()
            if not told and self._shared[words.VOLUME] == words.READY:
                told = True
                on_ready()
            time.sleep(WATCH_SECONDS)
        self._end()
        return 0

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


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that children inherit.

    Raises:
        PortTaken: with the one line to show.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise PortTaken(f"Cannot listen on {host}:{port}: {error.strerror}. Is another service there? Set PORT") from None
    found.listen(BACKLOG)
    found.set_inheritable(True)
    return found


def serve(announce: Callable[[Settings, str | None], None]) -> int:
    """Run the service until it is told to stop; the exit code. `announce` is called once it is ready, with the settings
    and a warning, if there is one. What is refused is said in one line on stderr."""
    try:
        settings = load()
        warning = check_secret(settings, settings.host)
        open_volume(settings.storage_path, settings.storage_id)
        layout = Layout(settings.storage_path)
        os.environ[GROUP_VARIABLE] = f"serve-{os.getpid()}"
        membership = join(layout, os.environ[GROUP_VARIABLE])
        listener = listen(settings.host, settings.port)
    except (BadSettings, WeakSecret, VolumeRefused, PortTaken) as error:
        print(f"storage: {error}", file=sys.stderr)  # noqa: T201
        return REFUSED
    os.set_inheritable(membership.descriptor, False)
    return Supervisor(settings, listener.fileno()).run(lambda: announce(settings, warning))


def main() -> int:
    """Without the command line's words: `python -m storage_service.app.process.supervisor`."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    from storage_service.app.process.greeting import announce

    return serve(announce)


if __name__ == "__main__":
    sys.exit(main())
