"""C4: the offset never lies. Clients that stall, leave or come twice, and a service that is killed meanwhile."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.service import Service
from tests.tus.conftest import OFFSET_TYPE, Tus

MIB = 1 << 20


def filler(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


class Feeder:
    """A PATCH on a raw socket: sends what it is told, and then just stands there."""

    def __init__(self, service: Service, url: str, offset: int, length: int) -> None:
        path = urlsplit(url).path
        head = (
            f"PATCH {path} HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\nAuthorization: Bearer {service.token()}\r\n"
            f"Tus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\nContent-Type: {OFFSET_TYPE}\r\n"
            f"Content-Length: {length}\r\n\r\n"
        )
        self._socket = socket.create_connection(("127.0.0.1", service.port), timeout=30)
        self._socket.sendall(head.encode())

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def status(self) -> int:
        self._socket.settimeout(15)
        return int(self._socket.recv(65536).split(b" ")[1])

    def close(self) -> None:
        self._socket.close()


def wait_for_offset(tus: Tus, url: str, offset: int, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while (found := tus.offset(url)) != offset:
        assert time.monotonic() < deadline, f"offset is {found}, not {offset}"
        time.sleep(0.05)


def test_what_came_before_a_dropped_connection_is_kept(tus: Tus, service: Service) -> None:
    data = filler(1, 3 * MIB)
    url = tus.begin(len(data), key="dropped")
    feeder = Feeder(service, url, 0, len(data))
    feeder.send(data[:MIB])
    feeder.close()
    wait_for_offset(tus, url, MIB)
    assert tus.patch(url, MIB, data[MIB:]).status_code == 204
    assert tus.read("dropped") == data


def test_newcomer_takes_over_from_a_stalled_client_within_ten_seconds(tus: Tus, service: Service) -> None:
    data = filler(2, 3 * MIB)
    url = tus.begin(len(data), key="stalled")
    feeder = Feeder(service, url, 0, len(data))
    feeder.send(data[:MIB])
    wait_for_offset(tus, url, MIB)
    started = time.monotonic()
    assert tus.patch(url, MIB, data[MIB:]).status_code == 204
    assert time.monotonic() - started < 10.0
    assert feeder.status() == 423
    feeder.close()
    assert tus.read("stalled") == data


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "data", tmp_path, workers=2) as running:
        with running.client() as client:
            client.post("/buckets", json={"name": "films"}).raise_for_status()
        yield running


def test_writers_in_several_workers_take_turns_and_the_bytes_are_right(several: Service) -> None:
    """Each speaks to whichever worker the kernel picks; all send the same bytes from where they find the upload."""
    data = filler(3, 12 * MIB)
    with several.client() as client:
        url = Tus(client).begin(len(data), key="turns")
    done = threading.Event()
    strange: list[tuple[int, str]] = []

    def write(seed: int) -> None:
        chance = random.Random(seed)
        while not done.is_set():
            with several.client() as own:
                tus = Tus(own)
                offset = tus.offset(url)
                if offset == len(data):
                    done.set()
                    return
                end = min(len(data), offset + chance.randrange(1, 3 * MIB))
                answer = tus.patch(url, offset, data[offset:end])
                if answer.status_code not in {204, 409, 423}:
                    strange.append((answer.status_code, answer.text))
                    done.set()

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=90)
    assert strange == []
    with several.client() as client:
        assert Tus(client).read("turns") == data


@pytest.mark.parametrize("cycles", [4, pytest.param(30, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
def test_offset_after_a_kill_is_what_is_on_disk(tmp_path: Path, cycles: int) -> None:
    """Killed while a PATCH is under way: nothing acknowledged is lost, and going on from the offset gives the bytes."""
    chance = random.Random(4)
    data = filler(4, 24 * MIB)
    with Service(tmp_path / "data", tmp_path) as service:
        with service.client() as client:
            client.post("/buckets", json={"name": "films"}).raise_for_status()
        for cycle in range(cycles):
            with service.client() as client:
                url = Tus(client).begin(len(data), key=f"killed/{cycle}")
            told, kills = 0, 0
            while kills < 2:
                told = grow(service, url, data, told, chance)
                service.kill_all()
                service.start()
                kills += 1
                with service.client() as client:
                    offset = Tus(client).offset(url)
                    assert told <= offset <= len(data), "an acknowledged piece was lost"
                    stored = service.data / ".storage/uploads" / url.rpartition("/")[2] / "data"
                    kept = stored.read_bytes() if offset else b""  # killed before the first byte: no file yet
                    assert kept[:offset] == data[:offset]
                    assert Tus(client).upload_bytes() == offset, "usage is not exact"
                    told = offset
            finish(service, url, data, f"killed/{cycle}")
        with service.client() as client:
            assert Tus(client).upload_bytes() == 0
        service.stop()
        found = service.run("check", "--json")
        assert json.loads(found.stdout)["problems"] == []


def grow(service: Service, url: str, data: bytes, offset: int, chance: random.Random) -> int:
    """Some acknowledged pieces, then one that hangs half sent. How far it was acknowledged."""
    with service.client() as client:
        for _ in range(chance.randrange(0, 3)):
            end = min(len(data) - 4 * MIB, offset + chance.randrange(1, 4 * MIB))
            if end <= offset:
                break
            assert Tus(client).patch(url, offset, data[offset:end]).status_code == 204
            offset = end
    feeder = Feeder(service, url, offset, len(data) - offset)
    feeder.send(data[offset : offset + chance.randrange(1, 3 * MIB)])
    time.sleep(chance.choice((0.0, 0.1, 1.6)))  # before, amid and behind the writer's own commit
    feeder.close()
    return offset


def finish(service: Service, url: str, data: bytes, key: str) -> None:
    with service.client() as client:
        tus = Tus(client)
        offset = tus.offset(url)
        assert tus.patch(url, offset, data[offset:]).status_code == 204
        found: httpx.Response = client.get(f"/files/download/films/{key}")
        assert hashlib.sha256(found.content).digest() == hashlib.sha256(data).digest()
