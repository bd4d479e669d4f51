"""Raw bodies: of all sizes, with digests, conditions, types and what headers say of them."""

import base64
import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.apis.callers import Bucket, bearer, get, make_bucket, post, put

TEXT = b"hello, world"
DIRECT = {"filename", "bucket_name", "size", "content_type", "object_name"}


async def test_direct_upload_overwrites(client: httpx.AsyncClient, public: Bucket) -> None:
    first = await put(client, public, "a/b.txt", TEXT)
    second = await put(client, public, "a/b.txt", b"other")
    assert first.keys() >= DIRECT
    assert (first["id"], first["object_name"], first["name"]) == (second["id"], "a/b.txt", "b.txt")
    assert (await get(client, public, "a/b.txt")).content == b"other"


async def test_direct_upload_takes_a_form(client: httpx.AsyncClient, public: Bucket) -> None:
    answer = await client.put(
        f"/files/upload-direct/{public.name}/cat.bin", files={"file": ("x", TEXT, "image/png")}, headers=bearer()
    )
    assert answer.status_code == 201
    assert (answer.json()["content_type"], answer.json()["size"]) == ("image/png", len(TEXT))
    assert answer.json()["filename"] == "cat.bin"


@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 16 * 1024 + 1, 3_000_000])
async def test_bodies_of_all_sizes_in_chunks(client: httpx.AsyncClient, public: Bucket, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"z" * (size % 256)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, 70_000):
            yield data[start : start + 70_000]

    url = f"/files/upload-direct/{public.name}/big"
    answer = await client.put(url, content=chunks(), headers=bearer())
    assert (answer.status_code, answer.json()["size"]) == (201, size)
    assert answer.json()["etag"] == hashlib.md5(data).hexdigest()
    assert answer.json()["checksums"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert (await get(client, public, "big")).content == data


async def test_short_body_stores_nothing(client: httpx.AsyncClient, public: Bucket) -> None:
    headers = {**bearer(), "content-length": "100"}
    answer = await client.put(f"/files/upload-direct/{public.name}/a", content=TEXT, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "incomplete_body")
    assert (await get(client, public, "a")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"content-md5": base64.b64encode(hashlib.md5(b"else").digest()).decode()},
        {"x-checksum-sha256": hashlib.sha256(b"else").hexdigest()},
        {"x-checksum-crc64nvme": base64.b64encode(bytes(8)).decode()},
    ],
)
async def test_wrong_digest_leaves_the_old_object(
    client: httpx.AsyncClient, public: Bucket, headers: dict[str, str]
) -> None:
    await put(client, public, "a", b"old")
    url = f"/files/upload-direct/{public.name}/a"
    answer = await client.put(url, content=TEXT, headers={**bearer(), **headers})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_digest")
    assert (await get(client, public, "a")).content == b"old"


async def test_right_digests_are_taken(client: httpx.AsyncClient, public: Bucket) -> None:
    md5 = base64.b64encode(hashlib.md5(TEXT).digest()).decode()
    await put(client, public, "a", TEXT, content_md5=md5, x_checksum_sha256=hashlib.sha256(TEXT).hexdigest())


async def test_if_none_match_star_makes_it_new_only(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "a", TEXT, if_none_match="*")
    url = f"/files/upload-direct/{public.name}/a"
    answer = await client.put(url, content=b"x", headers={**bearer(), "if-none-match": "*"})
    assert answer.status_code == 412


@pytest.mark.parametrize(
    ("key", "declared", "body", "recorded"),
    [
        ("a.png", "text/plain", TEXT, "text/plain"),
        ("a.png", "application/octet-stream", TEXT, "image/png"),
        ("a.png", None, TEXT, "image/png"),
        ("noname", None, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(40), "image/png"),
        ("noname", None, TEXT, "application/octet-stream"),
        ("a.txt", "application/x-www-form-urlencoded", TEXT, "text/plain"),
    ],
)
async def test_type_is_as_declared_or_found(
    client: httpx.AsyncClient, public: Bucket, key: str, declared: str | None, body: bytes, recorded: str
) -> None:
    stored = await put(client, public, key, body, **({"content_type": declared} if declared else {}))
    assert stored["content_type"] == recorded


async def test_what_headers_say_is_kept(client: httpx.AsyncClient, public: Bucket) -> None:
    metadata = base64.b64encode('{"ä":"ö"}'.encode()).decode()
    stored = await put(
        client,
        public,
        "a.txt",
        TEXT,
        x_metadata=metadata,
        x_tags="env=prod&team=a%20b",
        x_expires_in="3600",
        cache_control="public, max-age=60",
        content_disposition='attachment; filename="b.txt"',
        content_encoding="identity",
    )
    assert stored["metadata"] == {"ä": "ö"}
    assert stored["tags"] == {"env": "prod", "team": "a b"}
    assert stored["expires_at"] > stored["created_at"]
    answer = await get(client, public, "a.txt")
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.headers["content-disposition"] == 'attachment; filename="b.txt"'
    assert answer.headers["content-encoding"] == "identity"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-metadata": "not base64!"},
        {"x-metadata": "[]"},
        {"x-metadata": '{"a":' + '"' + "x" * 17_000 + '"}'},
        {"x-tags": "&".join(f"k{n}=v" for n in range(11))},
        {"x-expires-at": "2020-01-01T00:00:00Z"},
        {"x-expires-at": "2099-01-01T00:00:00"},
        {"x-expires-at": "soon"},
        {"x-expires-in": "0"},
        {"x-expires-in": "999999999999"},
        {"x-expires-in": "60", "x-expires-at": "2099-01-01T00:00:00Z"},
        {"if-match": '"'},
        {"content-md5": "x"},
        {"content-type": "x" * 300},
    ],
)
async def test_bad_header_is_a_400_and_stores_nothing(
    client: httpx.AsyncClient, public: Bucket, headers: dict[str, str]
) -> None:
    url = f"/files/upload-direct/{public.name}/a"
    answer = await client.put(url, content=TEXT, headers={**bearer(), **headers})
    assert answer.status_code == 400, answer.text
    assert (await get(client, public, "a")).status_code == 404


async def test_bucket_limits_are_told_before_the_body(client: httpx.AsyncClient) -> None:
    bucket = await make_bucket(client, public=True, max_object_bytes=10, allowed_mime_types=["text/*"])
    url = f"/files/upload-direct/{bucket.name}/a.txt"
    assert (await client.put(url, content=b"x" * 11, headers=bearer())).status_code == 413
    assert (await client.put(url, content=b"x" * 10, headers=bearer())).status_code == 201
    pictures = {**bearer(), "content-type": "image/png"}
    assert (await client.put(url, content=b"x", headers=pictures)).status_code == 415
    assert (await post(client, bucket.name, "b.txt", b"x" * 4_000_000)).status_code == 413


@pytest.mark.parametrize("headers", [{"if-none-match": "*"}, {"if-match": '"another"'}])
async def test_condition_that_fails_is_told_before_the_body(
    client: httpx.AsyncClient, public: Bucket, headers: dict[str, str]
) -> None:
    asked = []

    async def body() -> AsyncIterator[bytes]:
        asked.append("the body")
        yield b"other"

    await put(client, public, "taken", TEXT)
    url = f"/files/upload-direct/{public.name}/taken"
    answer = await client.put(url, content=body(), headers={**bearer(), **headers})
    assert (answer.status_code, asked) == (412, [])
    assert (await get(client, public, "taken")).content == TEXT


@pytest.mark.parametrize("key", ["x" * 1025, "%00", "%ff"])
async def test_bad_key_is_400(client: httpx.AsyncClient, public: Bucket, key: str) -> None:
    url = f"/files/upload-direct/{public.name}/{key}"
    answer = await client.put(url, content=TEXT, headers=bearer())
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_key")


async def test_overwrite_by_bucket_id_and_file_id(client: httpx.AsyncClient, public: Bucket) -> None:
    stored = await put(client, public, "named.txt", TEXT)
    url = f"/files/upload-direct/{public.id}/{stored['id']}"
    answer = await client.put(url, content=b"by id", headers=bearer())
    assert (answer.status_code, answer.json()["filename"]) == (201, "named.txt")
    assert (await get(client, public, "named.txt")).content == b"by id"


async def test_exact_name_wins_over_a_file_id(client: httpx.AsyncClient, public: Bucket) -> None:
    stored = await put(client, public, "named.txt", TEXT)
    form = await post(client, public.name, stored["id"], b"other")  # a form names a key, never an id
    assert form.status_code == 201
    assert (await get(client, public, stored["id"])).content == b"other"
    assert (await get(client, public, "named.txt")).content == TEXT


async def test_connection_ends_where_a_client_still_holds_its_body_back(
    client: httpx.AsyncClient, public: Bucket
) -> None:
    """Else the server would take the next request on it for the body."""
    url, waits = f"/files/upload-direct/{public.name}/a", {"Expect": "100-continue"}
    answer = await client.put(url, content=TEXT, headers=waits)
    assert (answer.status_code, answer.headers.get("connection")) == (401, "close")
    answer = await client.put(url, content=TEXT, headers={**waits, **bearer()})
    assert (answer.status_code, answer.headers.get("connection")) == (201, None)
