"""The commands that speak with a service: run in this process, against a real one on a port."""

import json
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from storage_service.cli.main import app
from storage_service.client import Client
from tests.support.service import SERVICE_KEY, Service

ROOM = Path(__file__).parent
_numbers = count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(ROOM) and "storage" in getattr(item, "fixturenames", ()):
            item.add_marker("ci")


class Said(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Storage:
    """`storage ARGUMENTS` in a directory of the test's own; `client` sees what came of it."""

    def __init__(self, client: Client, bucket: str, here: Path) -> None:
        self.client = client
        self.bucket = bucket
        self.here = here
        self.store = client.bucket(bucket)

    def __call__(self, *arguments: str | os.PathLike[str], stdin: bytes = b"") -> Said:
        done = CliRunner().invoke(app, [*map(str, arguments)], input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    def listed(self, prefix: str = "") -> list[str]:
        return [info.key for info in self.store.list(prefix)]

    def fill(self, **bodies: bytes) -> None:
        """Keys as keyword arguments: `fill(**{"a/b": b"1"})`."""
        for key, body in bodies.items():
            self.store.put(key, body, upsert=True)

    def files(self, **bodies: bytes) -> None:
        """Local files, by their paths below the test's directory."""
        for path, body in bodies.items():
            file = self.here / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)


def tree(root: Path) -> dict[str, bytes]:
    """Every regular file below a directory, by its path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("remote")
    settings = {"DURABILITY": "scratch", "STORAGE_KEYS": "remotekey:secret-of-the-remote:tests:rw"}
    with Service(place / "data", place / "logs", environment=settings) as running:
        yield running


@pytest.fixture
def storage(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """As the service key, with a private bucket of the test's own."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)  # no .env there
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("STORAGE_URL", service.url)
    monkeypatch.setenv("STORAGE_TOKEN", SERVICE_KEY)
    bucket = f"bucket-{os.getpid()}-{next(_numbers)}"
    with Client(service.url, api_key=SERVICE_KEY) as client:
        client.buckets.create(bucket)
        yield Storage(client, bucket, here)
