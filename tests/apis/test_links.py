"""Signed links: made here, used without any other credential."""

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.apis.asking import ANON_KEY, BAD, OTHER, OWN, get, invalid, moment, post, put, refused, said
from tests.apis.callers import BASE, Bucket, make_bucket


def path_of(url: str) -> str:
    """As the stock admin page keeps it: neither host nor query (contract §5)."""
    assert url.startswith(f"{BASE}/files/")
    assert "?" not in url
    return urlsplit(url).path


async def upload_link(client: httpx.AsyncClient, bucket: Bucket, key: str, **wanted: Any) -> str:
    answer = await post(client, f"/files/presigned-url/upload/{bucket.name}/{key}", wanted, status=200)
    return path_of(answer["upload_url"])


async def test_upload_link_takes_bytes_from_anyone(client: httpx.AsyncClient, private: Bucket) -> None:
    path = await upload_link(client, private, "a/b%20c.txt")
    said(await client.put(path, content=b"hello", headers=BAD), 201)  # a stale login does not spoil it
    info = await get(client, f"/files/info/{private.name}/a/b c.txt")
    assert (info["size"], info["owner_id"]) == (5, "owner@example.org")


async def test_upload_link_by_bucket_id(client: httpx.AsyncClient, private: Bucket) -> None:
    path = await upload_link(client, Bucket(private.id, private.id), "a")
    said(await client.put(path, content=b"hello"), 201)


async def test_upload_link_without_a_body_has_the_defaults(client: httpx.AsyncClient, private: Bucket) -> None:
    answer = said(await client.post(f"/files/presigned-url/upload/{private.name}/a", headers=OWN))
    assert answer["method"] == "PUT"
    moment(answer["expires_at"])


async def test_upload_link_for_one_upload(client: httpx.AsyncClient, private: Bucket) -> None:
    path = await upload_link(client, private, "a", once=True)
    said(await client.put(path, content=b"1"), 201)
    refused(await client.put(path, content=b"2"), 403, "This link has been used")


async def test_upload_link_bounds_size_and_type(client: httpx.AsyncClient, private: Bucket) -> None:
    path = await upload_link(client, private, "a", max_bytes=3, content_type="image/png")
    refused(await client.put(path, content=b"1234", headers={"content-type": "image/png"}), 413)
    refused(await client.put(path, content=b"123", headers={"content-type": "text/html"}), 415)
    said(await client.put(path, content=b"123", headers={"content-type": "image/png"}), 201)


async def test_upload_link_that_must_not_overwrite(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a")
    path = await upload_link(client, private, "a", overwrite=False)
    refused(await client.put(path, content=b"1"), 409)


async def test_upload_link_by_post(client: httpx.AsyncClient, private: Bucket) -> None:
    answer = await post(client, f"/files/presigned-url/upload/{private.name}/a", {"method": "POST"}, status=200)
    assert answer["method"] == "POST"
    said(await client.post(path_of(answer["upload_url"]), files={"file": ("x.txt", b"hello")}), 201)


async def test_upload_link_for_a_type_the_bucket_refuses(client: httpx.AsyncClient) -> None:
    bucket = await make_bucket(client, public=False, allowed_mime_types=["image/*"])
    path = f"/files/presigned-url/upload/{bucket.name}/a"
    refused(await client.post(path, json={"content_type": "text/html"}, headers=OWN), 415)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"expires_in_seconds": 0}, "expires_in_seconds"),
        ({"expires_in_seconds": 100 * 365 * 24 * 3600 + 1}, "expires_in_seconds"),
        ({"expires_in_seconds": None}, "expires_in_seconds"),
        ({"max_bytes": -1}, "max_bytes"),
        ({"method": "DELETE"}, "method"),
        ({"content_type": "a\nb"}, "content_type"),
    ],
)
async def test_link_on_impossible_terms_is_refused(
    client: httpx.AsyncClient, private: Bucket, body: dict[str, Any], field: str
) -> None:
    invalid(await client.post(f"/files/presigned-url/upload/{private.name}/a", json=body, headers=OWN), field)


async def test_anon_key_gets_upload_links_for_public_buckets_only(
    client: httpx.AsyncClient, public: Bucket, private: Bucket
) -> None:
    said(await client.post(f"/files/presigned-url/upload/{public.name}/a", json={}, headers=ANON_KEY))
    answer = await client.post(f"/files/presigned-url/upload/{private.name}/a", json={}, headers=ANON_KEY)
    refused(answer, 403, "Anonymous uploads are only allowed to public buckets")


@pytest.mark.parametrize("disposition", ["inline", "attachment"])
async def test_download_link_reads_for_anyone(client: httpx.AsyncClient, private: Bucket, disposition: str) -> None:
    stored = await put(client, private, "a/ü.txt", b"hello")
    for name in ("a/%C3%BC.txt", stored.id):
        body = {"disposition": disposition}
        answer = await post(client, f"/files/presigned-url/download/{private.name}/{name}", body, status=200)
        found = await client.get(path_of(answer["download_url"]))
        assert (found.status_code, found.content, answer["method"]) == (200, b"hello", "GET")
        assert found.headers["content-disposition"].startswith(disposition)


async def test_download_link_needs_file_and_right(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a")
    path = f"/files/presigned-url/download/{private.name}"
    refused(await client.post(f"{path}/none", headers=OWN), 404, f"File 'none' not found in bucket '{private.name}'")
    refused(await client.post(f"{path}/a", headers=OTHER), 403)
    refused(await client.post(f"{path}/a"), 401)


async def test_link_opens_nothing_else(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a")
    await put(client, private, "b")
    answer = await post(client, f"/files/presigned-url/download/{private.name}/a", {}, status=200)
    path = path_of(answer["download_url"])
    refused(await client.get(path.removesuffix("/a") + "/b"), 403)
    refused(await client.put(path.replace("download-signed", "upload-signed"), content=b"x"), 403)
    refused(await client.get(path.replace("/files/download-signed/", "/files/download-signed/x")), 403)


async def test_initiated_upload_keeps_the_promised_id(client: httpx.AsyncClient, private: Bucket) -> None:
    body = {"bucket_id": private.id, "filename": "a/b.txt", "content_type": "text/plain", "size": 5}
    answer = await post(client, "/files/initiate-upload", {**body, "metadata": {"x": 1}})
    assert answer["fields"] == {"metadata": '{"x":1}'}
    stored = said(await client.put(path_of(answer["upload_url"]), content=b"hello"), 201)
    assert stored["id"] == answer["file_id"]
    assert stored["metadata"] == {"x": 1}  # though a raw PUT has no fields
    again = await post(client, "/files/initiate-upload", body)
    assert again["file_id"] == answer["file_id"]  # the key has its file already
    refused(await client.put(path_of(again["upload_url"]), content=b"longer"), 413)


async def test_metadata_too_long_for_a_link_is_refused(client: httpx.AsyncClient, private: Bucket) -> None:
    body = {"bucket_id": private.id, "filename": "a", "metadata": {"x": "y" * 8000}}
    refused(await client.post("/files/initiate-upload", json=body, headers=OWN), 400)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"filename": ""}, "filename"),
        ({"filename": None}, "filename"),
        ({"bucket_id": None}, "bucket_id"),
        ({"size": -1}, "size"),
    ],
)
async def test_initiated_upload_with_a_bad_field(
    client: httpx.AsyncClient, private: Bucket, changes: dict[str, Any], field: str
) -> None:
    body = {"bucket_id": private.id, "filename": "a", **changes}
    invalid(await client.post("/files/initiate-upload", json=body, headers=OWN), field)
