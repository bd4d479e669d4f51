"""K1 and K2: processes die at once, or are asked to stop, in the middle of work."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.power.bench import SMALL_DISK, Bench
from tests.power.door import Door
from tests.support.model import ABSENT, State, render_body
from tests.support.service import Service

pytestmark = pytest.mark.timeout(1800)

BUCKET: Final = "killed"
WORKERS: Final = 4
CLIENTS: Final = 12
STAGING_EMPTY_SECONDS: Final = 60.0
UPLOADS: Final = 50
UPLOAD_BYTES: Final = 4 << 20


def staged_files(service: Service) -> list[Path]:
    return [path for path in (service.data / ".storage/staging").rglob("*") if path.is_file()]


def wait_until_staging_is_empty(service: Service) -> list[Path]:
    deadline = time.monotonic() + STAGING_EMPTY_SECONDS
    while (left := staged_files(service)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def assert_no_damage(service: Service) -> None:
    done = service.run("check", "--json", "--deep")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("cycles", [pytest.param(4, marks=pytest.mark.ci), pytest.param(25, marks=pytest.mark.full)])
def test_acknowledged_writes_survive_the_kill_of_all_processes(tmp_path: Path, cycles: int) -> None:
    with Service(tmp_path / "data", tmp_path, WORKERS, SMALL_DISK) as service:
        bench = Bench(service, CLIENTS, seed=1)
        bench.prepare()
        for _ in range(cycles):
            report = bench.kill_cycle()
            assert not report.caught, f"{report}\n{report.findings}\n{report.wrong_reads}"
        assert wait_until_staging_is_empty(service) == []
        assert_no_damage(service)
    print(f"\n{bench.report}")


@pytest.mark.parametrize("cycles", [pytest.param(4, marks=pytest.mark.ci), pytest.param(25, marks=pytest.mark.full)])
def test_acknowledged_writes_survive_the_kill_of_one_process(tmp_path: Path, cycles: int) -> None:
    with Service(tmp_path / "data", tmp_path, WORKERS, SMALL_DISK) as service:
        bench = Bench(service, CLIENTS, seed=2)
        bench.prepare()
        for _ in range(cycles):
            report = bench.worker_kill_cycle()
            assert not report.caught, f"{report}\n{report.findings}\n{report.wrong_reads}"
        assert wait_until_staging_is_empty(service) == []
        assert_no_damage(service)
    print(f"\n{bench.report}")


@pytest.mark.ci
def test_other_workers_go_on_writing_when_one_is_killed(tmp_path: Path) -> None:
    """The dead one's commit lock is free at once; its own connections break, no others do."""
    with Service(tmp_path / "data", tmp_path, WORKERS) as service, Door(service, BUCKET) as door:
        door.create_bucket().raise_for_status()
        for number, victim in enumerate(service.pids("worker")[:2]):  # the others have been there all along
            service.kill(victim.pid)
            killed = time.monotonic()
            while not put_succeeds(service, f"after/{number}"):
                assert time.monotonic() - killed < 30.0
            print(f"\nwrites went on {time.monotonic() - killed:.2f} s after the kill")
            assert door.observe(f"after/{number}") == State("1")


def put_succeeds(service: Service, key: str) -> bool:
    """One put on a fresh connection, which may by chance reach the dead worker's socket."""
    try:
        with Door(service, BUCKET, timeout_seconds=1.0) as door:
            return door.put(key, render_body("1", 4096)).is_success
    except httpx.TransportError:
        return False


@pytest.mark.ci
def test_killed_worker_is_replaced(tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path, WORKERS) as service:
        before = {process.pid for process in service.pids("worker")}
        victim = min(before)
        service.kill(victim)
        deadline = time.monotonic() + 15.0
        while True:
            after = {process.pid for process in service.pids("worker")}
            if (victim not in after and len(after) == len(before)) or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        assert len(after) == len(before)
        assert after & before == before - {victim}, "others were replaced too"


@pytest.mark.ci
def test_killed_jobs_process_is_replaced_and_settles(tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path) as service, Door(service, BUCKET) as door:
        door.create_bucket().raise_for_status()
        (jobs,) = service.pids("jobs")
        service.kill(jobs.pid)
        assert door.put("key", b"settled later").is_success
        view, deadline = service.data / BUCKET / "key", time.monotonic() + 15.0
        while not view.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert view.read_bytes() == b"settled later"


@pytest.mark.ci
def test_killed_supervisor_leaves_no_process_and_the_next_start_serves(tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path, 2) as service:
        with Door(service, BUCKET) as door:
            door.create_bucket().raise_for_status()
            door.put("key", render_body("1", 4096)).raise_for_status()
        (supervisor,) = service.pids("supervisor")
        service.kill(supervisor.pid)
        deadline = time.monotonic() + 10.0
        while (left := service.pids()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == []
        service.start()
        with Door(service, BUCKET) as door:
            assert door.observe("key") == State("1")


class SlowUpload(threading.Thread):
    """An upload that is under way while the service is asked to stop."""

    def __init__(self, service: Service, number: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self.key = f"upload/{number:02d}"
        self.stamp = f"u{number}"
        self.is_acknowledged = False
        self._service = service
        self._seconds = seconds

    def _body(self) -> Iterator[bytes]:
        body, pieces = render_body(self.stamp, UPLOAD_BYTES), 40
        step = -(-len(body) // pieces)
        for start in range(0, len(body), step):
            yield body[start : start + step]
            time.sleep(self._seconds / pieces)

    def run(self) -> None:
        headers = {"content-length": str(UPLOAD_BYTES)}
        try:
            with Door(self._service, BUCKET) as door:
                self.is_acknowledged = door.put(self.key, self._body(), headers).is_success
        except httpx.TransportError:
            self.is_acknowledged = False


def start_uploads(service: Service, seconds: float) -> list[SlowUpload]:
    uploads = [SlowUpload(service, number, seconds) for number in range(UPLOADS)]
    for upload in uploads:
        upload.start()
    return uploads


def check_uploads(service: Service, uploads: list[SlowUpload]) -> None:
    """Each upload is acknowledged and whole, or absent or whole."""
    with Door(service, BUCKET) as door:
        for upload in uploads:
            found = door.observe(upload.key)
            allowed = {State(upload.stamp)} if upload.is_acknowledged else {ABSENT}
            assert found in allowed | {State(upload.stamp)}, upload.key


@pytest.mark.parametrize("rounds", [pytest.param(2, marks=pytest.mark.ci), pytest.param(10, marks=pytest.mark.full)])
def test_asked_to_stop_with_uploads_in_flight_it_exits_in_time_and_tears_none(tmp_path: Path, rounds: int) -> None:
    with Service(tmp_path / "data", tmp_path, 2, SMALL_DISK) as service:
        with Door(service, BUCKET) as door:
            door.create_bucket().raise_for_status()
        for round_ in range(rounds):
            uploads = start_uploads(service, seconds=0.5 + 40.0 * (round_ % 2))
            time.sleep(0.6)
            code = service.stop()  # raises when it takes over 30 s
            for upload in uploads:
                upload.join(timeout=60.0)
            assert code == 0, service.log_tail()
            service.start()
            check_uploads(service, uploads)
        assert wait_until_staging_is_empty(service) == []


CGROUP: Final = Path("/sys/fs/cgroup/memory")
HOG: Final = "import time\nheld = []\nwhile True: held.append(b'x' * (8 << 20)); time.sleep(0.005)\n"


@pytest.fixture
def memory_group() -> Iterator[Path]:
    """A memory cgroup (v1) of 512 MiB."""
    if not (CGROUP / "memory.limit_in_bytes").exists() or os.geteuid() != 0:
        pytest.skip("no memory cgroup (v1) that may be written")
    group = CGROUP / f"storage-bench-{os.getpid()}"
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(str(512 << 20))
    yield group
    group.rmdir()


@contextmanager
def hog_of(group: Path) -> Iterator[None]:
    """A neighbour that eats the group's memory."""
    with subprocess.Popen([sys.executable, "-c", HOG]) as hog:
        try:
            (group / "cgroup.procs").write_text(str(hog.pid))
            yield
        finally:
            hog.kill()


@pytest.mark.full
def test_out_of_memory_kill_tears_no_upload(tmp_path: Path, memory_group: Path) -> None:
    with Service(tmp_path / "data", tmp_path, 2) as service:
        with Door(service, BUCKET) as door:
            door.create_bucket().raise_for_status()
        for process in service.pids():
            Path(f"/proc/{process.pid}/oom_score_adj").write_text("1000")  # before the neighbour
            (memory_group / "cgroup.procs").write_text(str(process.pid))
        with hog_of(memory_group):
            uploads = start_uploads(service, seconds=3.0)
            for upload in uploads:
                upload.join(timeout=60.0)
        killed = (memory_group / "memory.oom_control").read_text()
        assert "oom_kill 0" not in killed, "the memory never ran out: nothing was shown"
        service.kill_all()
        service.start()
        check_uploads(service, uploads)
