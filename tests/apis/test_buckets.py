"""Buckets through the JSON door, past what the transcript holds."""

import httpx
import pytest

from tests.apis.asking import (
    ANON_KEY,
    BAD,
    NOBODY,
    OTHER,
    OWN,
    SERVICE,
    get,
    has,
    invalid,
    post,
    put,
    refused,
    said,
)
from tests.apis.callers import OWNER, STRANGER, Bucket, make_bucket


async def test_bucket_is_public_unless_the_request_says_otherwise(client: httpx.AsyncClient) -> None:
    assert (await post(client, "/buckets", {"name": "by-default"}))["is_public"] is True
    assert (await post(client, "/buckets", {"name": "by-request", "public": False}))["is_public"] is False


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, "name"),
        ({"name": None}, "name"),
        ({"name": "Has-Capitals"}, "name"),
        ({"name": "ab"}, "name"),
        ({"name": "a" * 64}, "name"),
        ({"name": "-leads"}, "name"),
        ({"name": "line\n"}, "name"),
        ({"name": "0189f7ea-ae2c-7000-8000-000000000000"}, "name"),
        ({"name": "resumable"}, "name"),
        ({"name": "nulled", "is_public": None}, "is_public"),
        ({"name": "nulled", "versioning": None}, "versioning"),
        ({"name": "nulled", "versioning": "sometimes"}, "versioning"),
        ({"name": "torn", "is_public": True, "public": False}, "body"),
        ({"name": "quota", "quota_bytes": -1}, "quota_bytes"),
        ({"name": "quota", "quota_bytes": 2**63}, "quota_bytes"),
        ({"name": "types", "allowed_mime_types": ["image"]}, "allowed_mime_types"),
    ],
)
async def test_bucket_with_a_bad_field_is_refused(
    client: httpx.AsyncClient, fields: dict[str, object], place: str
) -> None:
    invalid(await client.post("/buckets", json=fields, headers=OWN), place)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff", b"[" * 100_000, b'{"name": 1}', b'{"name": "\\ud800"}']
)
async def test_body_that_is_no_bucket_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/buckets", content=body, headers=OWN)
    assert answer.status_code in {400, 422}, answer.text
    refused(answer, answer.status_code)


async def test_wrong_or_missing_credential_is_told_before_a_broken_body(client: httpx.AsyncClient) -> None:
    refused(await client.post("/buckets", content=b"{", headers=BAD), 401, "Invalid authentication credentials")
    refused(await client.post("/buckets", content=b"{"), 401, "Not authenticated")


async def test_body_is_json_whatever_its_type_says(client: httpx.AsyncClient) -> None:
    headers = {**OWN, "content-type": "application/x-www-form-urlencoded"}
    said(await client.post("/buckets", content=b'{"name": "sent-by-curl"}', headers=headers), 201)


async def test_body_too_large_is_refused(client: httpx.AsyncClient) -> None:
    body = b'{"name": "' + b"a" * (5 << 20) + b'"}'
    refused(await client.post("/buckets", content=body, headers=OWN), 413)


async def test_options_are_kept_and_null_takes_them_away(client: httpx.AsyncClient) -> None:
    options = {
        "description": "of cats",
        "versioning": "on",
        "quota_bytes": 1000,
        "quota_objects": 5,
        "file_size_limit": 100,
        "allowed_mime_types": ["image/*"],
        "public_list": False,
    }
    bucket = await make_bucket(client, public=False, **options)
    record = await get(client, f"/buckets/{bucket.id}")
    assert {name: record[name] for name in options} == options
    assert record["max_object_bytes"] == 100
    gone = dict.fromkeys(("description", "quota_bytes", "quota_objects", "max_object_bytes", "allowed_mime_types"))
    changed = said(await client.put(f"/buckets/{bucket.name}", json=gone, headers=OWN))
    assert {name: changed[name] for name in gone} == gone
    assert changed["file_size_limit"] is None
    assert changed["versioning"] == "on"
    assert changed["is_public"] is False


async def test_empty_update_changes_nothing(client: httpx.AsyncClient, private: Bucket) -> None:
    before = await get(client, f"/buckets/{private.name}")
    assert said(await client.put(f"/buckets/{private.name}", json={}, headers=OWN)) == before


async def test_versioning_cannot_be_turned_off(client: httpx.AsyncClient) -> None:
    bucket = await make_bucket(client, public=True, versioning="on")
    refused(await client.put(f"/buckets/{bucket.name}", json={"versioning": "off"}, headers=OWN), 400)
    said(await client.put(f"/buckets/{bucket.name}", json={"versioning": "suspended"}, headers=OWN))


async def test_bucket_is_not_renamed(client: httpx.AsyncClient, public: Bucket) -> None:
    path = f"/buckets/{public.name}"
    invalid(await client.put(path, json={"name": "another"}, headers=OWN), "name")
    said(await client.put(path, json={"name": public.name}, headers=OWN))


async def test_bucket_answers_to_its_id(client: httpx.AsyncClient, private: Bucket) -> None:
    assert (await get(client, f"/buckets/{private.id}"))["name"] == private.name
    assert (await get(client, f"/buckets/{private.id.upper()}"))["name"] == private.name


async def test_trailing_slash_is_served_without_a_redirect(client: httpx.AsyncClient, public: Bucket) -> None:
    assert (await get(client, f"/buckets/{public.name}/"))["id"] == public.id
    assert isinstance(await get(client, "/buckets/"), list)
    assert (await get(client, f"/files/list/{public.name}/")) == []


async def test_counts_follow_the_files(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "a", b"12345")
    await put(client, public, "b", b"123")
    record = await get(client, f"/buckets/{public.name}")
    assert (record["file_count"], record["total_size"]) == (2, 8)
    said(await client.delete(f"/files/{public.name}/a", headers=OWN), 204)
    record = await get(client, f"/buckets/{public.name}")
    assert (record["file_count"], record["total_size"], record["trash_count"], record["trash_size"]) == (1, 3, 1, 5)
    listed = {found["name"]: found for found in await get(client, "/buckets")}
    assert listed[public.name] == record


@pytest.mark.parametrize(
    ("headers", "sees_private"), [(NOBODY, False), (ANON_KEY, False), (OTHER, False), (OWN, True), (SERVICE, True)]
)
async def test_list_shows_own_and_public(
    client: httpx.AsyncClient, public: Bucket, private: Bucket, headers: dict[str, str], sees_private: bool
) -> None:
    found = {bucket["name"] for bucket in await get(client, "/buckets", headers)}
    assert public.name in found
    assert (private.name in found) is sees_private


async def test_list_is_paged_and_searched(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await post(client, "/buckets", {"name": f"paged-{number}"})
    answer = await client.get("/buckets?search=PAGED&limit=2&offset=1", headers=OWN)
    assert [bucket["name"] for bucket in said(answer)] == ["paged-1", "paged-2"]
    assert answer.headers["x-total-count"] == "3"
    invalid(await client.get("/buckets?limit=0", headers=OWN), "limit")


async def test_forced_delete_takes_the_files_along(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "a/b")
    said(await client.delete(f"/buckets/{public.name}?force=true", headers=OWN), 204)
    refused(await client.get(f"/files/info/{public.name}/a/b", headers=OWN), 404, f"Bucket '{public.name}' not found")


async def test_only_admins_make_buckets_for_others(client: httpx.AsyncClient) -> None:
    fields = {"name": "for-a-stranger", "owner_id": STRANGER}
    refused(await client.post("/buckets", json=fields, headers=OWN), 403)
    assert said(await client.post("/buckets", json=fields, headers=SERVICE), 201)["owner_id"] == STRANGER
    own = {"name": "for-myself", "owner_id": OWNER}
    has(said(await client.post("/buckets", json=own, headers=OWN), 201), {"owner_id": str})


async def test_missing_bucket_is_told_after_a_missing_login(client: httpx.AsyncClient) -> None:
    refused(await client.delete("/buckets/nowhere"), 401, "Not authenticated")
    refused(await client.delete("/buckets/nowhere", headers=OWN), 404, "Bucket 'nowhere' not found")
    refused(await client.get("/buckets/nowhere"), 404, "Bucket 'nowhere' not found")
