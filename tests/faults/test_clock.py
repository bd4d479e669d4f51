"""E5: the wall clock jumps while the service runs. Nothing is deleted because of that, and nothing is mixed up."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.support.ready import wait_until
from tests.support.service import SERVICE_KEY, Service
from tests.support.shim import Shim, shim_over

DAY = 86_400
JUMPS = (-5, 3_600, -3_600, DAY, -DAY, 3_650 * DAY, 0)
LONG_SECONDS = 60.0
CLEARING_SECONDS = 5.0  # the jobs that remove something come round in this time
HEADERS = {"authorization": f"Bearer {SERVICE_KEY}"}  # a token would run out, and rightly so


class Clocked(NamedTuple):
    service: Service
    shim: Shim
    client: httpx.Client

    def put(self, key: str, body: bytes) -> httpx.Response:
        return self.client.put(f"/files/upload-direct/clocks/{key}", content=body)

    def get(self, key: str) -> httpx.Response:
        return self.client.get(f"/files/download/clocks/{key}")


@pytest.fixture
def clocked(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clocked]:
    data = tmp_path / "data"
    data.mkdir()
    with (
        shim_over(data, tmp_path_factory.getbasetemp()) as shim,
        Service(data, tmp_path, environment=shim.environment()) as service,
        httpx.Client(base_url=service.url, headers=HEADERS, timeout=LONG_SECONDS) as client,
    ):
        client.post("/buckets", json={"name": "clocks"}).raise_for_status()
        yield Clocked(service, shim, client)


def begin_upload(clocked: Clocked) -> str:
    """A resumable upload under way; where it goes on."""
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": "bucket Y2xvY2tz,key dHVz"}
    made = clocked.client.post("/files/resumable", headers=headers)
    assert made.status_code == 201, made.text
    return made.headers["location"]


def append(clocked: Clocked, url: str, offset: int, data: bytes) -> httpx.Response:
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
    }
    return clocked.client.patch(url, content=data, headers=headers)


def is_in_trash(clocked: Clocked, key: str) -> bool:
    found = clocked.client.get(f"/files/versions/clocks/{key}", params={"trash": "true"})
    return found.status_code == 200 and len(found.json()) > 0


def test_jumps_delete_nothing_and_later_writes_win(clocked: Clocked) -> None:
    clocked.put("deleted", b"deleted").raise_for_status()
    clocked.client.delete("/files/clocks/deleted").raise_for_status()
    url = begin_upload(clocked)
    append(clocked, url, 0, b"01234").raise_for_status()
    for number, jump in enumerate(JUMPS):
        clocked.shim.set_clock(jump)
        clocked.put("kept", f"body {number}".encode() * 3_000).raise_for_status()
        assert clocked.get("kept").content == f"body {number}".encode() * 3_000, jump
        if abs(jump) > DAY:
            time.sleep(CLEARING_SECONDS)
        assert is_in_trash(clocked, "deleted"), jump
    append(clocked, url, 5, b"56789").raise_for_status()
    assert clocked.get("tus").content == b"0123456789"
    clocked.client.post("/files/restore/clocks/deleted").raise_for_status()
    assert clocked.get("deleted").content == b"deleted"
    assert clocked.service.run("settle", "--wait", "--timeout", "60").returncode == 0
    assert clocked.service.run("check", "--json").returncode == 0


def test_jump_is_said_and_forgotten(clocked: Clocked) -> None:
    clocked.shim.set_clock(10 * DAY)
    wait_for_problem(clocked, "clock", there=True)
    clocked.shim.set_clock(0)
    wait_for_problem(clocked, "clock", there=False)


def wait_for_problem(clocked: Clocked, word: str, *, there: bool) -> None:
    def problems() -> list[str]:
        found: list[str] = clocked.client.get("/health").json()["problems"]
        return found

    wait_until(lambda: any(word in problem for problem in problems()) == there, tell=problems)
