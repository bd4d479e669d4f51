"""S3 endpoints to test against. Another one is one more entry of `SERVERS`: a function that starts it and yields it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from storage_service.providers import S3StorageProvider
from storage_service.providers.s3_client import S3Config
from tests.support.service import Service
from tests.support.tools import require_tool

START_SECONDS = 60.0


class S3Endpoint(NamedTuple):
    """Where an S3 server listens, and a key that may do everything there."""

    url: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"


@contextmanager
def moto_server(logs: Path) -> Iterator[S3Endpoint]:
    """moto's server: quick to start, and lenient."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, logs / "moto.log", port):
        yield S3Endpoint(f"http://127.0.0.1:{port}", "moto-access-key", "moto-secret-key")


@contextmanager
def own_server(logs: Path) -> Iterator[S3Endpoint]:
    """This service, by its S3 door."""
    access_key, secret_key = "own-access-key", "own-secret-key-of-the-tests"
    settings = {"S3_ROOT_ACCESS_KEY": access_key, "S3_ROOT_SECRET_KEY": secret_key, "DURABILITY": "scratch"}
    with Service(logs / "data", logs, environment=settings) as service:
        yield S3Endpoint(service.url, access_key, secret_key)


@contextmanager
def versitygw_server(logs: Path) -> Iterator[S3Endpoint]:
    """A server of another kind, in Go, on a directory; it checks signatures."""
    port, data, versions = _free_port(), logs / "versitygw", logs / "versions"
    data.mkdir()
    versions.mkdir()
    endpoint = S3Endpoint(f"http://127.0.0.1:{port}", "gateway-access-key", "gateway-secret-key")
    keys = {"ROOT_ACCESS_KEY": endpoint.access_key, "ROOT_SECRET_KEY": endpoint.secret_key}
    command = [require_tool("versitygw"), "--port", f"127.0.0.1:{port}", "posix"]
    command += ["--versioning-dir", str(versions), str(data)]
    with _running(command, logs / "versitygw.log", port, keys):
        yield endpoint


@contextmanager
def external_server(_: Path) -> Iterator[S3Endpoint]:
    """The server that S3_TEST_ENDPOINT_URL names, with S3_TEST_ACCESS_KEY and S3_TEST_SECRET_KEY."""
    names = ("S3_TEST_ENDPOINT_URL", "S3_TEST_ACCESS_KEY", "S3_TEST_SECRET_KEY")
    yield S3Endpoint(*(os.environ[name] for name in names))


def new_bucket(endpoint: S3Endpoint) -> S3StorageProvider:
    """A provider on an empty bucket."""
    keys = (endpoint.access_key, endpoint.secret_key, endpoint.region, endpoint.url)
    provider = S3StorageProvider(S3Config(f"bucket-{uuid4().hex[:12]}", *keys))
    provider.ensure_bucket()
    return provider


SERVERS: dict[str, Callable[[Path], AbstractContextManager[S3Endpoint]]] = {
    "moto": moto_server,
    "own": own_server,
    "versitygw": versitygw_server,
}
if os.environ.get("S3_TEST_ENDPOINT_URL"):
    SERVERS["external"] = external_server
# Built from source by the tools script: minutes, so only for the full tier.
PARAMS = [pytest.param(name, marks=[pytest.mark.full] if name == "versitygw" else []) for name in SERVERS]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[str], log: Path, port: int, settings: dict[str, str] | None = None) -> Iterator[None]:
    """In a process of its own, from listening on until the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=os.environ | (settings or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for(port, process)
        yield
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the S3 server ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("the S3 server does not listen")
