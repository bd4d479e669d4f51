"""What readers get: bytes, ranges, conditions, headers, and nothing that runs in our origin."""

import asyncio
import hashlib
from typing import Any

import httpx
import pytest

from tests.apis.callers import ANON, STRANGER, Bucket, bearer, put

TEXT = b"0123456789"
ETAG = f'"{hashlib.md5(TEXT).hexdigest()}"'
ROUTES = ("/files/download", "/files/view", "/files/public", "/storage")
OLD, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.mark.parametrize("route", ROUTES)
async def test_bytes_and_headers(client: httpx.AsyncClient, public: Bucket, route: str) -> None:
    stored = await put(client, public, "a/b c.txt", TEXT)
    answer = await client.get(f"{route}/{public.name}/a/b c.txt")
    assert (answer.status_code, answer.content) == (200, TEXT)
    headers = answer.headers
    assert (headers["etag"], headers["content-length"], headers["accept-ranges"]) == (ETAG, "10", "bytes")
    assert (headers["content-type"], headers["x-version-id"]) == ("text/plain", stored["version_id"])
    assert headers["last-modified"].endswith("GMT")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers
    assert headers["x-request-id"]
    kind = "attachment" if route == "/files/download" else "inline"
    assert headers["content-disposition"] == f'{kind}; filename="b c.txt"'


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("size", [10, 200_000])
async def test_head_is_get_without_bytes(client: httpx.AsyncClient, public: Bucket, route: str, size: int) -> None:
    await put(client, public, "a.txt", b"x" * size)
    found = [await client.request(method, f"{route}/{public.name}/a.txt") for method in ("GET", "HEAD")]
    own = [{**answer.headers, "x-request-id": ""} for answer in found]
    assert own[0] == own[1]
    assert found[1].content == b""


async def test_empty_object(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "empty", b"")
    answer = await client.get(f"/storage/{public.name}/empty", headers={"range": "bytes=-5"})
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


# Ranges and conditions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status", "content", "said"),
    [
        ("bytes=0-4", 206, b"01234", "bytes 0-4/10"),
        ("bytes=5-", 206, b"56789", "bytes 5-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-100", 206, b"89", "bytes 8-9/10"),
        ("bytes=0-9", 206, TEXT, "bytes 0-9/10"),
        ("bytes=0-1,3-4", 200, TEXT, None),
        ("pages=1", 200, TEXT, None),
        ("bytes=4-2", 200, TEXT, None),
    ],
)
async def test_range(
    client: httpx.AsyncClient, public: Bucket, asked: str, status: int, content: bytes, said: str | None
) -> None:
    await put(client, public, "a.txt", TEXT)
    answer = await client.get(f"/files/download/{public.name}/a.txt", headers={"range": asked})
    assert (answer.status_code, answer.content, answer.headers.get("content-range")) == (status, content, said)
    assert answer.headers["content-length"] == str(len(content))


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=100-200", "bytes=-0"])
async def test_range_beyond_the_end_is_416(client: httpx.AsyncClient, public: Bucket, asked: str) -> None:
    await put(client, public, "a.txt", TEXT)
    answer = await client.get(f"/files/download/{public.name}/a.txt", headers={"range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */10")
    assert answer.json()["code"] == "invalid_range"


@pytest.mark.parametrize(("start", "end"), [(0, 0), (1_048_575, 1_048_577), (100, 2_900_000), (2_999_990, 2_999_999)])
async def test_range_of_a_large_object(client: httpx.AsyncClient, public: Bucket, start: int, end: int) -> None:
    data = bytes(range(250)) * 12_000
    await put(client, public, "big", data)
    answer = await client.get(f"/storage/{public.name}/big", headers={"range": f"bytes={start}-{end}"})
    assert (answer.status_code, answer.content) == (206, data[start : end + 1])


async def test_if_range_asks_for_the_whole_when_it_changed(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "a.txt", TEXT)
    url = f"/files/download/{public.name}/a.txt"
    same = await client.get(url, headers={"range": "bytes=0-1", "if-range": ETAG})
    other = await client.get(url, headers={"range": "bytes=0-1", "if-range": '"other"'})
    weak = await client.get(url, headers={"range": "bytes=0-1", "if-range": f"W/{ETAG}"})
    assert (same.status_code, other.status_code, weak.status_code) == (206, 200, 200)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": ETAG}, 304),
        ({"if-none-match": f"W/{ETAG}"}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"if-modified-since": FUTURE}, 304),
        ({"if-modified-since": OLD}, 200),
        ({"if-none-match": '"other"', "if-modified-since": FUTURE}, 200),
        ({"if-match": ETAG}, 200),
        ({"if-match": '"other"'}, 412),
        ({"if-unmodified-since": OLD}, 412),
        ({"if-unmodified-since": FUTURE}, 200),
    ],
)
async def test_conditions(
    client: httpx.AsyncClient, public: Bucket, method: str, headers: dict[str, str], status: int
) -> None:
    await put(client, public, "a.txt", TEXT)
    answer = await client.request(method, f"/storage/{public.name}/a.txt", headers=headers)
    assert answer.status_code == status
    if status == 304:
        assert answer.content == b""
        assert (answer.headers["etag"], answer.headers["cache-control"]) == (ETAG, "public, max-age=300")
        assert "content-length" not in answer.headers


async def test_version_id_reads_an_old_version(client: httpx.AsyncClient, public: Bucket) -> None:
    turned = await client.put(f"/buckets/{public.name}", json={"versioning": "on"}, headers=bearer())
    assert turned.status_code == 200
    old = await put(client, public, "a", b"old")
    await put(client, public, "a", b"new")
    url = f"/files/download/{public.name}/a"
    answer = await client.get(url, params={"version_id": old["version_id"]})
    assert (answer.content, answer.headers["x-version-id"]) == (b"old", old["version_id"])
    gone = await client.get(url, params={"version_id": "nonsense"})
    assert (gone.status_code, gone.json()["code"]) == (404, "no_such_version")
    assert "nonsense" in gone.json()["detail"]


# Names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_by_bucket_id_and_file_id(client: httpx.AsyncClient, public: Bucket, route: str, method: str) -> None:
    stored = await put(client, public, "ordner/a.txt", TEXT)
    answer = await client.request(method, f"{route}/{public.id}/{stored['id'].upper()}")
    assert (answer.status_code, answer.headers["etag"]) == (200, ETAG)
    assert 'filename="a.txt"' in answer.headers["content-disposition"]


async def test_exact_name_wins_over_a_file_id(client: httpx.AsyncClient, public: Bucket) -> None:
    stored = await put(client, public, "a.txt", TEXT)
    form = {"file": (stored["id"], b"named like an id")}
    await client.post(f"/files/upload/{public.name}", files=form, headers=bearer())
    answer = await client.get(f"/files/download/{public.name}/{stored['id']}")
    assert answer.content == b"named like an id"


async def test_file_id_of_another_bucket_is_not_found(
    client: httpx.AsyncClient, public: Bucket, private: Bucket
) -> None:
    stored = await put(client, private, "a.txt", TEXT)
    answer = await client.get(f"/files/download/{public.name}/{stored['id']}")
    assert answer.status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_missing_file_in_the_contracts_words(client: httpx.AsyncClient, public: Bucket, method: str) -> None:
    answer = await client.request(method, f"/files/download/{public.name}/no.txt")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    if method == "GET":
        assert answer.json()["detail"] == f"File 'no.txt' not found in bucket '{public.name}'"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    missing = await client.request(method, "/files/download/no-bucket/no.txt")
    assert missing.status_code == 404


@pytest.mark.parametrize("key", ["100%25.txt", "a%2Fb", "a%2F..%2Fb", "+", "%F0%9F%98%80", "a%0Ab", "%22q%22", "a/"])
async def test_keys_come_back_through_their_url(client: httpx.AsyncClient, public: Bucket, key: str) -> None:
    url = f"/files/upload-direct/{public.name}/{key}"
    stored = await client.put(url, content=TEXT, headers=bearer())
    assert stored.status_code == 201
    answer = await client.get(stored.json()["url"])
    assert (answer.status_code, answer.content) == (200, TEXT)


async def test_expired_file_is_not_found(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "soon", TEXT, x_expires_in="1")
    url = f"/files/download/{public.name}/soon"
    answer = await client.get(url)
    for _ in range(40):
        if answer.status_code == 404:
            break
        await asyncio.sleep(0.05)
        answer = await client.get(url)
    assert answer.status_code == 404


# What it is shown as --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["/files/view", "/files/public", "/storage"])
@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript", "x/y"])
async def test_unsafe_types_are_attachments(client: httpx.AsyncClient, public: Bucket, route: str, kind: str) -> None:
    await put(client, public, "a", b"<script>alert(1)</script>", content_type=kind)
    for query in ({}, {"content_type": kind}, {"content_type": kind.replace("+", " ")}):
        answer = await client.get(f"{route}/{public.name}/a", params=query)
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_text_is_never_shown_as_html(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "a.txt", b"<script>alert(1)</script>")
    answer = await client.get(f"/files/view/{public.name}/a.txt?content_type=text/html")
    assert answer.headers["content-type"] == "text/plain"


async def test_view_may_name_another_safe_type(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "a", TEXT, content_type="text/html")
    answer = await client.get(f"/files/view/{public.name}/a?content_type=image/png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"].startswith("inline")
    elsewhere = await client.get(f"/storage/{public.name}/a?content_type=image/png")
    assert elsewhere.headers["content-type"] == "text/html"


async def test_owner_may_not_ask_for_unsafe_inline(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "a", TEXT, content_type="text/html", content_disposition="inline")
    answer = await client.get(f"/storage/{public.name}/a")
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("download", 'attachment; filename="cat.png"'),
        ("download=1", 'attachment; filename="cat.png"'),
        ("download=my%20cat.png", 'attachment; filename="my cat.png"'),
        ("download=k%C3%A4tzchen.png", "attachment; filename=\"k_tzchen.png\"; filename*=UTF-8''k%C3%A4tzchen.png"),
        ("download=a%0D%0Ab", 'attachment; filename="ab"'),
    ],
)
async def test_download_by_another_name(client: httpx.AsyncClient, public: Bucket, query: str, said: str) -> None:
    await put(client, public, "pets/cat.png", TEXT)
    answer = await client.get(f"/files/view/{public.name}/pets/cat.png?{query}")
    assert answer.headers["content-disposition"] == said


@pytest.mark.parametrize(
    ("route", "public_says", "private_says"),
    [
        ("/files/download", "no-cache", "private, no-cache"),
        ("/files/view", "max-age=3600", "private, max-age=3600"),
        ("/storage", "public, max-age=300", "private, no-cache"),
    ],
)
async def test_caching(
    client: httpx.AsyncClient, public: Bucket, private: Bucket, route: str, public_says: str, private_says: str
) -> None:
    for bucket, said in ((public, public_says), (private, private_says)):
        await put(client, bucket, "a.txt", TEXT)
        answer = await client.get(f"{route}/{bucket.name}/a.txt", headers=bearer())
        assert answer.headers["cache-control"] == said


# Who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("key", ["a.txt", "no-such-file"])
@pytest.mark.parametrize("headers", [{}, ANON, bearer(STRANGER)])
async def test_private_bucket_tells_nothing(
    client: httpx.AsyncClient, private: Bucket, route: str, key: str, headers: dict[str, str]
) -> None:
    await put(client, private, "a.txt", TEXT)
    answer = await client.get(f"{route}/{private.name}/{key}", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["detail"] == "Access denied. This is a private bucket."


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer nonsense"}, {"apikey": "wrong"}, {"authorization": "Basic eDp5"}]
)
async def test_wrong_credential_is_401_even_on_public(
    client: httpx.AsyncClient, public: Bucket, route: str, headers: dict[str, str]
) -> None:
    await put(client, public, "a.txt", TEXT)
    answer = await client.get(f"{route}/{public.name}/a.txt", headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"] == "Invalid authentication credentials"


# The door itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/files/download/b/k", "GET, HEAD, OPTIONS"),
        ("PUT", "/storage/b/k", "GET, HEAD, OPTIONS"),
        ("GET", "/files/upload/b", "POST, OPTIONS"),
        ("GET", "/files/upload-signed/t/b/k", "PUT, POST, OPTIONS"),
    ],
)
async def test_other_methods_are_405(client: httpx.AsyncClient, method: str, path: str, allow: str) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    assert (await client.options(path)).headers["allow"] == allow


async def test_delete_reaches_a_bucket_named_like_a_route(client: httpx.AsyncClient) -> None:
    answer = await client.post("/buckets", json={"name": "download"}, headers=bearer())
    assert answer.status_code in {201, 409}
    bucket = Bucket("download", answer.json().get("id", ""))
    await put(client, bucket, "x", TEXT)
    assert (await client.delete("/files/download/x", headers=bearer())).status_code == 204


async def test_preflight_never_asks_for_a_credential(client: httpx.AsyncClient, private: Bucket) -> None:
    asked: dict[str, Any] = {
        "origin": "https://app.example.org",
        "access-control-request-method": "PUT",
        "access-control-request-headers": "apikey, content-type, x-own",
    }
    answer = await client.options(f"/files/upload-direct/{private.name}/a", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-own" in answer.headers["access-control-allow-headers"]
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]


async def test_request_id_is_kept_if_sane(client: httpx.AsyncClient, public: Bucket) -> None:
    for path in (f"/files/download/{public.name}/no", "/files/nowhere", "/health"):
        answer = await client.get(path, headers={"x-request-id": "abc-1"})
        assert answer.headers.get_list("x-request-id") == ["abc-1"]
        answer = await client.get(path, headers={"x-request-id": "a b"})
        assert answer.headers["x-request-id"].isalnum()
