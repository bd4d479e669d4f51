"""Files through both clients, against the real service."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage_service.client import (
    AsyncClient,
    Client,
    Conflict,
    InvalidRequest,
    NotFound,
    NotModified,
    PartialFailure,
    PreconditionFailed,
    Prefix,
    Transport,
    UploadPolicy,
)
from tests.client.conftest import URL, all_of
from tests.client.faults import Faulty
from tests.support.service import SERVICE_KEY

ODD_KEYS = ["a b.txt", "ä/日本.txt", "100%.txt", "a//b", "..", "a/../b", "./x", "q?x=1#y", "+plus", "nl\nx", "%2F"]


def pieces() -> Iterator[bytes]:
    yield b"hello, "
    yield b""
    yield b"world"


@pytest.mark.parametrize("form", ["bytes", "bytearray", "path", "file", "iterator"])
async def test_put_takes_bytes_files_and_iterators(bucket: Any, tmp_path: Path, form: str) -> None:
    path = tmp_path / "hello"
    path.write_bytes(b"hello, world")
    with path.open("rb") as file:
        data = {
            "bytes": b"hello, world",
            "bytearray": bytearray(b"hello, world"),
            "path": path,
            "file": file,
            "iterator": pieces(),
        }[form]
        info = await bucket.put("hello.txt", data)
    assert (info.key, info.size, info.content_type) == ("hello.txt", 12, "text/plain")
    assert await (await bucket.get("hello.txt")).read() == b"hello, world"


async def test_put_takes_an_async_iterator_where_there_is_a_loop(service: Transport) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces():
            yield piece

    async with AsyncClient(URL, api_key=SERVICE_KEY, transport=service) as client:
        await client.buckets.create("async-source")
        info = await client.bucket("async-source").put("a", chunks(), checksum="crc64nvme")
        assert info.size == 12
    plain = Client(URL, api_key=SERVICE_KEY, transport=service)
    with plain, pytest.raises(TypeError, match="AsyncClient"):
        plain.bucket("async-source").put("b", chunks())


async def test_put_refuses_a_str_a_text_file_and_an_option_there_is_none_of(client: Any, bucket: Any) -> None:
    with pytest.raises(TypeError, match="give bytes, a Path"):
        await bucket.put("a", "a text or a path")
    with pytest.raises(TypeError, match="binary mode"):
        await bucket.put("a", io.StringIO("text"))
    with pytest.raises(TypeError, match="'contenttype'"):
        await bucket.put("a", b"", contenttype="text/plain")
    for call, words in (
        (bucket.update, {"meta": {}}),
        (client.buckets.create, {"quota": 10}),  # a limit that is none would be found out too late
        (client.buckets.update, {"quota": 10}),
        (client.buckets.set_origin, {"url": "http://x.test", "key": ""}),
    ):
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            await call("some-name", **words)
    assert await all_of(bucket.list()) == []


async def test_empty_names_are_refused_before_anything_is_asked(client: Any, bucket: Any, line: Faulty) -> None:
    line.asked.clear()
    for call in (bucket.delete, bucket.head, bucket.get, client.buckets.delete, client.buckets.get):
        with pytest.raises(InvalidRequest, match="is empty"):
            await call("")
    with pytest.raises(InvalidRequest, match="is empty"):
        await bucket.put("", b"")
    assert line.asked == []


async def test_values_say_what_they_are(service: Transport) -> None:
    async with AsyncClient(URL, api_key=SERVICE_KEY, transport=service) as client:
        await client.buckets.create("said")
        bucket = client.bucket("said")
        await bucket.put("a.txt", b"12")
        assert (repr(client), repr(bucket)) == (f"<AsyncClient of {URL}>", f"<bucket 'said' at {URL}>")
        async with await bucket.get("a.txt") as found:
            assert repr(found) == "<object at /files/download/said/a.txt, 2 bytes of text/plain>"


async def test_file_is_sent_from_where_it_stands(bucket: Any) -> None:
    file = io.BytesIO(b"header|body")
    file.seek(7)
    await bucket.put("a", file)
    assert await (await bucket.get("a")).read() == b"body"


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_every_key_comes_back(bucket: Any, key: str) -> None:
    await bucket.put(key, key.encode())
    assert await (await bucket.get(key)).read() == key.encode()
    assert [info.key for info in await all_of(bucket.list())] == [key]
    assert (await bucket.head(key)).key == key
    await bucket.delete(key)
    assert not await bucket.exists(key)


async def test_put_says_what_it_was_told_of_the_file(bucket: Any) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await bucket.put(
        "a",
        b"x",
        content_type="text/csv",
        metadata={"author": "Zoë", "n": 1},
        tags={"k": "v w"},
        expires_at=tomorrow,
        cache_control="max-age=60",
        content_encoding="gzip",
    )
    info = await bucket.head("a")
    assert (info.content_type, info.metadata, info.tags) == ("text/csv", {"author": "Zoë", "n": 1}, {"k": "v w"})
    assert info.expires_at is not None
    assert abs(info.expires_at - tomorrow) < timedelta(seconds=1)
    found = await bucket.get("a")
    assert (found.headers["cache-control"], found.headers["content-encoding"]) == ("max-age=60", "gzip")
    assert await found.read() == b"x"  # as stored: nothing is decompressed on the way


async def test_put_keeps_what_is_there_unless_told_to_replace_it(bucket: Any) -> None:
    first = await bucket.put("a", b"1")
    with pytest.raises(Conflict) as refused:
        await bucket.put("a", b"2")
    assert (refused.value.status, refused.value.code) == (409, "key_already_exists")
    second = await bucket.put("a", b"2", if_match=first.etag)
    with pytest.raises(PreconditionFailed):
        await bucket.put("a", b"3", if_match=first.etag)
    third = await bucket.put("a", b"3", upsert=True)
    assert len({first.id, second.id, third.id}) == 1
    assert await (await bucket.get("a")).read() == b"3"


async def test_large_upload_to_a_taken_key_is_not_sent(bucket: Any, line: Faulty) -> None:
    await bucket.put("a", b"1")
    with pytest.raises(Conflict):
        await bucket.put("a", b"x" * 1_100_000)
    assert line.asked[-1].method == "GET"
    await bucket.put("b", b"x" * 1_100_000)
    assert (await bucket.head("b")).size == 1_100_000


async def test_progress_tells_bytes_so_far(bucket: Any, picture: Path, tmp_path: Path) -> None:
    up: list[tuple[int, int | None]] = []
    down: list[tuple[int, int | None]] = []
    await bucket.put("a", picture, progress=lambda done, size: up.append((done, size)))
    await (await bucket.get("a", progress=lambda done, size: down.append((done, size)))).save(tmp_path / "copy")
    for told in (up, down):
        assert told[-1] == (300_000, 300_000)
        assert told == sorted(told)


async def test_get_reads_spans(bucket: Any) -> None:
    await bucket.put("a", b"0123456789")
    for span, expected in [((0, 3), b"012"), ((8, None), b"89"), ((-2, None), b"89"), ((4, 99), b"456789")]:
        assert await (await bucket.get("a", range=span)).read() == expected
    assert await bucket.get_ranges("a", [(0, 1), (9, 10), (3, 5)]) == [b"0", b"9", b"34"]
    for span in [(5, 5), (5, 2), (-3, 2), (10, None)]:
        with pytest.raises(InvalidRequest):
            await bucket.get("a", range=span)


async def test_get_of_what_is_current_is_not_modified(bucket: Any) -> None:
    info = await bucket.put("a", b"1")
    with pytest.raises(NotModified):
        await bucket.get("a", if_none_match=info.etag)
    async with await bucket.get("a", if_none_match="other") as found:
        assert await found.read() == b"1"


async def test_save_leaves_one_file(bucket: Any, picture: Path, tmp_path: Path) -> None:
    await bucket.put("a", picture)
    target = tmp_path / "copy"
    await (await bucket.get("a")).save(target)
    assert target.read_bytes() == picture.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "picture.png"]


@pytest.mark.parametrize("size", [0, 1, 1000, 1001, 300_000])
async def test_download_in_parallel_parts_gives_the_file(
    bucket: Any, line: Faulty, tmp_path: Path, picture: Path, size: int
) -> None:
    body = picture.read_bytes()[:size]
    await bucket.put("a", body)
    target = tmp_path / "copy"
    line.asked.clear()
    info = await bucket.download("a", target, part_bytes=1000, at_once=3)
    assert target.read_bytes() == body
    assert info.size == size
    ranges = [request.headers["range"] for request in line.asked if "range" in request.headers]
    assert len(ranges) == -(-size // 1000)


async def test_missing_file_leaves_no_trace_on_disk(bucket: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as missing:
        await bucket.download("nope", tmp_path / "copy")
    assert (missing.value.status, missing.value.code) == (404, "no_such_key")
    assert missing.value.request_id
    assert list(tmp_path.iterdir()) == []


async def test_list_goes_over_all_pages_in_order(client: Any, crowded: str, line: Faulty) -> None:
    bucket = client.bucket(crowded)
    keys = [f"{number:04}" for number in range(2050)]
    line.asked.clear()
    assert [info.key for info in await all_of(bucket.list())] == keys
    assert len(line.asked) == 3
    assert [info.key for info in await all_of(bucket.list(start_after="1000"))] == keys[1001:]
    assert [info.key for info in await all_of(bucket.list("00"))] == keys[:100]
    assert [info.key for info in await all_of(bucket.list(sort="-name"))] == keys[::-1]
    line.asked.clear()
    assert (await anext(aiter(bucket.list()))).key == "0000"
    assert len(line.asked) == 1  # no page before it is needed


async def test_list_sorts_and_searches(bucket: Any) -> None:
    for key, size in [("b", 2), ("a", 3), ("cb", 1)]:
        await bucket.put(key, b"x" * size)
    assert [info.key for info in await all_of(bucket.list(sort="size"))] == ["cb", "b", "a"]
    assert [info.key for info in await all_of(bucket.list(sort="-size"))] == ["a", "b", "cb"]
    assert [info.key for info in await all_of(bucket.list(search="B"))] == ["b", "cb"]


async def test_list_rolls_up_prefixes_and_walk_descends(bucket: Any) -> None:
    for key in ["a", "b/1", "b/2/x", "c"]:
        await bucket.put(key, b"")
    entries = await all_of(bucket.list(delimiter="/"))
    assert [entry.name if isinstance(entry, Prefix) else entry.key for entry in entries] == ["a", "b/", "c"]
    walked = [(here, list(below), [file.key for file in files]) async for here, below, files in bucket.walk()]
    assert walked == [("", ["b/"], ["a", "c"]), ("b/", ["b/2/"], ["b/1"]), ("b/2/", [], ["b/2/x"])]


async def test_copy_and_move(bucket: Any, client: Any) -> None:
    first = await bucket.put("a", b"1", metadata={"n": 1})
    await client.buckets.create(f"{bucket.name}-too")
    copied = await bucket.copy("a", "b", metadata={"n": 2})
    assert (copied.key, copied.metadata) == ("b", {"n": 2})
    with pytest.raises(Conflict):
        await bucket.copy("a", "b")
    assert (await bucket.copy("a", "b", overwrite=True)).metadata == {"n": 1}
    moved = await bucket.move("a", "x/y", to_bucket=f"{bucket.name}-too")
    assert (moved.id, moved.bucket) == (first.id, f"{bucket.name}-too")
    assert not await bucket.exists("a")


async def test_delete_of_many_names_those_that_failed(bucket: Any) -> None:
    for key in "abc":
        await bucket.put(key, b"")
    with pytest.raises(PartialFailure) as failed:
        await bucket.delete("a", "nope", "b")
    ((key, error),) = failed.value.failures.items()
    assert (key, type(error), error.status, error.code) == ("nope", NotFound, 404, "no_such_key")
    assert str(error) == f"File 'nope' not found in bucket '{bucket.name}' (status 404)"
    assert [info.key for info in await all_of(bucket.list())] == ["c"]
    with pytest.raises(NotFound):
        await bucket.delete("nope")
    with pytest.raises(InvalidRequest):
        await bucket.delete("a", "b", version_id="x")


async def test_deleted_file_is_restored(bucket: Any) -> None:
    await bucket.put("a", b"1")
    await bucket.delete("a")
    assert [version.in_trash for version in await bucket.versions("a", trash=True)] == [True]
    await bucket.restore("a")
    assert await (await bucket.get("a")).read() == b"1"


async def test_update_merges_and_replaces(bucket: Any) -> None:
    info = await bucket.put("a", b"1", metadata={"x": 1, "y": 2})
    assert (await bucket.update("a", metadata={"x": None, "z": 3})).metadata == {"y": 2, "z": 3}
    assert (await bucket.update("a", replace=True, metadata={"w": 1}, if_match=info.etag)).metadata == {"w": 1}
    with pytest.raises(PreconditionFailed):
        await bucket.update("a", metadata={}, if_match="other")
    later = datetime.now(UTC) + timedelta(hours=1)
    assert (await bucket.update("a", expires_at=later, tags={"k": "v"})).tags == {"k": "v"}


async def test_signed_links_need_no_credential(bucket: Any, service: Transport) -> None:
    up = await bucket.sign_upload("a.txt", UploadPolicy(expires=timedelta(minutes=5), max_bytes=10, once=True))
    with httpx.Client(transport=service) as anyone:
        assert anyone.request(up.method, up.url, content=b"0123456789").status_code == 201
        assert anyone.request(up.method, up.url, content=b"again").status_code == 403
        link = await bucket.sign("a.txt", inline=True)
        answer = anyone.get(link.url)
        assert (answer.content, answer.headers["content-disposition"][:6]) == (b"0123456789", "inline")
        assert link.expires_at > datetime.now(UTC) + timedelta(minutes=59)
        assert anyone.put((await bucket.sign("b", method="PUT")).url, content=b"b").status_code == 201
        both = await bucket.sign(["a.txt", "b"], expires=timedelta(seconds=30))
        assert [anyone.get(one.url).content for one in both] == [b"0123456789", b"b"]


async def test_public_url_reads_for_everybody(client: Any, service: Transport) -> None:
    made = await client.buckets.create("public-url", public=True) if not await _has(client, "public-url") else None
    bucket = client.bucket("public-url")
    await bucket.put("ä/../b", b"1", upsert=True)
    with httpx.Client(transport=service) as anyone:
        assert anyone.get(bucket.public_url("ä/../b")).content == b"1"
    assert made is None or made.public


async def _has(client: Any, name: str) -> bool:
    return any(info.name == name for info in await client.buckets.list(search=name))


@pytest.mark.parametrize("part_bytes", [1000, 500_000])
async def test_cancelled_download_leaves_nothing(service: Transport, tmp_path: Path, part_bytes: int) -> None:
    async with AsyncClient(URL, api_key=SERVICE_KEY, transport=service) as client:
        await client.buckets.create(f"cancelled-{part_bytes}")
        bucket = client.bucket(f"cancelled-{part_bytes}")
        await bucket.put("a", b"x" * 500_000)
        started = asyncio.Event()
        work = bucket.download("a", tmp_path / "copy", part_bytes=part_bytes, progress=lambda *_: started.set())
        download = asyncio.create_task(work)
        await started.wait()
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
        assert list(tmp_path.iterdir()) == []
