"""C4 by chance: parallel PATCHes, frozen clients, dropped ones, wrong ones, and looks at the offset all the while."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.service import Service
from tests.tus.conftest import Tus
from tests.tus.test_kills import Feeder

MOST_BYTES = 400_000
AT_ONCE = 16
TO_THE_END = 0.3  # how many pieces are the last one: else a schedule would take a dozen
STEPS = 200  # far more than any schedule needs
TAKEN, STALE, HELD, MISMATCH = 204, 409, 423, 460


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("schedules")
    with Service(place / "data", place, workers=2) as running:
        with running.client() as client:
            client.post("/buckets", json={"name": "films", "is_public": False}).raise_for_status()
        yield running


class Schedule:
    """One upload, and what several clients do to it, decided by the seed."""

    def __init__(self, service: Service, seed: int) -> None:
        self._chance = random.Random(seed)
        self._service = service
        self._key = f"schedule/{seed}"
        self._data = self._chance.randbytes(self._chance.randrange(1, MOST_BYTES))
        self._frozen: list[Feeder] = []
        self._seen = 0

    def run(self) -> list[str]:
        """Acts until the upload is whole; what they were."""
        acts: list[Callable[[Tus, str, int], None]] = [self._patch, self._race, self._freeze, self._drop, self._wrong]
        done: list[str] = []
        with self._service.client(timeout_seconds=60.0) as client:
            url = Tus(client).begin(len(self._data), key=self._key)
        while len(done) < STEPS:
            with self._service.client(timeout_seconds=60.0) as client:  # whichever worker the kernel picks
                tus = Tus(client)
                offset = self._look(tus, url)
                if offset == len(self._data):
                    break
                act = self._chance.choice(acts)
                done.append(act.__name__)
                act(tus, url, offset)
        for feeder in self._frozen:
            feeder.close()
        with self._service.client() as client:
            stored: httpx.Response = client.get(f"/files/download/films/{self._key}")
            assert hashlib.sha256(stored.content).digest() == hashlib.sha256(self._data).digest(), done
        return done

    def _look(self, tus: Tus, url: str) -> int:
        """The offset, which is on disk and never behind an earlier one."""
        offset = tus.offset(url)
        assert self._seen <= offset <= len(self._data)
        self._seen = offset
        if 0 < offset < len(self._data):
            path: Path = self._service.data / ".storage/uploads" / url.rpartition("/")[2] / "data"
            try:
                kept = path.read_bytes()
            except FileNotFoundError:  # a racer has made the object of it since
                assert tus.offset(url) == len(self._data)
            else:
                assert kept[:offset] == self._data[:offset], "the offset lies"
        return offset

    def _end(self, offset: int) -> int:
        whole = len(self._data)
        return whole if self._chance.random() < TO_THE_END else self._chance.randrange(offset + 1, whole + 1)

    def _patch(self, tus: Tus, url: str, offset: int) -> None:
        assert tus.patch(url, offset, self._data[offset : self._end(offset)]).status_code in {TAKEN, STALE, HELD}

    def _race(self, tus: Tus, url: str, offset: int) -> None:
        """Two clients at the same place: the bytes of one are taken, or of both where they go on from one another."""
        ends = [self._end(offset), self._end(offset)]
        found: list[int] = []

        def send(end: int) -> None:
            with self._service.client(timeout_seconds=60.0) as own:
                found.append(Tus(own).patch(url, offset, self._data[offset:end]).status_code)

        threads = [threading.Thread(target=send, args=(end,)) for end in ends]
        for thread in threads:
            thread.start()
        self._look(tus, url)
        for thread in threads:
            thread.join()
        assert set(found) <= {TAKEN, STALE, HELD}
        assert len(found) == len(ends)

    def _freeze(self, tus: Tus, url: str, offset: int) -> None:
        """Sends some of what it has announced and stands still, for good."""
        feeder = Feeder(self._service, url, offset, len(self._data) - offset)
        feeder.send(self._data[offset : self._chance.randrange(offset, len(self._data))])
        self._frozen.append(feeder)
        self._look(tus, url)

    def _drop(self, tus: Tus, url: str, offset: int) -> None:
        self._freeze(tus, url, offset)
        time.sleep(self._chance.choice((0.0, 0.05)))
        self._frozen.pop().close()

    def _wrong(self, tus: Tus, url: str, offset: int) -> None:
        """At another place, or with the checksum of other bytes: refused, and none of it is kept."""
        other = f"sha1 {b64encode(hashlib.sha1(b'other', usedforsecurity=False).digest()).decode()}"
        assert tus.patch(url, offset + 1, b"x").status_code in {STALE, HELD}
        refused = tus.patch(url, offset, self._data[offset : self._end(offset)], {"Upload-Checksum": other})
        assert refused.status_code in {MISMATCH, STALE, HELD}


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.full)])
def test_offset_never_lies_whoever_does_what(several: Service, count: int) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        schedules = [Schedule(several, 10_000 * count + seed) for seed in range(count)]
        acts = [act for done in pool.map(Schedule.run, schedules) for act in done]
    assert set(acts) == {"_patch", "_race", "_freeze", "_drop", "_wrong"}
    with several.client() as client:
        assert Tus(client).upload_bytes() == 0
