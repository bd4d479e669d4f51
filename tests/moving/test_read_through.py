"""A bucket takes from its origin what has not arrived: once, for good, and nothing that was deleted here."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import httpx
import pytest
from botocore.exceptions import ClientError

from storage_service.client import Client, NotFound
from storage_service.moving.sources.s3 import S3Source
from storage_service.remote import Endpoint, S3Server
from tests.moving.bad_server import BadServer, Handler, bad_server
from tests.moving.conftest import ROOT, ROOT_KEYS, ROOT_SECRET, Move, s3_client
from tests.support.service import SERVICE_KEY, Service

pytestmark = [pytest.mark.ci, pytest.mark.timeout(600)]

HEADERS = {"Authorization": f"Bearer {SERVICE_KEY}"}
SECRET = "secret-of-the-origin"
POOL = 50  # connections of one client: httpx looks through all of a pool for each request
LARGE = os.urandom(3 << 20)


@pytest.fixture
def old() -> Iterator[BadServer]:
    with bad_server() as running:
        yield running


@pytest.fixture
def api(service: Service) -> Iterator[Client]:
    with Client(service.url, api_key=SERVICE_KEY, retries=0) as client:
        yield client


@pytest.fixture(params=["off", "on"])
def either(request: pytest.FixtureRequest, api: Client, old: BadServer) -> str:
    """Without and with versions."""
    return new_bucket(api, old, request.param)


@pytest.fixture
def bucket(api: Client, old: BadServer) -> str:
    return new_bucket(api, old, "off")


def new_bucket(api: Client, old: BadServer, versioning: Literal["off", "on"]) -> str:
    """The old server is its origin."""
    name = f"through-{uuid4().hex[:8]}"
    api.buckets.create(name, versioning=versioning)
    api.buckets.set_origin(name, old.url, bucket="old", access_key="old-key", secret_key=SECRET)
    return name


def status_of(call: Any, **arguments: Any) -> int:
    try:
        answer = call(**arguments)
    except ClientError as error:
        answer = error.response
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def test_an_object_arrives_with_all_that_is_said_of_it_and_stays(
    service: Service, old: BadServer, target: Any, api: Client, bucket: str
) -> None:
    old.objects = {"a b/ü": b"hello", "large": LARGE, "by-json": b"json", "empty": b""}
    old.headers = {"Content-Type": "text/x-odd", "x-amz-meta-who": "me", "Cache-Control": "max-age=3"}
    found = target.get_object(Bucket=bucket, Key="a b/ü")
    assert (found["Body"].read(), found["ContentType"], found["Metadata"]) == (b"hello", "text/x-odd", {"who": "me"})
    assert target.get_object(Bucket=bucket, Key="large", Range="bytes=5-9")["Body"].read() == LARGE[5:10]
    assert target.head_object(Bucket=bucket, Key="empty")["ContentLength"] == 0
    with api.bucket(bucket).get("by-json") as answer:
        assert answer.read() == b"json"
    asked = dict(old.asked)
    old.objects = {}
    assert target.get_object(Bucket=bucket, Key="large")["Body"].read() == LARGE
    assert api.bucket(bucket).head("by-json").size == 4
    assert dict(old.asked) == asked
    assert status_of(target.get_object, Bucket=bucket, Key="nowhere") == 404


def test_only_who_may_read_makes_an_object_arrive(service: Service, old: BadServer, bucket: str) -> None:
    old.objects = {"k": b"x"}
    for path in (f"/{bucket}/k", f"/files/download/{bucket}/k", f"/storage/{bucket}/k"):
        assert httpx.get(service.url + path).status_code in {401, 403}
    assert not old.asked


def test_what_was_deleted_here_never_comes_back(old: BadServer, target: Any, api: Client, either: str) -> None:
    ways = ("s3", "bulk", "json", "purged", "never-arrived", "by-version", "moved")
    old.objects = dict.fromkeys(ways, b"old")
    for key in set(ways) - {"never-arrived"}:
        target.get_object(Bucket=either, Key=key)
    target.delete_object(Bucket=either, Key="s3")
    target.delete_objects(Bucket=either, Delete={"Objects": [{"Key": "bulk"}]})
    api.bucket(either).delete("json")
    api.bucket(either).delete("purged", purge=True)
    target.delete_object(Bucket=either, Key="never-arrived")
    version = api.bucket(either).head("by-version").version_id
    api.bucket(either).delete("by-version", version_id=version)
    api.bucket(either).move("moved", "moved-to")
    for key in ways:
        assert status_of(target.get_object, Bucket=either, Key=key) == 404, key
        with pytest.raises(NotFound):
            api.bucket(either).head(key)
    assert target.get_object(Bucket=either, Key="moved-to")["Body"].read() == b"old"
    target.put_object(Bucket=either, Key="s3", Body=b"new")
    assert target.get_object(Bucket=either, Key="s3")["Body"].read() == b"new"
    target.delete_object(Bucket=either, Key="s3")
    assert status_of(target.get_object, Bucket=either, Key="s3") == 404


def test_what_is_written_here_wins_and_conditions_know_the_origin(old: BadServer, target: Any, either: str) -> None:
    old.objects = {"written": b"old", "conditional": b"old", "tagged": b"old"}
    target.put_object(Bucket=either, Key="written", Body=b"new")
    assert target.get_object(Bucket=either, Key="written")["Body"].read() == b"new"
    assert "written" not in old.asked
    assert status_of(target.put_object, Bucket=either, Key="conditional", Body=b"new", IfNoneMatch="*") == 412
    target.put_object_tagging(Bucket=either, Key="tagged", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert target.get_object_tagging(Bucket=either, Key="tagged")["TagSet"] == [{"Key": "a", "Value": "b"}]


def test_many_who_ask_at_once_make_one_fetch(service: Service, old: BadServer, bucket: str) -> None:
    old.objects = {"k": LARGE}

    def slow(handler: Handler, body: bytes, count: int) -> bool:
        time.sleep(0.3)
        return False

    old.every = slow
    with ThreadPoolExecutor(20) as pool:
        url = f"{service.url}/files/download/{bucket}/k"
        answers = list(pool.map(lambda _: httpx.get(url, headers=HEADERS, timeout=60), range(20)))
    assert all(answer.content == LARGE for answer in answers)
    assert old.asked["k"] == 1


def test_an_origin_that_fails_is_an_error_and_not_a_missing_object(
    old: BadServer, target: Any, api: Client, bucket: str
) -> None:
    old.objects = {"here": b"x", "broken": b"x", "wrong": b"right"}
    target.get_object(Bucket=bucket, Key="here")

    def broken(handler: Handler, body: bytes, count: int) -> bool:
        handler.answer(500, b"")
        return True

    def wrong(handler: Handler, body: bytes, count: int) -> bool:
        handler.give(b"wrong", etag="0" * 32)
        return True

    old.faults = {"broken": broken, "wrong": wrong}
    for key in ("broken", "wrong"):
        assert status_of(target.get_object, Bucket=bucket, Key=key) == 503
    assert target.get_object(Bucket=bucket, Key="here")["Body"].read() == b"x"
    old.faults = {}
    assert target.get_object(Bucket=bucket, Key="broken")["Body"].read() == b"x"
    assert target.get_object(Bucket=bucket, Key="wrong")["Body"].read() == b"right"


def run_cli(service: Service, place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    keys = {"STORAGE_SERVICE_API_KEY": SERVICE_KEY, **ROOT_KEYS}
    environment = {"PATH": os.environ["PATH"], "STORAGE_PATH": str(service.data), "PORT": str(service.port), **keys}
    command = [sys.executable, "-m", "storage_service.cli.main", *words]
    return subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, check=False)


def test_the_rest_is_fetched_and_the_cut_over_ends_it(
    service: Service, old: BadServer, target: Any, api: Client, bucket: str, tmp_path: Path
) -> None:
    old.objects = {f"k{number:04}": b"%d" % number for number in range(1020)}
    target.get_object(Bucket=bucket, Key="k0001")
    target.delete_object(Bucket=bucket, Key="k0002")
    target.put_object(Bucket=bucket, Key="k0003", Body=b"written here")
    filled = run_cli(service, tmp_path, "import", "--origin", bucket, "--json")
    record = json.loads(filled.stdout)
    assert (record["moved"], record["there"], record["kept"], record["failed"]) == (1017, 2, 1, 0)
    over = run_cli(service, tmp_path, "origin", "cut-over", bucket)
    assert over.returncode == 0, over.stderr
    assert "cut off" in over.stdout
    asked = sum(old.asked.values())
    old.objects["later"] = b"x"
    assert status_of(target.get_object, Bucket=bucket, Key="later") == 404
    assert status_of(target.get_object, Bucket=bucket, Key="k0002") == 404
    assert target.get_object(Bucket=bucket, Key="k0700")["Body"].read() == b"700"
    assert sum(old.asked.values()) == asked
    assert api.buckets.get_origin(bucket)["ended_at"]


def test_an_import_does_not_bring_back_what_was_deleted_before_it_arrived(
    old: BadServer, target: Any, bucket: str, move: Move
) -> None:
    old.objects = {"k": b"x"}
    target.delete_object(Bucket=bucket, Key="k")
    tally = move(S3Source(S3Server(Endpoint(old.url))), buckets=("old",), renamed=bucket)
    assert "import --origin" in tally.failures[0].reason
    assert status_of(target.get_object, Bucket=bucket, Key="k") == 404


def test_deletes_and_origins_are_remembered_by_a_rebuilt_catalog(old: BadServer, tmp_path: Path) -> None:
    old.objects = {"gone": b"x", "later": b"y"}
    with Service(tmp_path / "data", tmp_path / "logs", environment=ROOT_KEYS) as first:
        target = s3_client(first.url, ROOT, ROOT_SECRET)
        with Client(first.url, api_key=SERVICE_KEY) as api:
            name = new_bucket(api, old, "off")
        target.delete_object(Bucket=name, Key="gone")
    for path in (tmp_path / "data" / ".storage").glob("catalog.db*"):
        path.unlink()
    with Service(tmp_path / "data", tmp_path / "logs", environment=ROOT_KEYS) as second:
        target = s3_client(second.url, ROOT, ROOT_SECRET)
        assert status_of(target.get_object, Bucket=name, Key="gone") == 404
        assert target.get_object(Bucket=name, Key="later")["Body"].read() == b"y"


def test_the_secret_of_an_origin_is_nowhere_in_the_store(service: Service, api: Client, bucket: str) -> None:
    assert "secret" not in json.dumps(api.buckets.get_origin(bucket))
    files = [path for path in service.data.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


class Load:
    """Clients that read, write and delete; what none of them may see is in `wrong`."""

    def __init__(self, clients: Sequence[httpx.AsyncClient], bucket: str, objects: dict[str, bytes]) -> None:
        self._clients = itertools.cycle(clients)
        self._bucket = bucket
        self._objects = objects
        self.deleted: set[str] = set()
        self.written: set[str] = set()
        self.wrong: list[str] = []

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Again where an idle connection was closed as it was used: all that is asked here may be repeated."""
        client = next(self._clients)
        for _ in range(4):
            try:
                return await client.request(method, path, **more)
            except httpx.TransportError:
                continue
        return await client.request(method, path, **more)

    async def one(self, number: int, requests: int) -> None:
        own = random.Random(number)
        for _ in range(requests):
            key, kind = f"k{own.randrange(len(self._objects))}", own.random()
            if kind < 0.05:
                self.deleted.add(key)
                await self.ask("DELETE", f"/files/{self._bucket}/{key}")
            elif kind < 0.1:
                self.written.add(key)
                files = {"file": (key, b"new " + key.encode())}
                await self.ask("POST", f"/files/upload/{self._bucket}/{key}?upsert=true", files=files)
            else:
                await self.read(key)

    async def read(self, key: str) -> None:
        answer = await self.ask("GET", f"/files/download/{self._bucket}/{key}")
        good = answer.status_code == 503  # the origin failed each time
        if answer.status_code == 200:
            good = answer.content in {self._objects[key], b"new " + key.encode()}
        elif answer.status_code == 404:
            good = key in self.deleted
        if not good:
            self.wrong.append(f"{key}: {answer.status_code}")

    async def check_deleted(self) -> None:
        for key in self.deleted - self.written:
            answer = await self.ask("GET", f"/files/download/{self._bucket}/{key}")
            assert answer.status_code == 404, key


def far_away() -> Callable[[Handler, bytes, int], bool]:
    """20 ms, and 5 of 100 requests fail."""
    dice, lock = random.Random(7), threading.Lock()

    def fault(handler: Handler, body: bytes, count: int) -> bool:
        time.sleep(0.02)
        with lock:
            fails = dice.random() < 0.05
        if fails:
            handler.answer(503, b"")
        return fails

    return fault


@pytest.mark.parametrize(
    ("connections", "reads"), [(50, 5), pytest.param(1000, 20, marks=[pytest.mark.full, pytest.mark.timeout(1800)])]
)
async def test_many_readers_beside_writers_and_deleters_and_an_origin_far_away(
    service: Service, old: BadServer, api: Client, connections: int, reads: int
) -> None:
    bucket = f"load-{uuid4().hex[:8]}"
    api.buckets.create(bucket)
    api.buckets.set_origin(bucket, old.url, bucket="old")
    old.objects = {f"k{number}": b"%d" % number * 100 for number in range(connections)}
    old.every = far_away()
    limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)
    how: dict[str, Any] = {"base_url": service.url, "headers": HEADERS, "limits": limits, "timeout": 300}
    async with contextlib.AsyncExitStack() as stack:
        pools = range(connections // POOL)
        clients = [await stack.enter_async_context(httpx.AsyncClient(**how)) for _ in pools]
        load = Load(clients, bucket, dict(old.objects))
        await asyncio.gather(*(load.one(number, reads) for number in range(connections)))
        assert load.wrong == []
        assert load.deleted and load.written
        await load.check_deleted()
    counts = sorted(old.asked.values())
    assert counts[len(counts) // 2] == 1  # one fetch for most; a failed one is tried again
    assert counts[-1] <= 8
