"""A store with something of everything, made once by a real service; each test gets a copy of its own."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import Service

BUCKETS = {"photos": "off", "kept": "on"}


def fill(service: Service) -> None:
    """Small and large bodies, versions, a marker, metadata, a deleted bucket, trash, and an access key."""
    with service.client() as client:
        for bucket, versioning in BUCKETS.items():
            client.post("/buckets", json={"name": bucket, "versioning": versioning}).raise_for_status()
            for number in range(12):
                put(service, bucket, f"dir/{number:02d}.txt", bytes([number]) * (number * 3_000))
            put(service, bucket, "dir/03.txt", b"again")
            client.delete(f"/files/{bucket}/dir/05.txt").raise_for_status()
        client.post("/buckets", json={"name": "gone"}).raise_for_status()
        client.delete("/buckets/gone").raise_for_status()
    assert service.run("keys", "create", "--owner", "someone").returncode == 0


def put(service: Service, bucket: str, key: str, body: bytes) -> None:
    with service.client() as client:
        client.put(f"/files/upload-direct/{bucket}/{key}", content=body).raise_for_status()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("made")
    with Service(top / "data", top) as service:
        fill(service)
        service.stop()
    return top / "data"


@pytest.fixture
def service(made: Path, tmp_path: Path) -> Iterator[Service]:
    """Not started yet. Links between blobs and the view stay links."""
    data = tmp_path / "data"
    subprocess.run(["cp", "-a", made, data], check=True)
    found = Service(data, tmp_path)
    yield found
    found.kill_all()
