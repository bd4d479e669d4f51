"""Plain uvicorn serves too: any number of workers, from the checkout or from inside the package as the seed does."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.ready import wait_until_ready
from tests.support.service import ANON_KEY, REPOSITORY, SECRET_KEY, Process, _processes_of

pytestmark = pytest.mark.ci

FORMS = {
    "one worker": (REPOSITORY, ["storage_service.app.main:app"]),
    "two workers": (REPOSITORY, ["storage_service.app.main:app", "--workers", "2"]),
    "as the seed": (REPOSITORY / "storage_service", ["app.main:app"]),
    "as the seed, two workers": (REPOSITORY / "storage_service", ["app.main:app", "--workers", "2"]),
}


@contextmanager
def uvicorn(
    cwd: Path, arguments: list[str], data: Path, **settings: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "STORAGE_PATH": str(data),
        "SECRET_KEY": SECRET_KEY,
        "ANON_KEY": ANON_KEY,
        **settings,
    }
    log = data.with_suffix(".log")
    with log.open("wb") as file:
        command = [sys.executable, "-m", "uvicorn", *arguments, "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=file, stderr=file, start_new_session=True)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        for left in _processes_of(process.pid):
            os.kill(left.pid, signal.SIGKILL)
        process.wait()


def jobs_of(process: subprocess.Popen[bytes]) -> list[Process]:
    return [found for found in _processes_of(process.pid) if "process.jobs" in found.command]


def wait_for_no_processes(session: int) -> list[Process]:
    deadline = time.monotonic() + 10
    while (left := _processes_of(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@pytest.mark.parametrize("form", FORMS)
def test_uvicorn_starts_serves_settles_and_leaves_no_process(tmp_path: Path, form: str) -> None:
    cwd, arguments = FORMS[form]
    data = tmp_path / "data"
    with uvicorn(cwd, arguments, data, STORAGE_BUCKETS="first:public") as (process, url):
        wait_until_ready(url, 30)
        assert len(jobs_of(process)) == 1
        headers = {"apikey": ANON_KEY}
        for number in range(10):
            answer = httpx.post(f"{url}/files/upload/first", headers=headers, files={"file": (f"{number}", b"text")})
            assert answer.status_code == 201, answer.text
        deadline = time.monotonic() + 10
        while not (data / "first/9").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (data / "first/9").read_bytes() == b"text"
        assert httpx.get(f"{url}/storage/first/3").content == b"text"
        process.terminate()
        process.wait(30)
        assert wait_for_no_processes(process.pid) == []


def test_jobs_process_is_replaced_when_it_dies(tmp_path: Path) -> None:
    cwd, arguments = FORMS["two workers"]
    with uvicorn(cwd, arguments, tmp_path / "data") as (process, url):
        wait_until_ready(url, 30)
        (jobs,) = jobs_of(process)
        os.kill(jobs.pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        found = [jobs.pid]  # two for a moment, where both workers start one: the second finds the place taken
        while (len(found) != 1 or found == [jobs.pid]) and time.monotonic() < deadline:
            time.sleep(0.1)
            found = [one.pid for one in jobs_of(process)]
        assert len(found) == 1
        assert found != [jobs.pid]


def test_second_uvicorn_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    cwd, arguments = FORMS["one worker"]
    data = tmp_path / "data"
    with uvicorn(cwd, arguments, data) as (_, url):
        wait_until_ready(url, 30)
        other = tmp_path / "other"
        with uvicorn(cwd, arguments, other, STORAGE_PATH=str(data)) as (second, _):
            assert second.wait(30) != 0
            text = other.with_suffix(".log").read_text()
        assert f"{data} is already served" in text
        assert "Traceback" not in text
        assert httpx.get(f"{url}/readyz").status_code == 200
