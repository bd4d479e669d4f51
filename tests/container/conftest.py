"""Processes that a test of this room starts, ended with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.container.entrypoint import SCRIPT
from tests.support.service import REPOSITORY, _processes_of


@pytest.fixture
def start_entrypoint() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts the entry point with the real `storage`, in a session of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(top: Path, command: tuple[str, ...], **settings: str) -> "subprocess.Popen[str]":
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            **settings,
        }
        process = subprocess.Popen(
            ["sh", SCRIPT, *command], cwd=top, env=environment, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        for left in _processes_of(process.pid):
            os.kill(left.pid, signal.SIGKILL)
        process.wait()
