"""A small store, made once by a real service; each test gets a copy of its own to spoil."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.service import Service

BUCKET = "photos"
KEYS = ("2024/cat.jpg", "2024/dog.jpg", "note.txt", "empty")


class Store(NamedTuple):
    """A stopped service and its directory."""

    service: Service
    data: Path

    def check(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code and record of `storage check --json`."""
        done = self.service.run("check", "--json", *arguments)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def codes(self, *arguments: str) -> set[tuple[str, str | None]]:
        """(code, key) of each problem."""
        return {(found["code"], found["key"]) for found in self.check(*arguments)[1]["problems"]}

    def where(self, key: str) -> dict[str, Any]:
        done = self.service.run("where", "--json", f"{BUCKET}/{key}")
        assert done.returncode == 0, done.stderr
        record: dict[str, Any] = json.loads(done.stdout)
        return record

    def blob(self, key: str) -> Path:
        return Path(self.where(key)["blob"])


def body_of(key: str) -> bytes:
    """A different body for each key; that of the pictures is too long for the journal."""
    length = {"2024/cat.jpg": 40_000, "2024/dog.jpg": 70_000, "note.txt": 500}.get(key, 0)
    return (key.encode() * (length // len(key) + 1))[:length]


def fill(service: Service) -> None:
    with service.client() as client:
        client.post("/buckets", json={"name": BUCKET, "is_public": True}).raise_for_status()
        for key in KEYS:
            client.put(f"/files/upload-direct/{BUCKET}/{key}", content=body_of(key)).raise_for_status()
    assert service.run("settle", "--wait").returncode == 0


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("filled")
    with Service(top / "data", top) as service:
        fill(service)
        service.stop()
    return top / "data"


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy; links between blobs and the view stay links."""
    data = tmp_path / "data"
    subprocess.run(["cp", "-a", filled, data], check=True)
    with_service = Service(data, tmp_path)
    yield Store(with_service, data)
    with_service.kill_all()
