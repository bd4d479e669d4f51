"""Upload forms: by whom they may be sent, what their fields mean, and what must not get in."""

import hashlib
from typing import Any

import httpx
import pytest

from tests.apis.callers import ANON, BASE, OWNER, STRANGER, Bucket, bearer, get, post

TEXT = b"hello, world"
MD5 = hashlib.md5(TEXT).hexdigest()
CONTRACT = {"filename", "content_type", "size", "url", "bucket", "created_at"}
DIRECT = {"filename", "bucket_name", "size", "content_type", "object_name"}


# Forms ----------------------------------------------------------------------------------------------------------


async def test_form_upload_answers_the_contract(client: httpx.AsyncClient, public: Bucket) -> None:
    answer = await post(client, public.name)
    assert answer.status_code == 201
    found = answer.json()
    assert found.keys() >= CONTRACT | DIRECT | {"id", "metadata", "owner_id", "etag", "version_id"}
    assert (found["filename"], found["size"], found["bucket"]) == ("a.txt", len(TEXT), public.name)
    assert found["content_type"] == found["mime_type"] == "text/plain"
    assert found["url"] == f"{BASE}/storage/{public.name}/a.txt"
    assert found["owner_id"] == found["user_id"] == OWNER
    assert found["file"]["id"] == found["id"]
    assert answer.headers["etag"] == f'"{MD5}"'
    assert answer.headers["location"] == found["url"]
    assert answer.headers["x-version-id"] == found["version_id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_url_of_an_upload_can_be_fetched(client: httpx.AsyncClient, public: Bucket) -> None:
    stored = (await post(client, public.name, "wo ist das? 100%.txt")).json()
    answer = await client.get(stored["url"])
    assert (answer.status_code, answer.content) == (200, TEXT)


async def test_second_upload_of_a_name_is_refused_with_the_contracts_words(
    client: httpx.AsyncClient, public: Bucket
) -> None:
    await post(client, public.name)
    answer = await post(client, public.name, body=b"other")
    assert answer.status_code == 409
    assert answer.json()["detail"] == f"File 'a.txt' already exists in bucket '{public.name}'"
    assert (await get(client, public, "a.txt")).content == TEXT


async def test_large_upload_of_a_taken_name_is_refused_before_its_body(
    client: httpx.AsyncClient, public: Bucket
) -> None:
    await post(client, public.name)
    answer = await post(client, public.name, body=b"x" * 300_000)
    assert answer.status_code == 409


@pytest.mark.parametrize("place", ["query", "field"])
async def test_overwrite_and_key_as_query_or_field(client: httpx.AsyncClient, public: Bucket, place: str) -> None:
    said = {"key": "ordner/b.txt", "overwrite": "true"}
    options: dict[str, Any] = {"params" if place == "query" else "data": said}
    first = await post(client, public.name, **options)
    second = await post(client, public.name, body=b"other", **options)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["version_id"] != first.json()["version_id"]
    assert (await get(client, public, "ordner/b.txt")).content == b"other"


def raw_form(*parts: bytes) -> tuple[bytes, dict[str, str]]:
    body = b"".join(b"--xyz\r\n" + part + b"\r\n" for part in parts) + b"--xyz--\r\n"
    return body, {**bearer(), "content-type": "multipart/form-data; boundary=xyz"}


FILE = b'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello, world'


def form_field(name: bytes, value: bytes) -> bytes:
    return b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (name, value)


@pytest.mark.parametrize("after", [True, False])
async def test_metadata_may_stand_before_or_after_the_file(
    client: httpx.AsyncClient, public: Bucket, after: bool
) -> None:
    metadata = form_field(b"metadata", b'{"author":"Ada","n":1}')
    body, headers = raw_form(FILE, metadata) if after else raw_form(metadata, FILE)
    answer = await client.post(f"/files/upload/{public.name}", content=body, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.json()["metadata"] == {"author": "Ada", "n": 1}


@pytest.mark.parametrize(
    "late",
    [
        form_field(b"metadata", b"not json"),
        form_field(b"metadata", b"[1]"),
        form_field(b"key", b"other.txt"),
        form_field(b"overwrite", b"true"),
        form_field(b"tags", b'{"a":1}'),
        form_field(b"expires_in", b"-1"),
        FILE,
    ],
)
async def test_bad_field_behind_the_file_stores_nothing(client: httpx.AsyncClient, public: Bucket, late: bytes) -> None:
    body, headers = raw_form(FILE, late)
    answer = await client.post(f"/files/upload/{public.name}", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert (await get(client, public, "a.txt")).status_code == 404


async def test_form_without_its_end_stores_nothing(client: httpx.AsyncClient, public: Bucket) -> None:
    body, headers = raw_form(FILE)
    answer = await client.post(f"/files/upload/{public.name}", content=body[:-9], headers=headers)
    assert answer.status_code == 400
    assert (await get(client, public, "a.txt")).status_code == 404


async def test_large_form_without_its_end_stores_nothing(client: httpx.AsyncClient, public: Bucket) -> None:
    body, headers = raw_form(FILE + b"x" * 3_000_000)
    answer = await client.post(f"/files/upload/{public.name}", content=body[:-9], headers=headers)
    assert answer.status_code == 400
    assert (await get(client, public, "a.txt")).status_code == 404


@pytest.mark.parametrize("body", [raw_form(form_field(b"other", b"x"))[0], raw_form(form_field(b"file", b"x"))[0]])
async def test_form_without_a_file_is_422(client: httpx.AsyncClient, public: Bucket, body: bytes) -> None:
    headers = raw_form()[1]
    answer = await client.post(f"/files/upload/{public.name}", content=body, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "file"]


async def test_upload_without_a_form_is_422(client: httpx.AsyncClient, public: Bucket) -> None:
    answer = await client.post(f"/files/upload/{public.name}", content=TEXT, headers=bearer())
    assert answer.status_code == 422


@pytest.mark.parametrize("name", ["", "..", ".", "../a.txt", "..\\a.txt", "/etc/passwd", "a//b", "a\x07.txt", "a/../b"])
async def test_unusable_filename_is_refused(client: httpx.AsyncClient, public: Bucket, name: str) -> None:
    part = FILE.replace(b'"a.txt"', b'"%s"' % name.encode().replace(b"\\", b"\\\\"))
    body, headers = raw_form(part)
    answer = await client.post(f"/files/upload/{public.name}", content=body, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (400, "Invalid filename")


async def test_name_that_is_not_ascii_comes_back(client: httpx.AsyncClient, public: Bucket) -> None:
    name = 'größe "日本" 😀.txt'
    stored = (await post(client, public.name, data={"key": name})).json()
    assert stored["filename"] == name
    answer = await client.get(stored["url"], params={"download": ""})
    assert answer.status_code == 200
    assert "filename*=UTF-8''gr%C3%B6%C3%9Fe" in answer.headers["content-disposition"]


async def test_overwrite_that_is_no_truth_value_is_422(client: httpx.AsyncClient, public: Bucket) -> None:
    answer = await post(client, public.name, params={"overwrite": "maybe"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "overwrite"]


async def test_if_match_asks_for_an_overwrite(client: httpx.AsyncClient, public: Bucket) -> None:
    await post(client, public.name)
    good = await post(client, public.name, body=b"new", headers={**bearer(), "if-match": f'"{MD5}"'})
    bad = await post(client, public.name, body=b"newer", headers={**bearer(), "if-match": f'"{MD5}"'})
    assert (good.status_code, bad.status_code) == (201, 412)
    assert (await get(client, public, "a.txt")).content == b"new"


# Who may --------------------------------------------------------------------------------------------------------


async def test_upload_without_a_credential_is_401(client: httpx.AsyncClient, public: Bucket) -> None:
    for name in (public.name, "there-is-none"):
        answer = await post(client, name, headers={})
        assert (answer.status_code, answer.json()["detail"]) == (401, "Authentication required")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_anon_key_uploads_to_public_buckets_only(
    client: httpx.AsyncClient, public: Bucket, private: Bucket
) -> None:
    taken = await post(client, public.name, headers=ANON)
    assert taken.status_code == 201
    assert taken.json()["owner_id"] == OWNER  # of nobody: the bucket's owner
    refused = await post(client, private.name, headers=ANON)
    assert refused.status_code == 403
    assert refused.json()["detail"] == "Anonymous uploads are only allowed to public buckets"


@pytest.mark.parametrize("which", ["public", "private"])
async def test_stranger_may_not_upload(client: httpx.AsyncClient, public: Bucket, private: Bucket, which: str) -> None:
    bucket = public if which == "public" else private
    answer = await post(client, bucket.name, headers=bearer(STRANGER))
    assert answer.status_code == 403
    assert answer.json()["detail"] == "You don't have permission to upload to this bucket"
    answer = await client.put(f"/files/upload-direct/{bucket.name}/x", content=TEXT, headers=bearer(STRANGER))
    assert answer.status_code == 403


@pytest.mark.parametrize("key", ["x", "%2e%2e/x", ".metadata.json", "..%2f..%2fx", "%2e%2e%2fx"])
async def test_direct_upload_without_a_credential_is_401(client: httpx.AsyncClient, public: Bucket, key: str) -> None:
    answer = await client.put(f"/files/upload-direct/{public.name}/{key}", content=TEXT)
    assert answer.status_code == 401


async def test_traversal_names_no_bucket(client: httpx.AsyncClient, service_patch: Any) -> None:
    scope_path = httpx.URL("http://storage.test/files/upload-direct/%2e%2e/x")
    answer = await client.put(scope_path, content=TEXT, headers=bearer())
    assert answer.status_code == 404
    assert not (service_patch.parent / "x").exists()


@pytest.mark.parametrize("key", ["%2e%2e/x", "..%2f..%2fescape", ".metadata.json", "a%2F%2Fb", "%2Fetc%2Fpasswd"])
async def test_odd_keys_are_only_names(client: httpx.AsyncClient, public: Bucket, service_patch: Any, key: str) -> None:
    url = f"/files/upload-direct/{public.name}/{key}"
    answer = await client.put(url, content=TEXT, headers=bearer())
    assert answer.status_code == 201
    assert (await client.get(answer.json()["url"])).content == TEXT
    assert not (service_patch.parent / "escape").exists()
    assert not (service_patch / "x").exists()
