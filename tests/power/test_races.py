"""C1 and C2: readers never see half a body, and of many conditional writers exactly one wins."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import pytest

from tests.power.bench import SMALL_DISK
from tests.power.door import Door, etag_of
from tests.support.model import render_body
from tests.support.service import Service

pytestmark = pytest.mark.timeout(1800)

WORKERS: Final = 4
WRITERS: Final = 4
READERS: Final = 16
KEYS: Final = [f"raced/{number}" for number in range(8)]
MAX_BODY_BYTES: Final = 8 << 20
RANGE_BYTES: Final = 1000
CONTENDERS: Final = 8


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "data", tmp_path, WORKERS, SMALL_DISK) as started:
        with Door(started, "races") as door:
            door.create_bucket().raise_for_status()
        yield started


class Written(NamedTuple):
    """What a body can be made from again, so that none has to be kept."""

    key: str
    stamp: str
    length: int

    def body(self) -> bytes:
        return render_body(self.stamp, self.length)


class Bodies:
    """All bodies that may be read, by ETag; entered before they are sent."""

    def __init__(self) -> None:
        self._by_etag: dict[str, Written] = {}

    def add(self, written: Written) -> bytes:
        body = written.body()
        self._by_etag[etag_of(body)] = written
        return body

    def complaint(self, key: str, response: httpx.Response, is_head: bool) -> str | None:
        """What is wrong with a full, ranged or HEAD answer, if anything."""
        if response.status_code not in {200, 206}:
            return f"{key}: {response.status_code} {response.text[:100]}"
        written = self._by_etag.get(response.headers["etag"])
        if written is None or written.key != key:
            return f"{key}: ETag {response.headers['etag']} was never written there"
        expected = written.body()
        if response.status_code == 206:
            expected = expected[:RANGE_BYTES]
        if int(response.headers["content-length"]) != len(expected):
            return f"{key}: length {response.headers['content-length']}, not {len(expected)}"
        if not is_head and response.content != expected:
            return f"{key}: bytes are not those of {written}"
        return None


def overwrite_until(stop: threading.Event, service: Service, bodies: Bodies, writer: int) -> None:
    random_ = random.Random(writer)
    with Door(service, "races") as door:
        counter = 0
        while not stop.is_set():
            counter += 1
            length = int(2 ** random_.uniform(7, 23)) if counter % 10 == 0 else 1 << 12
            length = min(MAX_BODY_BYTES, length + random_.randrange(1000))
            key = random_.choice(KEYS)
            body = bodies.add(Written(key, f"{writer}.{counter}", length))
            door.put(key, body).raise_for_status()
            time.sleep(0.01)  # the readers are what is measured


def read_many(service: Service, bodies: Bodies, reader: int, reads: int) -> list[str]:
    random_ = random.Random(reader)
    complaints = []
    with Door(service, "races") as door:
        for _ in range(reads):
            key, kind = random_.choice(KEYS), random_.randrange(4)
            if kind == 0:
                response = door.head(key)
            elif kind == 1:
                response = door.get(key, {"range": f"bytes=0-{RANGE_BYTES - 1}"})
            else:
                response = door.get(key)
            complaint = bodies.complaint(key, response, is_head=kind == 0)
            if complaint:
                complaints.append(complaint)
    return complaints


@pytest.mark.parametrize(
    "reads",
    [pytest.param(4_000, marks=pytest.mark.ci), pytest.param(20_000, marks=pytest.mark.full)],
)
def test_readers_of_overwritten_keys_never_see_two_bodies_in_one(service: Service, reads: int) -> None:
    bodies, stop = Bodies(), threading.Event()
    with Door(service, "races") as door:
        for key in KEYS:
            door.put(key, bodies.add(Written(key, f"first.{key}", 5000))).raise_for_status()
    with ThreadPoolExecutor(WRITERS + READERS) as pool:
        writers = [pool.submit(overwrite_until, stop, service, bodies, number) for number in range(WRITERS)]
        readers = [pool.submit(read_many, service, bodies, number, reads // READERS) for number in range(READERS)]
        try:
            complaints = [text for reader in readers for text in reader.result()]
        finally:
            stop.set()
        for writer in writers:
            writer.result()
    assert complaints == []


def count_up(service: Service, successes: int) -> int:
    """Add 1 under If-Match until it worked `successes` times; how often it was refused."""
    refusals = done = 0
    with Door(service, "races") as door:
        while done < successes:
            seen = door.get("counter").raise_for_status()
            following = str(int(seen.content) + 1).encode()
            answer = door.put("counter", following, {"if-match": seen.headers["etag"]})
            if answer.is_success:
                done += 1
            else:
                assert answer.status_code == 412, answer.text
                refusals += 1
    return refusals


@pytest.mark.parametrize(
    ("clients", "each"),
    [
        pytest.param(16, 15, marks=pytest.mark.ci),
        pytest.param(64, 16, marks=pytest.mark.full),
    ],
)
def test_counter_under_if_match_loses_no_update(service: Service, clients: int, each: int) -> None:
    with Door(service, "races") as door, ThreadPoolExecutor(clients) as pool:
        door.put("counter", b"0").raise_for_status()
        refusals = sum(pool.map(lambda _: count_up(service, each), range(clients)))
        assert int(door.get("counter").content) == clients * each
    assert refusals > 0, "nobody met: nothing was raced"


def race(contenders: list[Door], act: Callable[[Door, int], httpx.Response]) -> list[int]:
    """All at once; the statuses."""
    line = threading.Barrier(len(contenders))

    def run(number: int) -> int:
        line.wait()
        return act(contenders[number], number).status_code

    with ThreadPoolExecutor(len(contenders)) as pool:
        return list(pool.map(run, range(len(contenders))))


@pytest.mark.parametrize("rounds", [pytest.param(60, marks=pytest.mark.ci), pytest.param(1000, marks=pytest.mark.full)])
@pytest.mark.parametrize("length", [200, 40_000], ids=["small", "large"])
def test_if_none_match_any_has_exactly_one_winner(service: Service, rounds: int, length: int) -> None:
    contenders = [Door(service, "races") for _ in range(CONTENDERS)]
    try:
        for round_ in range(rounds):
            key = f"created/{length}/{round_}"

            def create(door: Door, number: int, key: str = key) -> httpx.Response:
                return door.put(key, render_body(str(number), length), {"if-none-match": "*"})

            statuses = race(contenders, create)
            assert sorted(statuses) == [201] + [412] * (CONTENDERS - 1)
            winner = str(statuses.index(201))
            assert contenders[0].get(key).content == render_body(winner, length)
    finally:
        for door in contenders:
            door.http.close()
