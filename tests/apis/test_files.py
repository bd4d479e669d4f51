"""What is said of files and of their end, past what the transcript holds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from storage_service.app.edge.names import quote_key
from tests.apis.asking import (
    FILE,
    OWN,
    get,
    has,
    invalid,
    moment,
    names,
    place,
    post,
    put,
    refused,
    said,
)
from tests.apis.callers import Bucket, make_bucket

AWKWARD = ["a b.txt", "100%.txt", "b%2Fc.txt", "ünï.txt", "line\nfeed", "x/", "q?u#o;r&y", '"quoted"', "a//b", "+"]


# Info -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", AWKWARD)
async def test_any_key_is_found_again(client: httpx.AsyncClient, private: Bucket, key: str) -> None:
    stored = await put(client, private, key)
    info = await get(client, f"/files/info/{private.name}/{quote_key(key)}")
    has(info, FILE)
    assert (info["object_name"], info["id"]) == (key, stored.id)
    assert names(await get(client, f"/files/list/{private.name}")) == [key]
    said(await client.delete(f"/files/{private.name}/{quote_key(key)}", headers=OWN), 204)


async def test_file_answers_to_its_id_but_an_exact_key_wins(client: httpx.AsyncClient, private: Bucket) -> None:
    stored = await put(client, private, "a")
    path = f"/files/info/{private.id}/{stored.id}"
    assert (await get(client, path))["object_name"] == "a"
    assert (await get(client, path.upper().replace("/FILES/INFO", "/files/info")))["object_name"] == "a"
    await put(client, private, "another")
    await post(client, "/files/copy", {"source": place(private, "another"), "target": place(private, stored.id)})
    assert (await get(client, path))["object_name"] == stored.id


async def test_info_names_version_and_etag_in_headers(client: httpx.AsyncClient, public: Bucket) -> None:
    stored = await put(client, public, "a", b"hello")
    answer = await client.get(f"/files/info/{public.name}/a")
    assert answer.headers["etag"] == '"5d41402abc4b2a76b9719d911017c592"'
    assert answer.headers["x-version-id"] == stored.version_id
    head = await client.head(f"/files/info/{public.name}/a")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])


# Metadata and tags ------------------------------------------------------------------------------------------------


async def test_put_replaces_and_patch_merges_metadata(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a")
    path = f"/files/metadata/{private.name}/a"
    first = said(await client.put(path, json={"metadata": {"x": 1, "y": {"z": [True, None]}}}, headers=OWN))
    assert first["metadata"] == {"x": 1, "y": {"z": [True, None]}}
    merged = said(await client.patch(path, json={"metadata": {"x": None, "w": "é"}}, headers=OWN))
    assert merged["metadata"] == {"y": {"z": [True, None]}, "w": "é"}
    replaced = said(await client.put(path, json={"metadata": {}}, headers=OWN))
    assert replaced["metadata"] == {}
    assert await get(client, f"/files/info/{private.name}/a") == replaced


async def test_other_fields_change_only_if_they_are_sent(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a")
    path = f"/files/metadata/{private.name}/a"
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    sent = {
        "content_type": "text/csv",
        "cache_control": "max-age=60",
        "content_disposition": "inline",
        "expires_at": until,
        "tags": {"k": "v"},
    }
    changed = said(await client.put(path, json=sent, headers=OWN))
    assert (changed["content_type"], changed["cache_control"], changed["tags"]) == (
        "text/csv",
        "max-age=60",
        {"k": "v"},
    )
    assert abs(moment(changed["expires_at"]) - moment(until)) < timedelta(milliseconds=2)
    again = said(await client.put(path, json={"expires_at": None, "cache_control": None}, headers=OWN))
    assert (again["expires_at"], again["cache_control"], again["content_type"]) == (None, None, "text/csv")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"metadata": None}, "metadata"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"big": 2**70}}, "metadata"),
        ({"metadata": {"long": "x" * 20_000}}, "metadata"),
        ({"content_type": None}, "content_type"),
        ({"content_type": ""}, "content_type"),
        ({"content_type": "text/plain\r\nx: y"}, "content_type"),
        ({"cache_control": "a\nb"}, "cache_control"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ({"tags": {"": "v"}}, "tags"),
        ({"tags": {str(number): "v" for number in range(11)}}, "tags"),
        ({"tags": {"k": "v" * 257}}, "tags"),
    ],
)
async def test_metadata_that_cannot_be_kept_is_refused(
    client: httpx.AsyncClient, private: Bucket, body: dict[str, Any], field: str
) -> None:
    await put(client, private, "a")
    invalid(await client.put(f"/files/metadata/{private.name}/a", json=body, headers=OWN), field)


async def test_merges_do_not_grow_past_the_limit(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a")
    path = f"/files/metadata/{private.name}/a"
    said(await client.patch(path, json={"metadata": {"one": "x" * 10_000}}, headers=OWN))
    invalid(await client.patch(path, json={"metadata": {"two": "x" * 10_000}}, headers=OWN), "metadata")


async def test_metadata_write_honours_if_match(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a", b"hello")
    path, body = f"/files/metadata/{private.name}/a", {"metadata": {"x": 1}}
    refused(await client.put(path, json=body, headers={**OWN, "if-match": '"other"'}), 412)
    said(await client.put(path, json=body, headers={**OWN, "if-match": '"5d41402abc4b2a76b9719d911017c592"'}))


async def test_tags_are_set_read_and_taken_off(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a/b")
    path = f"/files/tags/{private.name}/a/b"
    assert await get(client, path) == {"tags": {}}
    assert said(await client.put(path, json={"tags": {"k": "v"}}, headers=OWN)) == {"tags": {"k": "v"}}
    assert await get(client, path) == {"tags": {"k": "v"}}
    said(await client.delete(path, headers=OWN), 204)
    assert await get(client, path) == {"tags": {}}
    refused(await client.delete(f"/files/tags/{private.name}/none", headers=OWN), 404)


# Delete -----------------------------------------------------------------------------------------------------------


async def test_delete_honours_if_match(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a", b"hello")
    path = f"/files/{private.name}/a"
    refused(await client.delete(path, headers={**OWN, "if-match": '"other"'}), 412)
    said(await client.delete(path, headers={**OWN, "if-match": '"5d41402abc4b2a76b9719d911017c592"'}), 204)


async def test_delete_of_one_version_brings_the_one_before_back(client: httpx.AsyncClient) -> None:
    bucket = await make_bucket(client, public=False, versioning="on")
    first = await put(client, bucket, "a", b"1")
    second = await put(client, bucket, "a", b"22")
    path = f"/files/{bucket.name}/a?version_id="
    refused(await client.delete(f"{path}nope", headers=OWN), 404)
    said(await client.delete(path + second.version_id, headers=OWN), 204)
    assert (await get(client, f"/files/info/{bucket.name}/a"))["version_id"] == first.version_id


async def test_delete_of_its_marker_undeletes_a_file(client: httpx.AsyncClient) -> None:
    bucket = await make_bucket(client, public=False, versioning="on")
    stored = await put(client, bucket, "a")
    answer = await client.delete(f"/files/{bucket.name}/a", headers=OWN)
    assert answer.headers["x-delete-marker"] == "true"
    marker = answer.headers["x-version-id"]
    refused(await client.get(f"/files/info/{bucket.name}/a?version_id={marker}", headers=OWN), 404)
    listed = await get(client, f"/files/versions/{bucket.name}/a")
    assert [(v["version_id"], v["is_latest"], v["is_delete_marker"]) for v in listed] == [
        (marker, True, True),
        (stored.version_id, False, False),
    ]
    said(await client.delete(f"/files/{bucket.name}/a?version_id={marker}", headers=OWN), 204)
    assert (await get(client, f"/files/info/{bucket.name}/a"))["id"] == stored.id


async def test_bulk_delete_answers_for_each_key(client: httpx.AsyncClient, private: Bucket) -> None:
    stored = await put(client, private, "by-id")
    for number in range(50):
        await put(client, private, f"many/{number:02}")
    keys = [*(f"many/{number:02}" for number in range(50)), "none", stored.id, "many/00"]
    answer = await post(client, "/files/delete", {"bucket": private.id, "keys": keys}, status=200)
    assert answer["deleted"] == 51
    assert [result["key"] for result in answer["results"]] == keys[:-1]
    assert answer["results"][50] == {
        "key": "none",
        "status": 404,
        "code": "no_such_key",
        "detail": f"File 'none' not found in bucket '{private.name}'",
    }
    assert await get(client, f"/files/list/{private.name}") == []


@pytest.mark.parametrize("keys", [[], ["a"] * 1001, [""], "a", None, [1]])
async def test_bulk_delete_of_no_sensible_keys_is_refused(
    client: httpx.AsyncClient, private: Bucket, keys: object
) -> None:
    invalid(await client.post("/files/delete", json={"bucket": private.name, "keys": keys}, headers=OWN), "keys")


# Paths ------------------------------------------------------------------------------------------------------------


async def test_wrong_method_says_what_is_allowed(client: httpx.AsyncClient) -> None:
    answer = await client.patch("/files/metadata/b")
    refused(answer, 405)
    answer = await client.post("/files/metadata/b/k")
    refused(answer, 405)
    assert answer.headers["allow"] == "DELETE, OPTIONS, PATCH, PUT"
    answer = await client.options("/buckets/b")
    assert (answer.status_code, answer.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")


@pytest.mark.parametrize(
    "path", ["/files", "/files/", "/files/info", "/files/info/b", "/api/v1/nothing", "/files/list"]
)
async def test_path_without_a_route_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers=OWN)
    assert answer.status_code in {404, 405}, answer.text
    refused(answer, answer.status_code)


async def test_path_that_is_no_utf_8_is_refused(client: httpx.AsyncClient, private: Bucket) -> None:
    refused(await client.get(f"/files/info/{private.name}/%ff", headers=OWN), 400)
