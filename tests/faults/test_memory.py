"""D1: clients by the hundred that stand still in the midst of a body, and requests that name ten thousand parts. Memory
stays small: none of them costs more than a few buffers."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.faults.operations import ROOT, Place, begin, complete, put_part
from tests.power.door import Door
from tests.support.ready import wait_until
from tests.support.service import SERVICE_KEY, Service

MIB = 1 << 20
BUCKET = "stalled"
BODY_BYTES = 8 * MIB
SENT_BYTES = 3 * MIB  # more than what the kernel keeps by itself, so that the service has all it would keep
BUFFERS_BYTES = 64 * MIB  # what bodies may hold together
LISTED_BYTES = 160 * MIB  # what ten thousand parts and their list may take
MOST_BYTES_EACH = 186 << 10  # so that a thousand stay below 256 KiB each, all told
MOST_BYTES = 400 * MIB  # of all processes
LONG_SECONDS = 120.0
PARTS = 10_000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    settings = {"DURABILITY": "scratch", "TRASH_DAYS": "0", **ROOT}
    with Service(tmp_path / "data", tmp_path, environment=settings) as running:
        with Door(running, BUCKET) as door:
            door.create_bucket().raise_for_status()
            door.put("large", bytes(BODY_BYTES)).raise_for_status()
        yield running


def memory(service: Service) -> int:
    """Bytes of all its processes, pages that they share counted once."""
    found = 0
    for process in service.pids():
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        found += int(text.partition("Pss:")[2].split()[0]) * 1024
    return found


def upload(service: Service, number: int) -> socket.socket:
    """As much of a body as is taken of `SENT_BYTES`; the rest never comes."""
    head = (
        f"PUT /files/upload-direct/{BUCKET}/{number} HTTP/1.1\r\nHost: a\r\nX-API-Key: {SERVICE_KEY}\r\n"
        f"Content-Length: {BODY_BYTES}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=LONG_SECONDS)
    connection.sendall(head.encode() + bytes(SENT_BYTES))
    return connection


def download(service: Service, number: int) -> socket.socket:
    """One of which nobody reads more than the first bytes."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(LONG_SECONDS)
    connection.connect(("127.0.0.1", service.port))
    head = f"GET /files/download/{BUCKET}/large HTTP/1.1\r\nHost: a\r\nX-API-Key: {SERVICE_KEY}\r\n\r\n"
    connection.sendall(head.encode())
    assert connection.recv(15) == b"HTTP/1.1 200 OK"
    return connection


def most_while(service: Service, stall: Callable[[Service, int], socket.socket], count: int) -> int:
    """The most memory it has while so many stand still, its idle memory left out."""
    before = memory(service)
    with ExitStack() as stack, ThreadPoolExecutor(16) as pool:
        for connection in pool.map(partial(stall, service), range(count)):
            stack.enter_context(connection)
        most = memory(service)
        with service.client() as client:  # a client of good will, meanwhile
            client.put(f"/files/upload-direct/{BUCKET}/good", content=b"x" * MIB).raise_for_status()
            assert client.get(f"/files/download/{BUCKET}/good").content == b"x" * MIB
        most = max(most, memory(service))
    assert most < MOST_BYTES
    return most - before


@pytest.mark.parametrize("stall", [upload, download])
@pytest.mark.parametrize("count", [200, pytest.param(1_000, marks=pytest.mark.full)])
def test_bodies_that_stand_still_cost_little(service: Service, stall: Callable[..., socket.socket], count: int) -> None:
    grown = most_while(service, stall, count)
    assert grown < BUFFERS_BYTES + count * MOST_BYTES_EACH, f"{grown >> 20} MiB"
    staging = service.data / ".storage/staging"
    wait_until(lambda: not any(path.is_file() for path in staging.rglob("*")), tell=lambda: "staged bodies are left")


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_completion_that_names_ten_thousand_parts_costs_little(service: Service) -> None:
    """Each is too small to be one of many: the whole list is read, compared, and refused."""
    with Door(service, BUCKET) as door:
        place = Place(door, "in-parts")
        found = re.search(r"<UploadId>(.*?)</UploadId>", begin(place).raise_for_status().text)
        assert found
        place.upload = found[1]
        before = memory(service)
        with ThreadPoolExecutor(8) as pool:
            for answer in pool.map(lambda number: put_part(place, b"x", number), range(1, PARTS + 1)):
                answer.raise_for_status()
        refused: httpx.Response = complete(place, *[b"x"] * PARTS)
        assert (refused.status_code, "<Code>EntityTooSmall</Code>" in refused.text) == (400, True), refused.text[:500]
        assert memory(service) < min(MOST_BYTES, before + LISTED_BYTES)
