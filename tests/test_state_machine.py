"""C7: any sequence of requests, restarts, kills and rebuilds of a running service, with dictionaries as the model."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.support.service import Service

KEYS = ("a", "a/b", "dir/ü.txt", "%2F?#", "z" * 200)
KINDS = st.sampled_from(KEYS)
BUCKETS = st.sampled_from((0, 1))
SIZES = st.sampled_from((0, 5, 3_000, 20_000))  # the last is too long for the journal
MOST_SETTLES = 1  # by hand, of an example: each starts a program; the service settles by itself meanwhile
_numbers = itertools.count(1)


@dataclass
class Item:
    """A living version, or a delete marker (no body)."""

    version_id: str
    body: bytes | None
    is_null: bool
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass
class Shelf:
    """A bucket: a stack of versions for each key, newest first, and what can be brought back."""

    name: str
    id: str
    versioning: str = "off"
    public: bool = False
    stacks: dict[str, list[Item]] = field(default_factory=dict)
    ended: dict[str, list[Item]] = field(default_factory=dict)
    file_ids: dict[str, str] = field(default_factory=dict)

    def current(self, key: str) -> Item | None:
        top = next(iter(self.stacks.get(key, [])), None)
        return None if top is None or top.body is None else top

    def push(self, key: str, item: Item) -> None:
        stack = self.stacks.setdefault(key, [])
        if self.versioning != "on":
            self.ended.setdefault(key, []).extend(old for old in stack if old.is_null and old.body is not None)
            stack[:] = [old for old in stack if not old.is_null]
        stack.insert(0, item)

    def put(self, key: str, version_id: str, body: bytes | None, metadata: dict[str, str] | None = None) -> None:
        self.push(key, Item(version_id, body, self.versioning != "on", dict(metadata or {})))

    def end(self, key: str, marker_id: str) -> None:
        if self.versioning == "off":
            self.ended.setdefault(key, []).extend(self.stacks.pop(key))
        else:
            self.put(key, marker_id, None)

    @property
    def living(self) -> dict[str, Item]:
        return {key: item for key in self.stacks if (item := self.current(key)) is not None}


class Machine(RuleBasedStateMachine):
    """Each example has buckets of its own; the service is one for all."""

    service: ClassVar[Service]
    most_restarts: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__()
        number = next(_numbers)
        self.names = [f"machine-{number}-{index}" for index in (0, 1)]
        self.shelves: dict[int, Shelf] = {}
        self.restarts = self.settles = 0
        self.bodies = itertools.count()
        self.http = self.service.client()
        self.create(0, versioned=False)

    def teardown(self) -> None:
        self.look()
        self.http.close()

    def body(self, size: int) -> bytes:
        return hashlib.shake_128(f"{self.names} {next(self.bodies)}".encode()).digest(size)

    def path(self, verb: str, shelf: Shelf, key: str) -> str:
        return f"/files/{verb}{shelf.name}/{quote(key, safe='')}"

    # Buckets ----------------------------------------------------------------------------------------------------

    @rule(index=BUCKETS, versioned=st.booleans())
    def create(self, index: int, versioned: bool) -> None:
        state = "on" if versioned else "off"
        order = {"name": self.names[index], "is_public": False, "versioning": state}
        answer = self.http.post("/buckets", json=order)
        if index in self.shelves:
            assert answer.status_code == 409, answer.text
        else:
            assert answer.status_code == 201, answer.text
            self.shelves[index] = Shelf(self.names[index], answer.json()["id"], state)

    @rule(index=BUCKETS, versioning=st.sampled_from(("on", "suspended", "off")), public=st.booleans())
    def update(self, index: int, versioning: str, public: bool) -> None:
        options = {"versioning": versioning, "is_public": public}
        answer = self.http.put(f"/buckets/{self.names[index]}", json=options)
        shelf = self.shelves.get(index)
        if shelf is None:
            assert answer.status_code == 404
        elif versioning == "off" != shelf.versioning:
            assert answer.status_code == 400
        else:
            assert answer.status_code == 200, answer.text
            shelf.versioning, shelf.public = versioning, public

    @rule(index=BUCKETS, force=st.booleans())
    def delete_bucket(self, index: int, force: bool) -> None:
        answer = self.http.delete(f"/buckets/{self.names[index]}", params={"force": force})
        shelf = self.shelves.get(index)
        if shelf is None:
            assert answer.status_code == 404
        elif any(item.body is not None for stack in shelf.stacks.values() for item in stack) and not force:
            assert answer.status_code == 409
        else:
            assert answer.status_code == 204, answer.text
            del self.shelves[index]

    # Objects ----------------------------------------------------------------------------------------------------

    @rule(index=BUCKETS, key=KINDS, size=SIZES, only_new=st.booleans())
    def put(self, index: int, key: str, size: int, only_new: bool) -> None:
        shelf, body = self.shelves.get(index), self.body(size)
        headers = {"if-none-match": "*"} if only_new else {}
        answer = self.http.put(
            f"/files/upload-direct/{self.names[index]}/{quote(key, safe='')}", content=body, headers=headers
        )
        if shelf is None:
            assert answer.status_code == 404
        elif only_new and shelf.current(key) is not None:
            assert answer.status_code == 412, answer.text
        else:
            assert answer.status_code == 201, answer.text
            self.stored(shelf, key, answer.json(), body)

    def stored(self, shelf: Shelf, key: str, record: Any, body: bytes, metadata: Any = None) -> None:
        if shelf.current(key) is not None:
            assert record["id"] == shelf.file_ids[key], "an overwritten file keeps its id"
        assert record["etag"].strip('"') == hashlib.md5(body).hexdigest()
        shelf.file_ids[key] = record["id"]
        shelf.put(key, record["version_id"], body, metadata)

    @rule(index=BUCKETS, key=KINDS)
    def get(self, index: int, key: str) -> None:
        answer = self.http.get(f"/files/download/{self.names[index]}/{quote(key, safe='')}")
        shelf = self.shelves.get(index)
        item = None if shelf is None else shelf.current(key)
        if item is None:
            assert answer.status_code == 404
        else:
            assert (answer.status_code, answer.content) == (200, item.body)

    @rule(index=BUCKETS, key=KINDS)
    def delete(self, index: int, key: str) -> None:
        answer = self.http.delete(f"/files/{self.names[index]}/{quote(key, safe='')}")
        shelf = self.shelves.get(index)
        if shelf is None or shelf.current(key) is None:
            assert answer.status_code == 404, answer.text
        else:
            assert answer.status_code == 204, answer.text
            shelf.end(key, answer.headers["x-version-id"])

    @precondition(lambda self: 0 in self.shelves)
    @rule(key=KINDS, pick=st.integers(0, 3))
    def delete_version(self, key: str, pick: int) -> None:
        shelf = self.shelves[0]
        stack = shelf.stacks.get(key)
        if not stack:
            return
        item = stack[pick % len(stack)]
        answer = self.http.delete(self.path("", shelf, key), params={"version_id": item.version_id})
        assert answer.status_code == 204, answer.text
        stack.remove(item)
        if item.body is not None:
            shelf.ended.setdefault(key, []).append(item)
        if (heir := shelf.current(key)) is not None:
            record = self.http.get(self.path("info/", shelf, key)).json()
            assert record["version_id"] == heir.version_id
            shelf.file_ids[key] = record["id"]

    @rule(index=BUCKETS, key=KINDS, to=BUCKETS, name=KINDS, move=st.booleans(), overwrite=st.booleans())
    def copy(self, index: int, key: str, to: int, name: str, move: bool, overwrite: bool) -> None:
        source, aim = self.shelves.get(index), self.shelves.get(to)
        places = [{"bucket": self.names[one], "key": it} for one, it in ((index, key), (to, name))]
        order = {"source": places[0], "target": places[1], "overwrite": overwrite}
        answer = self.http.post("/files/move" if move else "/files/copy", json=order)
        item = None if source is None else source.current(key)
        if source is None or aim is None or item is None or item.body is None:
            assert answer.status_code == 404, answer.text
        elif move and (index, key) == (to, name):
            assert answer.status_code == 400, answer.text
        elif not overwrite and aim.current(name) is not None:
            assert answer.status_code == 409, answer.text
        else:
            assert answer.status_code == 201, answer.text
            self._copied(source, key, aim, name, answer.json(), move=move)

    def _copied(self, source: Shelf, key: str, aim: Shelf, target: str, record: Any, *, move: bool) -> None:
        item = source.current(key)
        assert item is not None and item.body is not None
        if not move:
            self.stored(aim, target, record, item.body, item.metadata)
            return
        assert record["id"] == source.file_ids[key], "a moved file keeps its id"
        versions = self.http.get(self.path("versions/", source, key))
        marker = versions.json()[0]["version_id"] if source.versioning != "off" else ""
        source.end(key, marker)
        aim.file_ids[target] = record["id"]
        aim.put(target, record["version_id"], item.body, item.metadata)

    @precondition(lambda self: 0 in self.shelves)
    @rule(key=KINDS, name=st.sampled_from(("one", "two")), merge=st.booleans())
    def metadata(self, key: str, name: str, merge: bool) -> None:
        shelf = self.shelves[0]
        order = {"metadata": {name: str(next(self.bodies))}}
        answer = self.http.request("PATCH" if merge else "PUT", self.path("metadata/", shelf, key), json=order)
        item = shelf.current(key)
        if item is None:
            assert answer.status_code == 404
        else:
            assert answer.status_code == 200, answer.text
            item.metadata = {**(item.metadata if merge else {}), **order["metadata"]}

    @precondition(lambda self: 0 in self.shelves)
    @rule(key=KINDS, pick=st.integers(0, 3))
    def restore(self, key: str, pick: int) -> None:
        """Of what was ended, or lies under the current version."""
        shelf = self.shelves[0]
        known = [*shelf.ended.get(key, []), *(item for item in shelf.stacks.get(key, []) if item.body is not None)]
        if not known:
            assert self.http.post(self.path("restore/", shelf, key)).status_code == 404
            return
        item = known[pick % len(known)]
        answer = self.http.post(self.path("restore/", shelf, key), json={"version_id": item.version_id})
        assert answer.status_code == 201, answer.text
        assert item.body is not None
        self.stored(shelf, key, answer.json(), item.body, item.metadata)

    # The machine ------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.settles < MOST_SETTLES)
    @rule()
    def settle(self) -> None:
        self.settles += 1
        done = self.service.run("settle", "--wait")
        assert done.returncode == 0, done.stderr

    @precondition(lambda self: self.restarts < self.most_restarts)
    @rule(how=st.sampled_from(("stop", "kill", "rebuild")))
    def restart(self, how: str) -> None:
        self.restarts += 1
        self.http.close()
        if how == "rebuild":
            self.settle()
        if how != "kill":
            self.service.stop()
        self.service.kill_all()
        if how == "rebuild":
            for path in (self.service.data / ".storage").glob("catalog.db*"):
                path.unlink()
        self.service.start()
        self.http = self.service.client()
        self.look()

    @rule()
    def look(self) -> None:
        """All of it: lists, counters, bytes, metadata, versions."""
        for index, name in enumerate(self.names):
            shelf = self.shelves.get(index)
            answer = self.http.get(f"/buckets/{name}")
            if shelf is None:
                assert answer.status_code == 404
                continue
            self._look_at_bucket(shelf, answer)
            for key in KEYS:
                self._look_at_key(shelf, key)

    def _look_at_bucket(self, shelf: Shelf, answer: httpx.Response) -> None:
        record, living = answer.json(), shelf.living
        assert (record["id"], record["is_public"]) == (shelf.id, shelf.public)
        counted = (record["file_count"], record["total_size"])
        assert counted == (len(living), sum(len(item.body or b"") for item in living.values()))
        listed = self.http.get(f"/files/list/{shelf.name}").raise_for_status().json()
        assert [row["object_name"] for row in listed] == sorted(living, key=str.encode)

    def _look_at_key(self, shelf: Shelf, key: str) -> None:
        item = shelf.current(key)
        answer = self.http.get(self.path("download/", shelf, key))
        assert (answer.status_code, item and answer.content) == ((404, None) if item is None else (200, item.body))
        if item is not None:
            record = self.http.get(self.path("info/", shelf, key)).json()
            assert (record["metadata"], record["id"]) == (item.metadata, shelf.file_ids[key])
        stack = shelf.stacks.get(key)
        versions = self.http.get(self.path("versions/", shelf, key))
        if not stack:
            assert versions.status_code == 404
        else:
            assert [row["version_id"] for row in versions.json()] == [one.version_id for one in stack]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    top: Path = tmp_path_factory.mktemp("machine")
    with Service(top / "data", top) as running:
        yield running


def run(service: Service, examples: int, steps: int, restarts: int) -> None:
    Machine.service, Machine.most_restarts = service, restarts
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks
        ),
    )


@pytest.mark.ci
@pytest.mark.timeout(600)
def test_sequences_with_restarts_kills_and_rebuilds(service: Service) -> None:
    run(service, examples=20, steps=30, restarts=1)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_many_long_sequences(service: Service) -> None:
    run(service, examples=150, steps=50, restarts=3)
