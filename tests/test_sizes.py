"""Bodies of the sizes an operator asks for (`./run_tests.sh --size=...`): up and down whole, in bounded memory."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.support.service import Service

MB: Final = 1_000_000
SIZES: Final = {"small": 10 * MB, "medium": 50 * MB, "large": 500 * MB, "extra_large": 1000 * MB}
# Measured 12 MiB for 500 MB; half of what the smallest body that is watched would take if it were held.
MOST_GROWTH_MIB: Final = 24
LEAST_WATCHED_BYTES: Final = 50 * MB
BUCKET: Final = "sizes"
CHUNK_BYTES: Final = 1 << 20


def wanted() -> list[str]:
    asked = os.environ.get("STORAGE_TEST_SIZE", "small")
    return list(SIZES) if asked == "all" else [asked]


pytestmark = [pytest.mark.timeout(900), pytest.mark.parametrize("size", wanted())]


class Body:
    """Bytes that no compression shortens, made as they are read; the digest is known when all have been."""

    def __init__(self, size_bytes: int, seed: int) -> None:
        self.size_bytes = size_bytes
        self._block = random.Random(seed).randbytes(CHUNK_BYTES)
        self.digest = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        left = self.size_bytes
        number = 0
        while left > 0:
            chunk = (number.to_bytes(8, "big") + self._block)[: min(CHUNK_BYTES, left)]
            self.digest.update(chunk)
            yield chunk
            left -= len(chunk)
            number += 1


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    top: Path = tmp_path_factory.mktemp("sizes")
    quiet = {"COVERAGE_PROCESS_START": "", "FREE_SPACE_RESERVE_BYTES": "0"}
    with Service(top / "data", top, environment=quiet) as running:
        with running.client() as http:
            http.post("/buckets", json={"name": BUCKET}).raise_for_status()
        yield running


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with service.client(timeout_seconds=300.0) as client:
        yield client


def put_raw(http: httpx.Client, key: str, body: Body) -> httpx.Response:
    headers = {"content-length": str(body.size_bytes), "content-type": "application/octet-stream"}
    return http.put(f"/files/upload-direct/{BUCKET}/{key}", content=iter(body), headers=headers)


def post_form(http: httpx.Client, key: str, body: Body) -> httpx.Response:
    """A form as a browser sends it, made piece by piece."""
    head = f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{key}"\r\n\r\n'.encode()
    tail = b"\r\n--edge--\r\n"

    def pieces() -> Iterator[bytes]:
        yield head
        yield from body
        yield tail

    length = str(len(head) + body.size_bytes + len(tail))
    headers = {"content-type": "multipart/form-data; boundary=edge", "content-length": length}
    return http.post(f"/files/upload/{BUCKET}", content=pieces(), headers=headers)


def download(http: httpx.Client, key: str) -> tuple[str, int]:
    """(SHA-256, bytes) of what arrives."""
    digest, size = hashlib.sha256(), 0
    with http.stream("GET", f"/files/download/{BUCKET}/{key}") as answer:
        assert answer.status_code == 200
        for chunk in answer.iter_raw(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def pss_kib(service: Service) -> int:
    """Memory of the service's processes; what they share counts once."""
    total = 0
    for process in service.pids():
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


class Watch:
    """`with Watch(service) as watch:` the most memory the service had meanwhile, above what it had before."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._before = pss_kib(service)
        self._most = self._before
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.05):
            self._most = max(self._most, pss_kib(self._service))

    @property
    def growth_mib(self) -> float:
        return (self._most - self._before) / 1024


Send = Callable[[httpx.Client, str, Body], httpx.Response]


@pytest.mark.parametrize("send", [put_raw, post_form])
def test_body_comes_back_as_it_was_sent(http: httpx.Client, size: str, send: Send) -> None:
    """No limit stands against it unless an operator sets one."""
    round_trip(http, send, f"{send.__name__}-{size}", SIZES[size])


def round_trip(http: httpx.Client, send: Send, key: str, size_bytes: int) -> None:
    body = Body(size_bytes, seed=2)
    answer = send(http, key, body)
    assert answer.status_code == 201, answer.text
    record = answer.json()
    assert (record["size"], record["checksums"]["sha256"]) == (size_bytes, body.digest.hexdigest())
    assert download(http, key) == (body.digest.hexdigest(), size_bytes)


@pytest.mark.parametrize("send", [put_raw, post_form])
def test_body_is_never_held_whole(service: Service, http: httpx.Client, size: str, send: Send) -> None:
    size_bytes = max(SIZES[size], LEAST_WATCHED_BYTES)
    round_trip(http, send, f"warm-{send.__name__}-{size}", MB)
    with Watch(service) as watch:
        round_trip(http, send, f"watched-{send.__name__}-{size}", size_bytes)
    assert watch.growth_mib < MOST_GROWTH_MIB


def test_first_bytes_of_a_download_arrive_before_the_rest_is_read(
    service: Service, http: httpx.Client, size: str
) -> None:
    """A reader that stops after the first piece must not make the service read on."""
    body = Body(SIZES[size], seed=3)
    assert put_raw(http, f"first-{size}", body).status_code == 201
    (worker,) = service.pids("worker")
    before = read_bytes(worker.pid)
    with http.stream("GET", f"/files/download/{BUCKET}/first-{size}") as answer:
        first = next(answer.iter_raw())
        time.sleep(0.3)  # what the service would do beyond the socket's buffers, it does now
        taken = read_bytes(worker.pid) - before
    assert first
    assert taken < SIZES[size] * 0.9


def read_bytes(pid: int) -> int:
    """What a process has read by system calls so far, sockets included."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(lines[0].removeprefix("rchar: "))
