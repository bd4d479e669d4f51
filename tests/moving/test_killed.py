"""A move that is killed goes on where it was: everything arrives, and next to nothing is sent twice."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from storage_service.remote import Endpoint, S3Server
from tests.moving.conftest import ROOT, ROOT_KEYS, ROOT_SECRET, endpoint_of
from tests.support.s3_servers import S3Endpoint
from tests.support.service import SERVICE_KEY, Service

pytestmark = [pytest.mark.ci, pytest.mark.timeout(600)]

DEADLINE_SECONDS = 900
FEW, MANY = 400, 20_000
SIZES = (0, 1, 100, 4_000, 20_000, 70_000)


class Made(NamedTuple):
    bucket: str
    versions: int


def fill(server: S3Server, bucket: str, count: int, large: tuple[int, ...]) -> Made:
    """Objects of all sizes, with odd names, tags, metadata, and every tenth with three versions."""
    server.create_bucket(bucket)
    enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    server.put_sub_resource(bucket, "versioning", enabled)
    dice = random.Random(count)
    sizes = [*large, *(dice.choice(SIZES) for _ in range(count - len(large)))]
    odd = ("a b", "ü/é", "x+y", "100%", "deep/er/est", "plain")

    def put(number: int) -> int:
        versions = 3 if number % 10 == 0 else 1
        key = f"{odd[number % len(odd)]}/{number:06}"
        headers = {"content-type": "text/x-odd", "x-amz-meta-n": str(number)}
        if number % 5 == 0:
            headers["x-amz-tagging"] = "a=b&c=d"
        for _ in range(versions):
            server.put(bucket, key, headers, os.urandom(sizes[number]))
        if number % 50 == 0:
            server.delete(bucket, key)
        return versions + (number % 50 == 0)

    with ThreadPoolExecutor(8) as pool:
        made = sum(pool.map(put, range(count)))
    server.close()
    return Made(bucket, made)


def everything(server: S3Server, bucket: str) -> list[tuple[Any, ...]]:
    """All versions, the newest of a key first, with the digest of their bytes as they are read now."""

    def digest(listed: Any) -> tuple[Any, ...]:
        if listed.is_marker:
            return listed.key, "marker"
        body = server.open(bucket, listed.key, listed.version_id)
        whole = hashlib.md5()
        for piece in body.pieces():
            whole.update(piece)
        said = [body.headers.get(name) for name in ("content-type", "x-amz-meta-n", "x-amz-tagging-count")]
        return listed.key, whole.hexdigest(), body.size, *said

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(digest, server.list_versions(bucket)))
    server.close()
    return found


class Import:
    """`storage import` as a process that can be killed."""

    def __init__(self, service: Service, place: Path, source: Endpoint, bucket: str) -> None:
        keys = {"SOURCE_ACCESS_KEY": source.access_key, "SOURCE_SECRET_KEY": source.secret_key, **ROOT_KEYS}
        own = {"STORAGE_PATH": str(service.data), "PORT": str(service.port), "STORAGE_SERVICE_API_KEY": SERVICE_KEY}
        self._environment = {"PATH": os.environ["PATH"], **keys, **own}
        words = [
            "import",
            source.url,
            "--versions",
            "--bucket",
            bucket,
            "--state",
            str(place / "killed.state"),
            "--json",
        ]
        self._command = [sys.executable, "-m", "storage_service.cli.main", *words]
        self._place = place

    def start(self) -> subprocess.Popen[bytes]:
        with (self._place / "import.log").open("ab") as log:
            return subprocess.Popen(self._command, env=self._environment, cwd=self._place, stdout=log, stderr=log)


def count(server: S3Server, bucket: str) -> int:
    if not server.has_bucket(bucket):
        return 0
    return sum(1 for _ in server.list_versions(bucket))


def kill_when(process: subprocess.Popen[bytes], target: S3Server, bucket: str, versions: int) -> None:
    """Once so many versions have arrived."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while count(target, bucket) < versions:
        assert time.monotonic() < deadline, "the move does not get on"
        assert process.poll() is None, "the move ended before it was killed"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("source")
    with Service(place / "data", place / "logs", environment=ROOT_KEYS) as running:
        yield running


def received_bytes(service: Service) -> int:
    """Of bodies that came by the S3 door, those of refused and broken requests too."""
    headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
    text = httpx.get(f"{service.url}/metrics", headers=headers, timeout=60).raise_for_status().text
    rows = re.findall(r'storage_received_bytes_total\{door="s3",operation="(?:PutObject|UploadPart)"\} (\S+)', text)
    return int(sum(map(float, rows)))


def killed_three_times(service: Service, place: Path, source: Endpoint, made: Made) -> int:
    """The bytes of all versions."""
    target = S3Server(endpoint_of(service))
    move = Import(service, place, source, made.bucket)
    for part in (0.2, 0.45, 0.75):
        kill_when(move.start(), target, made.bucket, int(made.versions * part))
    last = move.start()
    assert last.wait(DEADLINE_SECONDS) == 0, (place / "import.log").read_text()[-3000:]
    arrived = everything(target, made.bucket)
    assert arrived == everything(S3Server(source), made.bucket)
    # Each version is there exactly once: a body that was sent and counted twice would be one version more. What was
    # on its way at a kill, at most one for each of eight threads, was sent again.
    assert count(target, made.bucket) == made.versions
    target.close()
    return sum(one[2] for one in arrived if one[1] != "marker")


def test_a_move_from_another_instance_survives_three_kills(second: Service, service: Service, tmp_path: Path) -> None:
    source = Endpoint(second.url, ROOT, ROOT_SECRET)
    made = fill(S3Server(source), "killed-few", FEW, (6 << 20, 3 << 20))
    killed_three_times(service, tmp_path, source, made)


def test_a_move_from_another_server_survives_three_kills(moto: S3Endpoint, service: Service, tmp_path: Path) -> None:
    source = Endpoint(moto.url, moto.access_key, moto.secret_key)
    made = fill(S3Server(source), "killed-moto", FEW // 3, (3 << 20,))
    killed_three_times(service, tmp_path, source, made)


@pytest.mark.full
@pytest.mark.timeout(3 * DEADLINE_SECONDS)
def test_a_large_move_survives_three_kills(second: Service, service: Service, tmp_path: Path) -> None:
    source = Endpoint(second.url, ROOT, ROOT_SECRET)
    made = fill(S3Server(source), "killed-many", MANY, (64 << 20, 64 << 20, *(16 << 20 for _ in range(8))))
    before = received_bytes(service)
    whole = killed_three_times(service, tmp_path, source, made)
    assert received_bytes(service) - before < whole * 1.01
