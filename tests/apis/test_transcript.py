"""The golden transcript: one test for each row of contract §4.1, §4.2 and §8, by the contract's own words."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.apis.asking import (
    ANON_KEY,
    BAD,
    BUCKET,
    FILE,
    NOBODY,
    OTHER,
    OWN,
    PROBLEM,
    get,
    has,
    invalid,
    moment,
    names,
    put,
    refused,
    said,
)
from tests.apis.callers import BASE, OWNER, Bucket, make_bucket

Row = Callable[[httpx.AsyncClient, Bucket, Bucket], Awaitable[None]]
ROWS: dict[str, Row] = {}
EXPECTED_ROWS = 5 + 13 + 7  # of §4.1, §4.2 and §8

INVALID_CREDENTIALS = "Invalid authentication credentials"
PRIVATE_FILE = "Access denied. This is a private bucket."


def row(words: str) -> Callable[[Row], Row]:
    def keep(test: Row) -> Row:
        assert words not in ROWS
        ROWS[words] = test
        return test

    return keep


# §4.1 Buckets -----------------------------------------------------------------------------------------------------


@row("4.1 POST /buckets")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    name = f"made-{public.name}"
    made = said(await client.post("/buckets", json={"name": name}, headers=OWN), 201)
    has(made, BUCKET)
    assert (made["name"], made["is_public"], made["owner_id"]) == (name, True, OWNER)
    moment(made["created_at"])
    refused(await client.post("/buckets", json={"name": name}), 401, "Not authenticated")
    refused(await client.post("/buckets", json={"name": name}, headers=ANON_KEY), 401, INVALID_CREDENTIALS)
    refused(await client.post("/buckets", json={"name": name}, headers=BAD), 401, INVALID_CREDENTIALS)
    refused(await client.post("/buckets", json={"name": name}, headers=OWN), 409, f"Bucket '{name}' already exists")
    for bad in ({}, {"name": "UPPER"}, {"name": "a"}, {"name": "x", "is_public": "?"}):
        invalid(await client.post("/buckets", json=bad, headers=OWN))


@row("4.1 GET /buckets")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    own = await get(client, "/buckets")
    assert isinstance(own, list)
    for bucket in own:
        has(bucket, BUCKET)
    assert {public.name, private.name} <= {bucket["name"] for bucket in own}
    for headers in (NOBODY, ANON_KEY):
        seen = await get(client, "/buckets", headers)
        assert all(bucket["is_public"] for bucket in seen)
        assert public.name in {bucket["name"] for bucket in seen}
    refused(await client.get("/buckets", headers=BAD), 401, INVALID_CREDENTIALS)


@row("4.1 GET /buckets/{b}")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    has(await get(client, f"/buckets/{public.name}", NOBODY), BUCKET)
    has(await get(client, f"/buckets/{private.name}", OWN), BUCKET)
    refused(await client.get(f"/buckets/{private.name}"), 403, "Access denied to private bucket")
    refused(await client.get(f"/buckets/{private.name}", headers=OTHER), 403, "Access denied to private bucket")
    refused(await client.get("/buckets/nowhere", headers=OWN), 404, "Bucket 'nowhere' not found")


@row("4.1 PUT /buckets/{b}")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    path, body = f"/buckets/{private.name}", {"is_public": True}
    denied = "You don't have permission to update this bucket"
    refused(await client.put(path, json=body), 401, "Not authenticated")
    refused(await client.put(path, json=body, headers=OTHER), 403, denied)
    refused(await client.put("/buckets/nowhere", json=body, headers=OWN), 404, "Bucket 'nowhere' not found")
    changed = said(await client.put(path, json=body, headers=OWN))
    has(changed, BUCKET)
    assert changed["is_public"] is True


@row("4.1 DELETE /buckets/{b}")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    await put(client, public, "a")
    denied = "You don't have permission to delete this bucket"
    refused(await client.delete(f"/buckets/{public.name}"), 401, "Not authenticated")
    refused(await client.delete(f"/buckets/{public.name}", headers=OTHER), 403, denied)
    refused(await client.delete("/buckets/nowhere", headers=OWN), 404, "Bucket 'nowhere' not found")
    refused(await client.delete(f"/buckets/{public.name}", headers=OWN), 409, "Cannot delete non-empty bucket")
    answer = await client.delete(f"/buckets/{private.name}", headers=OWN)
    assert (answer.status_code, answer.content) == (204, b"")


# §4.2 Files -------------------------------------------------------------------------------------------------------


@row("4.2 POST /files/upload/{b}")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    def send(bucket: Bucket, headers: dict[str, str], name: str = "a.txt") -> Any:
        form = {"file": (name, b"hello", "text/plain")}
        return client.post(
            f"/files/upload/{bucket.name}", files=form, data={"metadata": '{"by": "ada"}'}, headers=headers
        )

    stored = said(await send(private, OWN), 201)
    has(stored, FILE)
    has(stored["file"], FILE)  # js-sdk looks there
    assert (stored["filename"], stored["size"], stored["bucket"]) == ("a.txt", 5, private.name)
    assert stored["content_type"] == "text/plain"
    assert stored["metadata"] == {"by": "ada"}
    assert stored["url"] == f"{BASE}/storage/{private.name}/a.txt"
    said(await send(public, ANON_KEY), 201)
    refused(await send(private, NOBODY), 401, "Authentication required")
    refused(await send(private, ANON_KEY), 403, "Anonymous uploads are only allowed to public buckets")
    refused(await send(public, OTHER), 403, "You don't have permission to upload to this bucket")
    refused(await send(private, OWN), 409, f"File 'a.txt' already exists in bucket '{private.name}'")
    refused(await send(private, OWN, "../a.txt"), 400, "Invalid filename")
    invalid(await client.post(f"/files/upload/{private.name}", data={"other": "x"}, headers=OWN))


@row("4.2 GET /files/list/{b}")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    for key in ("b", "a", "c/d"):
        await put(client, public, key)
    listed = await get(client, f"/files/list/{public.name}", NOBODY)
    assert names(listed) == ["a", "b", "c/d"]
    for record in listed:
        has(record, FILE)
    assert names(await get(client, f"/files/list/{public.name}?limit=1&offset=1&search=")) == ["b"]
    assert names(await get(client, f"/files/list/{public.name}?search=D")) == ["c/d"]
    refused(await client.get(f"/files/list/{private.name}"), 403)
    refused(await client.get("/files/list/nowhere"), 404, "Bucket 'nowhere' not found")


@row("4.2 GET /files/download/{b}/{key}")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    await put(client, public, "d/a.txt", b"hello")
    await put(client, private, "a.txt")
    path = f"/files/download/{public.name}/d/a.txt"
    whole = await client.get(path)
    assert (whole.status_code, whole.content) == (200, b"hello")
    assert whole.headers["content-disposition"] == 'attachment; filename="a.txt"'
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["etag"] == '"5d41402abc4b2a76b9719d911017c592"'
    assert whole.headers["content-length"] == "5"
    assert whole.headers["content-type"] == "text/plain"
    assert whole.headers["last-modified"].endswith(" GMT")
    part = await client.get(path, headers={"range": "bytes=1-2"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"el", "bytes 1-2/5")
    missing = await client.get(f"/files/download/{public.name}/none")
    refused(missing, 404, f"File 'none' not found in bucket '{public.name}'")
    refused(await client.get(f"/files/download/{private.name}/a.txt"), 403, PRIVATE_FILE)


@row("4.2 GET /files/view/{b}/{key}")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    await put(client, public, "a.png", b"hello", {"content-type": "image/png"})
    path = f"/files/view/{public.name}/a.png"
    answer = await client.get(path)
    assert answer.headers["content-disposition"].startswith("inline")
    assert "max-age=3600" in answer.headers["cache-control"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (await client.get(f"{path}?content_type=image/jpeg")).headers["content-type"] == "image/jpeg"
    assert (await client.get(f"{path}?content_type=image/svg+xml")).status_code == 200


@row("4.2 DELETE /files/{b}/{key}")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    await put(client, public, "a/b")
    path = f"/files/{public.name}/a/b"
    refused(await client.delete(path), 401, "Not authenticated")
    denied = "You don't have permission to delete files from this bucket"
    refused(await client.delete(path, headers=OTHER), 403, denied)
    answer = await client.delete(path, headers=OWN)
    assert (answer.status_code, answer.content) == (204, b"")
    gone = f"File 'a/b' not found in bucket '{public.name}'"
    refused(await client.delete(path, headers=OWN), 404, gone)


@row("4.2 POST /files/presigned-url/upload/{b}/{key}")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    path = f"/files/presigned-url/upload/{private.name}/a.txt"
    body = {"expires_in_seconds": 60, "content_type": "text/plain"}
    answer = said(await client.post(path, json=body, headers=OWN))
    has(answer, {"upload_url": str, "method": str})
    assert answer["method"] == "PUT"
    assert answer["upload_url"].startswith(f"{BASE}/files/")
    by_anon = f"/files/presigned-url/upload/{public.name}/a.txt"
    as_bearer = {"authorization": f"Bearer {ANON_KEY['apikey']}"}  # as the stock backend sends it
    said(await client.post(by_anon, json=body, headers=as_bearer))


@row("4.2 PUT /files/upload-direct/{b}/{key}")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    path = f"/files/upload-direct/{private.name}/a.txt"
    refused(await client.put(path, content=b"x"), 401, "Authentication required")
    raw = {**OWN, "content-type": "text/css"}
    stored = said(await client.put(path, content=b"hello", headers=raw), 201)
    has(stored, {"filename": str, "bucket_name": str, "size": int, "content_type": str, "object_name": str})
    assert (stored["size"], stored["content_type"], stored["object_name"]) == (5, "text/css", "a.txt")
    again = await client.put(path, files={"file": ("other.txt", b"by form", "text/plain")}, headers=OWN)
    assert (said(again, 201)["size"], again.json()["object_name"]) == (7, "a.txt")


@row("4.2 POST /files/initiate-upload")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    body = {"bucket_id": private.id, "filename": "a", "content_type": "text/plain", "metadata": {}, "size": 5}
    answer = said(await client.post("/files/initiate-upload", json=body, headers=OWN), 201)
    has(answer, {"upload_url": str, "file_id": str, "fields": dict})


@row("4.2 GET /files/info/{b}/{id}")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    stored = await put(client, private, "a")
    for name in ("a", stored.id):
        has(await get(client, f"/files/info/{private.id}/{name}"), FILE)
    refused(await client.get(f"/files/info/{private.name}/a"), 403, PRIVATE_FILE)


@row("4.2 PUT /files/metadata/{b}/{id}")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    stored = await put(client, private, "a")
    path, body = f"/files/metadata/{private.id}/{stored.id}", {"metadata": {"x": [1]}}
    changed = said(await client.put(path, json=body, headers=OWN))
    has(changed, FILE)
    assert changed["metadata"] == {"x": [1]}
    refused(await client.put(path, json=body), 401, "Not authenticated")
    refused(await client.put(path, json=body, headers=OTHER), 403)


@row("4.2 HEAD /files/download/..")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    await put(client, public, "a", b"hello")
    path = f"/files/download/{public.name}/a"
    head, whole = await client.head(path), await client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "last-modified", "accept-ranges", "content-disposition"):
        assert head.headers[name] == whole.headers[name]


@row("4.2 GET /health")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    has(await get(client, "/health", NOBODY), {"status": str, "service": str})


@row("4.2 GET /")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    welcome = {"message": "Welcome to SelfDB Storage Service", "docs_url": "/docs"}
    assert await get(client, "/", NOBODY) == welcome


# §8 The error body ------------------------------------------------------------------------------------------------


async def errors(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> dict[int, httpx.Response]:
    """One error of each status this door gives a client for what it asks."""
    await put(client, public, "a")
    return {
        400: await client.get(f"/files/list/{public.name}?cursor=!"),
        401: await client.delete(f"/files/{public.name}/a"),
        403: await client.get(f"/files/list/{private.name}"),
        404: await client.get(f"/files/info/{public.name}/none"),
        405: await client.patch("/health"),
        409: await client.delete(f"/buckets/{public.name}", headers=OWN),
        412: await client.delete(f"/files/{public.name}/a", headers={**OWN, "if-match": '"x"'}),
        416: await client.get(f"/files/download/{public.name}/a", headers={"range": "bytes=9-"}),
        422: await client.post("/buckets", json={}, headers=OWN),
    }


@row("8 js-sdk 1.0.x: message; no 5xx, which it retries")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    for status, answer in (await errors(client, public, private)).items():
        body = said(answer, status)
        assert isinstance(body["message"], str)
        assert body["message"]


@row("8 js-sdk 0.0.5: detail text or list of msg, in application/json")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    for status, answer in (await errors(client, public, private)).items():
        assert "application/json" in answer.headers["content-type"]
        detail: Any = said(answer, status)["detail"]
        if status == 422:
            assert all(isinstance(fault["msg"], str) for fault in detail)
        else:
            assert isinstance(detail, str)
    asked = {"accept": "application/problem+json"}
    named = await client.get("/buckets/nowhere", headers=asked)
    assert named.headers["content-type"] == "application/problem+json"


@row("8 selfdb-py 0.1: detail; 401, 404 and 422 by status")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    found = await errors(client, public, private)
    for status in (401, 404, 422):
        assert said(found[status], status)["detail"]


@row("8 selfdb 0.0.5: any JSON, detail; each status its own exception")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    found = await errors(client, public, private)
    for status in (400, 401, 403, 404, 409, 422):
        has(said(found[status], status), PROBLEM)


@row("8 A backend: raw text of any status from 400")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    for status, answer in (await errors(client, public, private)).items():
        assert answer.status_code == status >= 400
        assert answer.text


@row("8 B backend: exact detail, status_code in the body")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    for status, answer in (await errors(client, public, private)).items():
        assert said(answer, status)["status_code"] == status


@row("8 ios: status and raw text")
async def _(client: httpx.AsyncClient, public: Bucket, private: Bucket) -> None:
    for status, answer in (await errors(client, public, private)).items():
        assert answer.status_code == status
        assert answer.content.decode()


@pytest.mark.parametrize("words", ROWS)
async def test_contract_row(client: httpx.AsyncClient, words: str) -> None:
    public, private = await make_bucket(client, public=True), await make_bucket(client, public=False)
    await ROWS[words](client, public, private)


def test_transcript_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\ngolden transcript: {len(ROWS)} rows")
    assert len(ROWS) == EXPECTED_ROWS
