"""Uploads and downloads by signed links: the token in the path is the whole credential."""

from typing import Any

import httpx
import pytest

from tests.apis.callers import ANON, OWNER, STRANGER, Bucket, bearer, get, link, make_bucket, put

TEXT = b"hello, world"


def upload_url(bucket: Bucket, key: str, method: str = "PUT", **options: Any) -> str:
    return f"/files/upload-signed/{link(bucket, key, method, **options)}/{bucket.name}/{key}"


@pytest.mark.parametrize("granted", ["PUT", "POST"])
@pytest.mark.parametrize("sent", ["PUT raw", "PUT form", "POST form"])
async def test_upload_link_takes_all_three_forms(
    client: httpx.AsyncClient, private: Bucket, granted: str, sent: str
) -> None:
    url = upload_url(private, "a/b.txt", granted, uploader="someone@example.org")
    method, form = sent.split()
    body: dict[str, Any] = {"content": TEXT} if form == "raw" else {"files": {"file": ("x.bin", TEXT)}}
    answer = await client.request(method, url, **body)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["filename"], answer.json()["owner_id"]) == ("a/b.txt", "someone@example.org")
    assert (await get(client, private, "a/b.txt")).content == TEXT


async def test_link_by_bucket_id(client: httpx.AsyncClient, private: Bucket) -> None:
    url = upload_url(private, "a").replace(private.name, private.id)
    assert (await client.put(url, content=TEXT)).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer stale"},
        {"authorization": "Basic eDp5"},
        {"apikey": "wrong", "x-api-key": "wrong"},
        ANON,
        bearer(STRANGER),
    ],
)
async def test_other_credentials_do_not_matter(
    client: httpx.AsyncClient, private: Bucket, headers: dict[str, str]
) -> None:
    answer = await client.put(upload_url(private, "a"), content=TEXT, headers=headers)
    assert answer.status_code == 201
    url = f"/files/download-signed/{link(private, 'a', 'GET')}/{private.name}/a"
    assert (await client.get(url, headers=headers)).content == TEXT


async def test_raw_post_is_no_form(client: httpx.AsyncClient, private: Bucket) -> None:
    assert (await client.post(upload_url(private, "a", "POST"), content=TEXT)).status_code == 422


async def test_link_reaches_its_own_key_bucket_and_method_only(
    client: httpx.AsyncClient, private: Bucket, public: Bucket
) -> None:
    token = link(private, "a")
    for path in (f"{private.name}/b", f"{public.name}/a"):
        answer = await client.put(f"/files/upload-signed/{token}/{path}", content=TEXT)
        assert (answer.status_code, answer.json()["code"]) == (403, "access_denied")
    reading = link(private, "a", "GET")
    assert (await client.put(f"/files/upload-signed/{reading}/{private.name}/a", content=TEXT)).status_code == 403
    await put(client, private, "a", TEXT)
    assert (await client.get(f"/files/download-signed/{token}/{private.name}/a")).status_code == 403


async def test_link_does_not_reach_a_bucket_made_again(client: httpx.AsyncClient) -> None:
    bucket = await make_bucket(client, public=False)
    url = upload_url(bucket, "a")
    assert (await client.delete(f"/buckets/{bucket.name}", headers=bearer())).status_code == 204
    assert (await client.put(url, content=TEXT)).status_code == 404
    answer = await client.post("/buckets", json={"name": bucket.name}, headers=bearer(STRANGER))
    assert answer.status_code == 201
    assert (await client.put(url, content=TEXT)).status_code == 403


async def test_expired_and_altered_links_are_refused(client: httpx.AsyncClient, private: Bucket) -> None:
    answer = await client.put(upload_url(private, "a", seconds=-1), content=TEXT)
    assert (answer.status_code, answer.json()["code"]) == (403, "link_expired")
    token = link(private, "a")
    for broken in (token[:-1], token[:-1] + ("A" if token[-1] != "A" else "B"), "x", "%2e%2e", "é"):
        answer = await client.put(f"/files/upload-signed/{broken}/{private.name}/a", content=TEXT)
        assert (answer.status_code, answer.json()["code"]) == (403, "access_denied")


@pytest.mark.parametrize("form", [True, False])
async def test_link_limits_the_size(client: httpx.AsyncClient, private: Bucket, form: bool) -> None:
    url = upload_url(private, "a", max_bytes=10)

    def body(data: bytes) -> dict[str, Any]:
        return {"files": {"file": ("a", data)}} if form else {"content": data}

    assert (await client.put(url, **body(b"x" * 11))).status_code == 413
    assert (await client.put(url, **body(b"x" * 100_000))).status_code == 413
    assert (await get(client, private, "a")).status_code == 404
    assert (await client.put(url, **body(b"x" * 10))).status_code == 201


@pytest.mark.parametrize(
    ("declared", "status", "recorded"),
    [
        ("image/png", 201, "image/png"),
        ("IMAGE/PNG; x=1", 201, "image/png"),
        (None, 201, "image/png"),
        ("application/octet-stream", 201, "image/png"),
        ("text/html", 415, None),
    ],
)
async def test_link_limits_the_type(
    client: httpx.AsyncClient, private: Bucket, declared: str | None, status: int, recorded: str | None
) -> None:
    url = upload_url(private, "a", content_type="image/png")
    answer = await client.put(url, content=TEXT, headers={"content-type": declared} if declared else {})
    assert (answer.status_code, answer.json().get("content_type")) == (status, recorded)


async def test_once_only_link_works_once(client: httpx.AsyncClient, private: Bucket) -> None:
    url = upload_url(private, "a", once="01a1fc00-0000-7000-8000-000000000001")
    assert (await client.put(url, content=TEXT)).status_code == 201
    answer = await client.put(url, content=b"again")
    assert (answer.status_code, answer.json()["code"]) == (403, "link_used")
    assert (await get(client, private, "a")).content == TEXT


async def test_link_that_may_not_overwrite(client: httpx.AsyncClient, private: Bucket) -> None:
    url = upload_url(private, "a", overwrite=False)
    assert (await client.put(url, content=TEXT)).status_code == 201
    answer = await client.put(url, content=b"again")
    assert answer.status_code == 409
    assert answer.json()["detail"] == f"File 'a' already exists in bucket '{private.name}'"


async def test_reserved_file_id_is_the_files(client: httpx.AsyncClient, private: Bucket) -> None:
    wanted = {"bucket_id": private.id, "filename": "a b.txt", "metadata": {"n": 1}}
    promised = (await client.post("/files/initiate-upload", json=wanted, headers=bearer())).json()
    answer = await client.put(promised["upload_url"], files={"file": ("x", TEXT)}, data=promised["fields"])
    assert answer.status_code == 201, answer.text
    assert (answer.json()["id"], answer.json()["metadata"]) == (promised["file_id"], {"n": 1})


async def test_path_of_a_link_is_enough(client: httpx.AsyncClient, private: Bucket) -> None:
    """The admin page keeps only the path of a link (contract §5)."""
    made = await client.post(f"/files/presigned-url/upload/{private.name}/a.txt", headers=bearer())
    path = httpx.URL(made.json()["upload_url"]).path
    assert (await client.put(path, files={"file": ("a.txt", TEXT)})).status_code == 201
    assert (await get(client, private, "a.txt")).content == TEXT


@pytest.mark.parametrize(("disposition", "kind"), [(None, "attachment"), ("inline", "inline")])
async def test_download_link(client: httpx.AsyncClient, private: Bucket, disposition: str | None, kind: str) -> None:
    await put(client, private, "ä b.txt", TEXT)
    wanted = {"disposition": disposition}
    url = f"/files/presigned-url/download/{private.name}/ä b.txt"
    made = await client.post(url, json=wanted, headers=bearer())
    answer = await client.get(made.json()["download_url"])
    assert (answer.status_code, answer.content) == (200, TEXT)
    assert answer.headers["content-disposition"].startswith(kind)
    assert "private" in answer.headers["cache-control"]
    assert (await client.head(made.json()["download_url"])).status_code == 200


async def test_uploader_owns_what_a_link_stored(client: httpx.AsyncClient, private: Bucket) -> None:
    made = await client.post(f"/files/presigned-url/upload/{private.name}/a", headers=bearer())
    answer = await client.put(made.json()["upload_url"], content=TEXT)
    assert answer.json()["owner_id"] == OWNER


async def test_once_only_download_link_serves_one_get_and_any_head(client: httpx.AsyncClient, private: Bucket) -> None:
    asked = {"once": True, "expires_in_seconds": 60}
    await put(client, private, "a", TEXT)
    answer = await client.post(f"/files/presigned-url/download/{private.name}/a", json=asked, headers=bearer(OWNER))
    path = httpx.URL(answer.json()["download_url"]).path
    assert (await client.head(path)).status_code == 200
    assert (await client.get(path)).content == TEXT
    refused = await client.get(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "link_used")


async def test_once_only_download_link_is_not_used_up_by_a_file_that_is_not_there(
    client: httpx.AsyncClient, private: Bucket
) -> None:
    path = f"/files/download-signed/{link(private, 'a', 'GET', once='019a-once')}/{private.name}/a"
    assert (await client.get(path)).status_code == 404
    await put(client, private, "a", TEXT)
    assert (await client.get(path)).content == TEXT
