"""A source that breaks off, lies or changes: tried again, then told; never half an object."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from storage_service.moving.sources.s3 import S3Source
from storage_service.remote import Endpoint, S3Server
from tests.moving.bad_server import BadServer, Handler, bad_server
from tests.moving.conftest import Move

pytestmark = [pytest.mark.ci, pytest.mark.timeout(600)]

LARGE, SMALL = os.urandom(5 << 20), b"0123456789"


@pytest.fixture
def server() -> Iterator[BadServer]:
    with bad_server() as running:
        yield running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are for real servers."""
    monkeypatch.setattr("storage_service.remote.body.FIRST_PAUSE_SECONDS", 0.001)


@pytest.fixture
def bucket() -> str:
    return f"bad-{uuid4().hex[:8]}"


def source(server: BadServer) -> S3Source:
    return S3Source(S3Server(Endpoint(server.url)))


def keys_in(target: Any, bucket: str) -> dict[str, bytes]:
    found = target.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {one["Key"]: target.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}


def test_dropped_connections_and_errors_are_passing(server: BadServer, target: Any, bucket: str, move: Move) -> None:
    server.objects = {"drops": LARGE, "drops-small": SMALL, "errors": SMALL, "resets": LARGE, "good": SMALL}

    def drops(handler: Handler, body: bytes, count: int) -> bool:
        if count < 3:
            handler.give(body, cut=len(body) // 8)
        return count < 3

    def errors(handler: Handler, body: bytes, count: int) -> bool:
        if count < 2:
            handler.answer((500, 503)[count], b"<Error><Code>InternalError</Code></Error>")
        return count < 2

    def resets(handler: Handler, body: bytes, count: int) -> bool:
        if count < 2:
            handler.close_connection = True
        return count < 2

    server.faults = {"drops": drops, "drops-small": drops, "errors": errors, "resets": resets}
    tally = move(source(server), buckets=("old",), renamed=bucket)
    assert tally.is_whole, tally.record()
    assert keys_in(target, bucket) == server.objects


def test_what_never_comes_whole_is_told_and_is_not_there(
    server: BadServer, target: Any, bucket: str, move: Move
) -> None:
    server.objects = {
        "short": SMALL,
        "short-large": LARGE,
        "broken": SMALL,
        "wrong": SMALL,
        "wrong-large": LARGE,
        "good": SMALL,
    }

    def short(handler: Handler, body: bytes, count: int) -> bool:
        handler.give(body, cut=0, length=len(body))
        return True

    def broken(handler: Handler, body: bytes, count: int) -> bool:
        handler.answer(500, b"")
        return True

    def wrong(handler: Handler, body: bytes, count: int) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("ETag", '"0123456789abcdef0123456789abcdef"')
        handler.end_headers()
        handler.wfile.write(body)
        return True

    server.faults = {"short": short, "short-large": short, "broken": broken, "wrong": wrong, "wrong-large": wrong}
    tally = move(source(server), buckets=("old",), renamed=bucket, at_once=6)
    assert {left.key for left in tally.failures} == server.faults.keys()
    assert keys_in(target, bucket) == {"good": SMALL}
    uploads = target.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    assert uploads == []
    server.faults = {}
    again = move(source(server), buckets=("old",), renamed=bucket)
    assert (again.counts.moved, again.counts.there, again.counts.failed) == (5, 1, 0)


def test_an_object_that_changes_while_it_is_read_is_one_of_the_two(
    server: BadServer, target: Any, bucket: str, move: Move
) -> None:
    after = os.urandom(len(LARGE))
    server.objects = {"k": LARGE}

    def changes(handler: Handler, body: bytes, count: int) -> bool:
        if count == 0:
            handler.give(body, cut=len(body) // 2)
            server.objects["k"] = after
        return count == 0

    server.faults = {"k": changes}
    tally = move(source(server), buckets=("old",), renamed=bucket)
    assert tally.is_whole, tally.record()
    assert keys_in(target, bucket) == {"k": after}


def test_a_list_out_of_order_takes_nothing_for_another_object(
    server: BadServer, target: Any, bucket: str, move: Move, tmp_path: Path
) -> None:
    server.objects, server.backwards = {f"{number:03}": b"%d" % number for number in range(30)}, True
    assert move(source(server), buckets=("old",), renamed=bucket).counts.moved == 30
    (tmp_path / "state").unlink()
    server.objects["007"] = b"changed"
    again = move(source(server), buckets=("old",), renamed=bucket)
    assert (again.counts.moved, again.counts.there, [left.key for left in again.kept]) == (0, 29, ["007"])
    assert keys_in(target, bucket)["007"] == b"7"


def test_parts_that_the_server_does_not_tell_prove_nothing_and_the_bytes_come(
    server: BadServer, target: Any, bucket: str, move: Move
) -> None:
    server.objects = {"parts": os.urandom(12 << 20), "small": SMALL}

    def of_parts(handler: Handler, body: bytes, count: int) -> bool:
        handler.give(body, etag=f"{'0' * 32}-2")
        return True

    server.every = of_parts
    tally = move(source(server), buckets=("old",), renamed=bucket)
    assert (tally.is_whole, {left.key for left in tally.unproven}) == (True, {"parts", "small"}), tally.record()
    assert keys_in(target, bucket) == server.objects


def test_an_object_that_goes_before_it_is_read_is_told(server: BadServer, target: Any, bucket: str, move: Move) -> None:
    server.objects = {"gone": SMALL, "good": SMALL}

    def gone(handler: Handler, body: bytes, count: int) -> bool:
        handler.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        return True

    server.faults = {"gone": gone}
    tally = move(source(server), buckets=("old",), renamed=bucket)
    assert [(left.key, left.reason) for left in tally.failures] == [("gone", "404 NoSuchKey")]
    assert keys_in(target, bucket) == {"good": SMALL}
