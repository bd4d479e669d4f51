"""E3: a store on a disk that is mounted read-only is served as it is, and says so. Nothing can be written."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.power.door import Door
from tests.support.model import render_body
from tests.support.service import SERVICE_KEY, Service
from tests.support.tools import require_root, require_tool

pytestmark = pytest.mark.ci

BUCKET, LARGE, SMALL = "kept", 1 << 20, 2_000
KEYS = {f"{number}": LARGE if number % 3 == 0 else SMALL for number in range(9)}
TUS = {"tus-resumable": "1.0.0", "upload-length": "5", "upload-metadata": "bucket a2VwdA==,key bmV3"}
ROOT = {"S3_ROOT_ACCESS_KEY": "ROOTACCESSKEY", "S3_ROOT_SECRET_KEY": "root-secret-of-the-tests"}


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    require_root()
    require_tool("mount")
    subprocess.run(["mount", "--bind", place, place], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Killed with some of it settled and some not."""
    place = tmp_path / "data"
    with Service(place, tmp_path, environment=ROOT) as service, Door(service, BUCKET) as door:
        door.create_bucket().raise_for_status()
        for key, length in KEYS.items():
            door.put(key, render_body(key, length)).raise_for_status()
            if key == "5":
                assert service.run("settle", "--wait").returncode == 0
        service.kill_all()
    return place


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    place = tmp_path / "copies"
    place.mkdir()
    return place


def open_one(service: Service) -> None:
    """It is not ready, since it cannot take what it is for; but it answers."""
    service.launch()
    deadline = time.monotonic() + 30
    while "mounted read-only" not in health(service):
        assert time.monotonic() < deadline, service.log_tail()
        assert service.is_running, service.log_tail()
        time.sleep(0.05)


def health(service: Service) -> str:
    try:
        answer = httpx.get(f"{service.url}/health", timeout=5)
    except httpx.TransportError:
        return ""
    return "; ".join(answer.json()["problems"])


def test_everything_is_read_and_nothing_written(data: Path, tmp_path: Path, copies: Path) -> None:
    service = Service(data, tmp_path, 2, {**ROOT, "TMPDIR": str(copies)})
    with read_only(data):
        try:
            open_one(service)
            with Door(service, BUCKET) as door:
                check_reads(door)
                check_refusals(service, door)
            assert httpx.get(f"{service.url}/readyz").status_code == 503
            assert f":{service.port}/console" in service.log_tail()
            pids = service.pids()
            time.sleep(3)
            assert service.pids() == pids, "a process did not live through it"
            assert service.stop() == 0
            assert list(copies.iterdir()) == []
        finally:
            service.kill_all()
    check_written_again(service)


def check_reads(door: Door) -> None:
    for key, length in KEYS.items():
        answer = door.http.get(f"/files/download/{BUCKET}/{key}")
        assert answer.content == render_body(key, length)
    listed = door.http.get(f"/files/list/{BUCKET}").json()
    assert [file["path"] for file in listed] == sorted(KEYS)


def check_refusals(service: Service, door: Door) -> None:
    for answer in (
        door.put("new", render_body("new", SMALL)),
        door.put("new", render_body("new", LARGE)),
        door.delete("1"),
        door.http.post("/buckets", json={"name": "another"}),
        door.http.post("/files/resumable", headers=TUS),
        httpx.post(f"{service.url}/api/v1/keys", json={}, headers={"X-API-Key": SERVICE_KEY}),
    ):
        assert answer.status_code == 503, answer.text
    assert "mounted read-only" in door.put("new", b"new").json()["detail"]


def check_written_again(service: Service) -> None:
    """Mounted for writing again: all of it, and room for more."""
    service.start()
    try:
        with Door(service, BUCKET) as door:
            check_reads(door)
            door.put("new", b"new").raise_for_status()
        assert health(service) == ""
    finally:
        service.kill_all()


def test_second_service_and_a_damaged_catalog_are_refused(data: Path, tmp_path: Path, copies: Path) -> None:
    settings = {**ROOT, "TMPDIR": str(copies)}
    service, second = Service(data, tmp_path, environment=settings), Service(data, tmp_path, environment=settings)
    with read_only(data):
        try:
            open_one(service)
            second.launch()
            assert second.wait_for_exit(30) == 3
            assert "already served, read-only" in second.log_tail()
        finally:
            service.kill_all()
            second.kill_all()
        left = list(copies.iterdir())
        assert len(left) == 1  # it was killed: the next start takes the place of its copy
    (data / ".storage/catalog.db").write_bytes(b"not a catalog")
    with read_only(data):
        second.launch()
        assert second.wait_for_exit(30) == 3
        assert "mounted read-only and its catalog is damaged" in second.log_tail()


def test_store_that_somebody_serves_is_not_copied(tmp_path: Path, copies: Path) -> None:
    with Service(tmp_path / "data", tmp_path) as service:
        other = tmp_path / "other"
        other.mkdir()
        require_root()
        subprocess.run([require_tool("mount"), "--bind", service.data, other], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", other], check=True)
            second = Service(other, tmp_path, environment={"TMPDIR": str(copies)})
            second.launch()
            assert second.wait_for_exit(30) == 3
            assert "already served by another process" in second.log_tail()
        finally:
            subprocess.run(["umount", "--lazy", other], check=True)


@pytest.mark.parametrize("hostile", ["link", "full"])
def test_place_for_the_copy_that_cannot_be_trusted_or_has_no_room(
    data: Path, tmp_path: Path, copies: Path, hostile: str
) -> None:
    identity = (data / ".storage/identity.json").read_text().partition('"id": "')[2].partition('"')[0]
    place = copies / f"storage-read-only-{identity}-0"
    if hostile == "link":
        place.symlink_to(tempfile.gettempdir())
        expected = "is not this service's own"
    else:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", copies], check=True)
        expected = "set TMPDIR"
    try:
        with read_only(data):
            service = Service(data, tmp_path, environment={"TMPDIR": str(copies)})
            service.launch()
            assert service.wait_for_exit(30) == 3
            assert expected in service.log_tail()
    finally:
        if hostile == "full":
            subprocess.run(["umount", "--lazy", copies], check=True)
