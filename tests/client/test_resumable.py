"""Uploads in pieces, through both clients: what a broken connection costs, and what the next process finds."""

import io
import os
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage_service.client import (
    ChecksumMismatch,
    Client,
    Conflict,
    ConnectionFailed,
    PreconditionFailed,
    TooLarge,
    tus,
    wire,
)
from storage_service.client.source import FileSource, MemorySource, PathSource, Source
from tests.client.faults import Fault, Faulty, lost_answer, lost_request, passing, refusing, unreached
from tests.support.service import SERVICE_KEY, Service

PIECE = 100_000


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tus, "PIECE_BYTES", PIECE)
    monkeypatch.setattr(wire, "FIRST_PAUSE_SECONDS", 0.0)


def asked(line: Faulty, method: str) -> list[httpx.Request]:
    return [request for request in line.asked if request.method == method]


async def content(bucket: Any, key: str) -> bytes:
    found: bytes = await (await bucket.get(key)).read()
    return found


@pytest.mark.parametrize("form", ["path", "file", "bytes"])
async def test_large_uploads_go_in_pieces(bucket: Any, line: Faulty, picture: Path, form: str) -> None:
    told: list[tuple[int, int | None]] = []
    body = picture.read_bytes()
    with picture.open("rb") as file:
        file.seek(7)
        data = {"path": picture, "file": file, "bytes": body}[form]
        expected = body[7:] if form == "file" else body
        info = await bucket.put(
            "a.png", data, resumable=True, metadata={"by": "Zoë"}, progress=lambda done, size: told.append((done, size))
        )
    assert (info.size, info.content_type, info.metadata) == (len(expected), "image/png", {"by": "Zoë"})
    assert await content(bucket, "a.png") == expected
    assert len(asked(line, "PATCH")) == 3
    assert told == sorted(told)
    assert told[-1] == (len(expected), len(expected))


async def test_size_decides_unless_told(bucket: Any, line: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tus, "RESUMABLE_BYTES", 10)
    await bucket.put("small", b"123456789")
    await bucket.put("plain", b"0123456789", resumable=False)
    await bucket.put("tagged", b"0123456789", tags={"kind": "x"})  # tags go with a plain upload only
    await bucket.put("once", iter([b"0123456789"]), resumable=True)
    assert asked(line, "PATCH") == []
    await bucket.put("large", b"0123456789")
    assert len(asked(line, "PATCH")) == 1


@pytest.mark.parametrize("fault", [unreached, lost_request, lost_answer, refusing(503), refusing(423), refusing(429)])
@pytest.mark.parametrize("at", range(1, 4))
async def test_broken_connection_costs_a_piece_at_most(
    bucket: Any, line: Faulty, picture: Path, fault: Fault, at: int
) -> None:
    line.faults = [*[passing] * at, fault]
    line.asked.clear()
    await bucket.put("a", picture, resumable=True, upsert=True)
    assert await content(bucket, "a") == picture.read_bytes()
    assert len(asked(line, "PATCH")) <= 4
    assert line.faults == []


async def test_two_pieces_that_are_lost_in_a_row_are_survived(bucket: Any, line: Faulty, picture: Path) -> None:
    line.faults = [passing, passing, lost_request, passing, lost_answer, lost_request]
    info = await bucket.put("a", picture, resumable=True)
    assert (info.size, await content(bucket, "a")) == (300_000, picture.read_bytes())


async def test_taken_key_is_refused_before_a_byte_is_sent(bucket: Any, line: Faulty, picture: Path) -> None:
    first = await bucket.put("a", b"1")
    with pytest.raises(Conflict):
        await bucket.put("a", picture, resumable=True)
    with pytest.raises(PreconditionFailed):
        await bucket.put("a", picture, resumable=True, if_match="0" * 32)
    assert asked(line, "PATCH") == []
    await bucket.put("a", picture, resumable=True, if_match=first.etag)
    assert (await bucket.head("a")).size == 300_000


async def test_altered_piece_is_refused_and_nothing_is_left(bucket: Any, line: Faulty, picture: Path) -> None:
    def altering(faulty: Faulty, request: httpx.Request) -> httpx.Response:
        body = request.content
        wrong = httpx.Request("PATCH", request.url, headers=request.headers, content=bytes([body[0] ^ 1]) + body[1:])
        return faulty.inner.handle_request(wrong)

    line.faults = [passing, passing, altering]
    with pytest.raises(ChecksumMismatch):
        await bucket.put("a", picture, resumable=True)
    assert not await bucket.exists("a")
    assert len(asked(line, "DELETE")) == 1


async def test_refused_upload_is_ended(bucket: Any, client: Any, line: Faulty, picture: Path) -> None:
    await client.buckets.update(bucket.name, max_object_bytes=1000)
    with pytest.raises(TooLarge):
        await bucket.put("a", picture, resumable=True)
    assert (await client.buckets.get(bucket.name)).record["upload_size"] == 0


async def test_upload_given_up_by_its_caller_is_ended_unless_its_address_is_kept(
    bucket: Any, line: Faulty, picture: Path
) -> None:
    def give_up(done: int, _: int | None) -> None:
        if done > PIECE:
            raise ZeroDivisionError

    kept: dict[str, str] = {}
    for source, options in ((picture, {}), (picture.read_bytes(), {"resume": kept}), (picture, {"resume": kept})):
        with pytest.raises(ZeroDivisionError):
            await bucket.put("a", source, resumable=True, progress=give_up, **options)
    assert (len(asked(line, "DELETE")), len(kept)) == (2, 1)


async def test_next_process_goes_on_where_the_last_ended(bucket: Any, line: Faulty, picture: Path) -> None:
    kept: dict[str, str] = {}
    line.faults = [passing, passing, *[lost_request] * 20]
    with pytest.raises(ConnectionFailed):
        await bucket.put("a", picture, resumable=True, resume=kept)
    assert len(kept) == 1
    line.faults = []
    line.asked.clear()
    await bucket.put("a", picture, resumable=True, resume=kept)
    assert [request.headers["upload-offset"] for request in asked(line, "PATCH")] == ["100000", "200000"]
    assert (await content(bucket, "a"), kept) == (picture.read_bytes(), {})


async def test_file_that_changed_since_begins_anew(bucket: Any, line: Faulty, picture: Path) -> None:
    kept: dict[str, str] = {}
    line.faults = [passing, passing, *[lost_request] * 20]
    with pytest.raises(ConnectionFailed):
        await bucket.put("a", picture, resumable=True, resume=kept)
    line.faults = []
    picture.write_bytes(b"x" * 300_000)
    os.utime(picture, ns=(1, 1))
    await bucket.put("a", picture, resumable=True, resume=kept)
    assert await content(bucket, "a") == b"x" * 300_000


async def test_upload_of_which_something_else_is_said_begins_anew(bucket: Any, line: Faulty, picture: Path) -> None:
    kept: dict[str, str] = {}
    line.faults = [passing, passing, *[lost_request] * 20]
    with pytest.raises(ConnectionFailed):
        await bucket.put("a", picture, resumable=True, resume=kept, metadata={"n": 1})
    line.faults = []
    info = await bucket.put("a", picture, resumable=True, resume=kept, metadata={"n": 2})
    assert (info.metadata, await content(bucket, "a")) == ({"n": 2}, picture.read_bytes())
    assert len(kept) == 1  # of the first, which expires


async def test_upload_that_is_gone_begins_anew(bucket: Any, picture: Path) -> None:
    mark = tus.fingerprint("http://storage.test", bucket.name, "a", PathSource(picture))
    kept = {mark: f"{tus.PATH}/01a1fda4-b982-7934-863a-ae487fa9ecf7"}
    await bucket.put("a", picture, resumable=True, resume=kept)
    assert (await content(bucket, "a"), kept) == (picture.read_bytes(), {})


def sources(path: Path) -> list[Source]:
    body = path.read_bytes()
    file = io.BytesIO(b"before" + body)
    file.seek(6)
    return [MemorySource(body), PathSource(path), FileSource(file)]


@pytest.mark.parametrize(("start", "end"), [(0, 10), (5, 8), (0, 99), (10, 99)])
def test_part_of_a_source_is_that_part(tmp_path: Path, start: int, end: int) -> None:
    path = tmp_path / "digits"
    path.write_bytes(b"0123456789")
    for source in sources(path):
        part = source.part(start, end)
        assert b"".join(part.chunks()) == b"0123456789"[start:end]
        assert part.size == len(b"0123456789"[start:end])


def test_upload_outlives_the_service_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "FIRST_PAUSE_SECONDS", 0.2)
    body = os.urandom(3_000_000)
    halfway, killed = threading.Event(), threading.Event()

    def progress(done: int, _: int | None) -> None:
        if done > len(body) // 2 and not killed.is_set():
            halfway.set()
            killed.wait(60)

    with (
        Service(tmp_path / "data", tmp_path) as service,
        Client(service.url, api_key=SERVICE_KEY, retries=40) as client,
    ):
        client.buckets.create("films")

        def restart() -> None:
            halfway.wait(60)
            service.kill_all()
            killed.set()
            service.start(60)

        other = threading.Thread(target=restart)
        other.start()
        info = client.bucket("films").put("film", body, resumable=True, progress=progress)
        other.join()
        assert info.size == len(body)
        assert client.bucket("films").get("film").read() == body
