"""The original's bugs (contract §11) that this door could have: one test each, named by its number.

Two cannot be had here: 7 (what the backend never tells us) and 8 (generation B's one key).
"""

import asyncio
import contextlib
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jose import jwt

from storage_service.app.main import Service
from tests.apis.asking import ANON_KEY, NOBODY, OTHER, OWN, get, moment, names, put, refused, said
from tests.apis.callers import BASE, OWNER, SECRET_KEY, STRANGER, Bucket, link, make_bucket

BODY_BYTES = 64 << 20
SETTLED_SECONDS = 20.0


async def send_raw(
    service: Service, method: str, path: bytes, body: list[dict[str, Any]], headers: dict[str, str] = OWN
) -> int:
    """The status for a path and a body exactly as given: no client tidies them up."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    messages = iter(body)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    await service(scope, receive, send)
    return int(sent[0]["status"])


def piece(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_01_nothing_is_written_without_a_credential(
    client: httpx.AsyncClient, public: Bucket, private: Bucket
) -> None:
    for bucket in (public, private):
        await put(client, bucket, "a", b"old")
        refused(await client.put(f"/files/upload-direct/{bucket.name}/a", content=b"new"), 401)
        refused(await client.post(f"/files/presigned-url/upload/{bucket.name}/a", json={}), 401)
        assert (await client.get(f"/files/download/{bucket.name}/a", headers=OWN)).content == b"old"
    expired = link(private, "a", seconds=-1)
    refused(await client.put(f"/files/upload-signed/{expired}/{private.name}/a", content=b"new"), 403)


async def test_02_keys_named_like_our_records_are_just_keys(client: httpx.AsyncClient, public: Bucket) -> None:
    before = await get(client, f"/buckets/{public.name}")
    for key in (".metadata.json", ".bucket.json", ".blobs/x"):
        await put(client, public, key, b'{"owner_id": "thief", "is_public": true}')
    after = await get(client, f"/buckets/{public.name}")
    assert (after["owner_id"], after["file_count"]) == (before["owner_id"], 3)
    refused(await client.put(f"/files/upload-direct/{public.name}/.metadata.json", content=b"{}", headers=OTHER), 403)


@pytest.mark.parametrize(
    "key",
    [b"%2e%2e/x", b"../x", b"a/../../x", b"..%2fx", b"%2e%2e%2fx", b"/etc/x", b"..\\x", b"a/%00", b"%252e/x"],
)
async def test_03_no_spelling_leaves_the_store(
    service: Service, service_patch: Path, client: httpx.AsyncClient, private: Bucket, key: bytes
) -> None:
    path, mark = b"/files/upload-direct/" + private.name.encode() + b"/" + key, b"mark of a traversal " + key
    status = await send_raw(service, "PUT", path, [piece(mark)])
    assert status in {201, 400}
    assert await send_raw(service, "PUT", b"/files/upload-direct/%2e%2e/x", [piece(mark)]) == 404  # no bucket's name
    later = await put(client, private, "later")
    bucket = service_patch / private.name
    await sidecar_of(bucket, later.version_id)  # what came before it is settled too, the view included
    marked = list(files_of(service_patch.parent, mark))
    assert (status == 201) == bool(marked)
    assert all(found.is_relative_to(bucket) for found in marked)
    assert not Path("/etc/x").exists()


async def test_04_a_token_reads_only_what_is_its_own(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a")
    for verb in ("download", "view", "info", "public"):
        refused(await client.get(f"/files/{verb}/{private.name}/a", headers=OTHER), 403)
    refused(await client.get(f"/files/list/{private.name}", headers=OTHER), 403)
    assert private.name not in {bucket["name"] for bucket in await get(client, "/buckets", OTHER)}


def files_of(directory: Path, content: bytes) -> Iterator[Path]:
    """Files below the directory that hold just this."""
    for found in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the service goes on beside us
            if found.is_file() and found.stat().st_size == len(content) and found.read_bytes() == content:
                yield found


@pytest.mark.parametrize("shown_as", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml"])
async def test_05_uploads_run_no_script_in_our_origin(client: httpx.AsyncClient, public: Bucket, shown_as: str) -> None:
    await put(client, public, "a.txt", b"<script>alert(1)</script>")
    await put(client, public, "b", b"<script>alert(1)</script>", {"content-type": shown_as})
    for path in (f"a.txt?content_type={shown_as}", "b"):
        answer = await client.get(f"/files/view/{public.name}/{path}")
        harmless = answer.headers["content-type"].split(";")[0] != shown_as
        assert harmless or answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]


async def test_06_tokens_need_an_end_and_pages_get_no_credentials(client: httpx.AsyncClient) -> None:
    for claims in ({"sub": OWNER}, {"sub": OWNER, "exp": 1}):
        headers = {"authorization": f"Bearer {jwt.encode(claims, SECRET_KEY, 'HS256')}"}
        refused(await client.get("/buckets", headers=headers), 401, "Invalid authentication credentials")
    answer = await client.get("/buckets", headers={"origin": "https://elsewhere.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


async def test_09_failed_upload_leaves_the_old_object(
    service: Service, client: httpx.AsyncClient, private: Bucket
) -> None:
    await put(client, private, "a", b"old")
    path = f"/files/upload-direct/{private.name}/a"
    for headers in ({**OWN, "content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="}, {**OWN, "content-digest": "sha-256=:AA==:"}):
        refused(await client.put(path, content=b"new", headers=headers), 400)
    short = {**OWN, "content-length": "200000"}
    assert await send_raw(service, "PUT", path.encode(), [piece(b"x" * 100_000, more=True)], short) == 400
    assert (await client.get(f"/files/download/{private.name}/a", headers=OWN)).content == b"old"
    both = [client.post(f"/files/upload/{private.name}?key=race", files={"file": b"x"}, headers=OWN) for _ in range(5)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*both)) == [201, 409, 409, 409, 409]


async def test_10_large_bodies_do_not_stand_in_memory(client: httpx.AsyncClient, private: Bucket) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES >> 16):
            yield bytes(1 << 16)

    tracemalloc.start()
    try:
        answer = await client.put(f"/files/upload-direct/{private.name}/a", content=chunks(), headers=OWN)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert said(answer, 201)["size"] == BODY_BYTES
    assert most < BODY_BYTES // 2  # threads for the disk may each hold a piece of 1 MiB


async def test_11_null_for_is_public_is_refused_and_spoils_nothing(client: httpx.AsyncClient, private: Bucket) -> None:
    refused(await client.put(f"/buckets/{private.name}", json={"is_public": None}, headers=OWN), 422)
    assert (await get(client, f"/buckets/{private.name}"))["is_public"] is False
    said(await client.get("/buckets"))


@pytest.mark.parametrize("key", ["日本語.txt", 'with "quotes".txt', "back\\slash", "ж\r\nx: y", "🐈"])
async def test_12_any_name_is_downloaded(client: httpx.AsyncClient, private: Bucket, key: str) -> None:
    stored = await put(client, private, key, b"hello")
    answer = await client.get(f"/files/download/{private.name}/{stored.id}", headers=OWN)
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert "\n" not in answer.headers["content-disposition"]
    assert "x" not in answer.headers


async def test_13_lists_heads_conditions_and_form_types_are_honoured(client: httpx.AsyncClient, public: Bucket) -> None:
    for key in ("c", "a", "b"):
        await put(client, public, key)
    assert names(await get(client, f"/files/list/{public.name}?limit=2&offset=1")) == ["b", "c"]
    assert names(await get(client, f"/files/list/{public.name}?search=b")) == ["b"]
    path = f"/files/download/{public.name}/a"
    assert (await client.head(path)).status_code == 200
    etag = (await client.get(path)).headers["etag"]
    assert (await client.get(path, headers={"if-none-match": etag})).status_code == 304
    form = {"file": ("x.css", b"hello", "text/css")}
    answer = await client.put(f"/files/upload-direct/{public.name}/form", files=form, headers=OWN)
    assert said(answer, 201)["content_type"] == "text/css"


async def test_14_what_the_writer_says_is_kept_and_bounds_hold(client: httpx.AsyncClient) -> None:
    options = {"versioning": "on", "quota_objects": 2, "max_object_bytes": 10, "allowed_mime_types": ["text/*"]}
    bucket = await make_bucket(client, public=False, **options)
    said_of_it = {"content-type": "text/x-own", "x-metadata": '{"by": "ada"}', "x-expires-in": "3600"}
    await put(client, bucket, "a.html", b"1", said_of_it)
    stored = await put(client, bucket, "a.html", b"2", said_of_it)
    info = await get(client, f"/files/info/{bucket.name}/a.html")
    assert (info["content_type"], info["metadata"], info["version_id"]) == (
        "text/x-own",
        {"by": "ada"},
        stored.version_id,
    )
    assert info["checksums"]["sha256"] == "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"
    moment(info["expires_at"])
    assert len(await get(client, f"/files/versions/{bucket.name}/a.html")) == 2
    path = f"/files/upload-direct/{bucket.name}"
    refused(await client.put(f"{path}/b.txt", content=b"x" * 11, headers=OWN), 413)
    refused(await client.put(f"{path}/b.png", content=b"x", headers={**OWN, "content-type": "image/png"}), 415)
    await put(client, bucket, "b")
    refused(await client.put(f"{path}/c.txt", content=b"x", headers=OWN), 403)


async def test_15_times_bear_their_zone_and_urls_one_slash(client: httpx.AsyncClient, public: Bucket) -> None:
    stored = await put(client, public, "a b/c.txt", b"hello")
    info = await get(client, f"/files/info/{public.name}/{stored.id}")
    assert info["url"] == f"{BASE}/storage/{public.name}/a%20b/c.txt"
    assert (await client.get(info["url"])).content == b"hello"
    for record in (info, await get(client, f"/buckets/{public.name}")):
        assert record["created_at"].endswith("Z")
        moment(record["updated_at"])


@pytest.mark.parametrize(
    ("asked", "status", "said_range", "body"),
    [
        ("bytes=0-99", 206, "bytes 0-4/5", b"hello"),
        ("bytes=-2", 206, "bytes 3-4/5", b"lo"),
        ("bytes=-99", 206, "bytes 0-4/5", b"hello"),
        ("bytes=3-", 206, "bytes 3-4/5", b"lo"),
        ("bytes=5-", 416, "bytes */5", None),
        ("bytes=-0", 416, "bytes */5", None),
        ("pages=1", 200, None, b"hello"),
    ],
)
async def test_16_ranges_are_those_of_the_rfc(  # one more argument than the house allows: the row of a table
    client: httpx.AsyncClient, public: Bucket, asked: str, status: int, said_range: str | None, body: bytes | None
) -> None:
    await put(client, public, "a", b"hello")
    answer = await client.get(f"/files/download/{public.name}/a", headers={"range": asked})
    assert (answer.status_code, answer.headers.get("content-range")) == (status, said_range)
    assert body is None or (answer.content, answer.headers["content-length"]) == (body, str(len(body)))


async def test_17_an_uploader_may_delete_what_it_uploaded(client: httpx.AsyncClient, public: Bucket) -> None:
    token = link(public, "theirs", uploader=STRANGER)
    said(await client.put(f"/files/upload-signed/{token}/{public.name}/theirs", content=b"x"), 201)
    await put(client, public, "mine")
    refused(await client.delete(f"/files/{public.name}/mine", headers=OTHER), 403)
    said(await client.delete(f"/files/{public.name}/theirs", headers=OTHER), 204)


async def test_18_what_the_readme_promises_is_there(
    client: httpx.AsyncClient, service_patch: Path, private: Bucket
) -> None:
    body = {"bucket_id": private.name, "filename": "a"}
    announced = said(await client.post("/files/initiate-upload", json=body, headers=OWN), 201)
    stored = said(await client.put(announced["upload_url"], content=b"hello", headers=NOBODY), 201)
    path = f"/files/metadata/{private.name}/{announced['file_id']}"
    said(await client.put(path, json={"metadata": {"x": 1}}, headers=OWN))
    assert (await get(client, f"/files/info/{private.name}/a"))["metadata"] == {"x": 1}
    sidecar = await sidecar_of(service_patch / private.name, stored["version_id"])
    assert (sidecar["key"], sidecar["file_id"]) == ("a", announced["file_id"])
    refused(await client.get(f"/files/info/{private.name}/a", headers=ANON_KEY), 403)


async def sidecar_of(bucket: Path, version_id: str) -> Any:
    """The JSON record beside the object's bytes, once it is settled."""
    for _ in range(int(SETTLED_SECONDS / 0.05)):
        for path in bucket.glob(f".blobs/*/{version_id}.json"):
            return json.loads(path.read_bytes())
        await asyncio.sleep(0.05)
    raise AssertionError("not settled in time")
