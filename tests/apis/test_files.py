"""What is said of files, their lists, copies and end, past what the transcript holds."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from storage_service.app.edge.names import quote_key
from tests.apis.asking import (
    ANON_KEY,
    FILE,
    OTHER,
    OWN,
    SERVICE,
    get,
    has,
    invalid,
    moment,
    names,
    post,
    put,
    refused,
    said,
)
from tests.apis.callers import STRANGER, Bucket, make_bucket

AWKWARD = ["a b.txt", "100%.txt", "b%2Fc.txt", "ünï.txt", "line\nfeed", "x/", "q?u#o;r&y", '"quoted"', "a//b", "+"]


def place(bucket: Bucket, key: str, **more: Any) -> dict[str, Any]:
    return {"bucket": bucket.name, "key": key, **more}


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


# Copy, move, restore ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 100_000])
async def test_copy_takes_everything_over(client: httpx.AsyncClient, private: Bucket, size: int) -> None:
    source = await put(client, private, "a", b"x" * size, {"x-metadata": '{"by": "ada"}'})
    target = await make_bucket(client, public=False)
    copied = await post(client, "/files/copy", {"source": place(private, source.id), "target": place(target, "b/c")})
    assert (copied["object_name"], copied["size"], copied["metadata"]) == ("b/c", size, {"by": "ada"})
    assert copied["id"] != source.id
    assert (await client.get(f"/files/download/{target.name}/b/c", headers=OWN)).content == b"x" * size
    assert (await get(client, f"/files/info/{private.name}/a"))["id"] == source.id


async def test_copy_with_metadata_replaces_it(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a", headers={"x-metadata": '{"by": "ada"}'})
    body = {"source": place(private, "a"), "target": place(private, "b"), "metadata": {"of": "a"}}
    copied = await post(client, "/files/copy", body)
    assert (copied["metadata"], copied["content_type"]) == ({"of": "a"}, "text/plain")


async def test_copy_belongs_to_whoever_made_it(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "a")
    fields = {"name": f"of-stranger-{public.name}", "is_public": False}
    theirs = Bucket(said(await client.post("/buckets", json=fields, headers=OTHER), 201)["name"], "")
    for metadata in (None, {"x": 1}):
        body = {"source": place(public, "a"), "target": place(theirs, "b"), "metadata": metadata, "overwrite": True}
        assert said(await client.post("/files/copy", json=body, headers=OTHER), 201)["owner_id"] == STRANGER
    refused(await client.delete(f"/files/{theirs.name}/b", headers=OWN), 403)


async def test_copy_does_not_overwrite_unasked(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a", b"new")
    old = await put(client, private, "b", b"old")
    body = {"source": place(private, "a"), "target": place(private, "b")}
    answer = await client.post("/files/copy", json=body, headers=OWN)
    refused(answer, 409, f"File 'b' already exists in bucket '{private.name}'")
    copied = await post(client, "/files/copy", {**body, "overwrite": True})
    assert copied["id"] == old.id  # the key keeps its file


async def test_copy_of_an_older_version(client: httpx.AsyncClient) -> None:
    bucket = await make_bucket(client, public=False, versioning="on")
    first = await put(client, bucket, "a", b"1")
    await put(client, bucket, "a", b"22")
    body = {"source": place(bucket, "a", version_id=first.version_id), "target": place(bucket, "b")}
    assert (await post(client, "/files/copy", body))["size"] == 1


@pytest.mark.parametrize("size", [5, 100_000])
async def test_move_keeps_the_id(client: httpx.AsyncClient, private: Bucket, size: int) -> None:
    source = await put(client, private, "a", b"x" * size)
    target = await make_bucket(client, public=False)
    moved = await post(client, "/files/move", {"source": place(private, "a"), "target": place(target, "b")})
    assert moved["id"] == source.id
    assert await get(client, f"/files/list/{private.name}") == []
    assert (await client.get(f"/files/download/{target.name}/b", headers=OWN)).content == b"x" * size


async def test_move_onto_itself_is_refused(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a")
    body = {"source": place(private, "a"), "target": place(private, "a"), "overwrite": True}
    refused(await client.post("/files/move", json=body, headers=OWN), 400)
    assert names(await get(client, f"/files/list/{private.name}")) == ["a"]


async def test_move_needs_the_right_to_delete(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "a")
    fields = {"name": f"mover-{public.name}", "is_public": False}
    theirs = Bucket(said(await client.post("/buckets", json=fields, headers=OTHER), 201)["name"], "")
    body = {"source": place(public, "a"), "target": place(theirs, "b")}
    refused(await client.post("/files/move", json=body, headers=OTHER), 403)
    assert names(await get(client, f"/files/list/{public.name}")) == ["a"]


async def test_missing_source_is_named(client: httpx.AsyncClient, private: Bucket) -> None:
    body = {"source": place(private, "none"), "target": place(private, "b")}
    answer = await client.post("/files/copy", json=body, headers=OWN)
    refused(answer, 404, f"File 'none' not found in bucket '{private.name}'")


@pytest.mark.parametrize("key", ["", "x" * 1025, "nul\0"])
async def test_copy_to_an_impossible_key_is_refused(client: httpx.AsyncClient, private: Bucket, key: str) -> None:
    await put(client, private, "a")
    body = {"source": place(private, "a"), "target": place(private, key)}
    answer = await client.post("/files/copy", json=body, headers=OWN)
    assert answer.status_code in {400, 422}, answer.text


@pytest.mark.parametrize("size", [5, 100_000])
async def test_deleted_file_is_brought_back(client: httpx.AsyncClient, private: Bucket, size: int) -> None:
    await put(client, private, "a/b", b"x" * size, {"x-metadata": '{"by": "ada"}'})
    said(await client.delete(f"/files/{private.name}/a/b", headers=OWN), 204)
    trash = await get(client, f"/api/v1/trash/{private.name}")
    assert [(entry["key"], entry["in_trash"]) for entry in trash["files"]] == [("a/b", True)]
    restored = await post(client, f"/files/restore/{private.name}/a/b")
    assert restored["metadata"] == {"by": "ada"}
    assert (await client.get(f"/files/download/{private.name}/a/b", headers=OWN)).content == b"x" * size
    assert (await get(client, f"/api/v1/trash/{private.name}"))["files"] == []


async def test_overwritten_version_is_brought_back(client: httpx.AsyncClient, private: Bucket) -> None:
    old = await put(client, private, "a", b"old")
    await put(client, private, "a", b"newer")
    listed = await get(client, f"/files/versions/{private.name}/a?trash=true")
    assert [(v["size"], v["is_latest"], v["in_trash"]) for v in listed] == [(5, True, False), (3, False, True)]
    assert (await post(client, f"/files/restore/{private.name}/a"))["size"] == 3
    assert (await post(client, f"/files/restore/{private.name}/a"))["size"] == 5
    named = await post(client, f"/files/restore/{private.name}/a", {"version_id": old.version_id})
    assert (named["size"], named["id"]) == (3, old.id)


async def test_nothing_to_restore(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a")
    refused(await client.post(f"/files/restore/{private.name}/a", headers=OWN), 404)
    body = {"version_id": "nope"}
    refused(await client.post(f"/files/restore/{private.name}/a", json=body, headers=OWN), 404)


async def test_purged_file_is_not_in_the_trash_for_long(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "kept")
    await put(client, private, "purged")
    for path in (f"/files/{private.name}/kept", f"/files/{private.name}/purged?purge=true"):
        said(await client.delete(path, headers=OWN), 204)
    entries = (await get(client, f"/api/v1/trash/{private.name}"))["files"]
    due = {entry["key"]: moment(entry["purge_at"]) - moment(entry["deleted_at"]) for entry in entries}
    assert due["kept"] == timedelta(days=1)
    assert due.get("purged", timedelta()) <= timedelta(seconds=60)


async def test_trash_is_paged(client: httpx.AsyncClient, private: Bucket) -> None:
    for key in ("a/1", "a/2", "b"):
        await put(client, private, key)
        said(await client.delete(f"/files/{private.name}/{key}", headers=OWN), 204)
    first = await get(client, f"/api/v1/trash/{private.name}?prefix=a/&limit=1")
    second = await get(client, f"/api/v1/trash/{private.name}?prefix=a/&limit=2&cursor={first['cursor']}")
    assert [entry["key"] for entry in first["files"] + second["files"]] == ["a/1", "a/2"]
    assert second["cursor"] is None


async def test_dead_versions_are_shown_to_the_owner_only(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "a")
    path = f"/files/versions/{public.name}/a"
    said(await client.get(path))
    refused(await client.get(f"{path}?trash=true"), 401)
    refused(await client.get(f"{path}?trash=true", headers=OTHER), 403)


# Lists ------------------------------------------------------------------------------------------------------------


async def test_pages_by_cursor_follow_the_link(client: httpx.AsyncClient, private: Bucket) -> None:
    keys = [f"{number:03}" for number in range(25)]
    for key in keys:
        await put(client, private, key)
    found: list[str] = []
    path = f"/files/list/{private.name}?limit=10"
    while path:
        answer = await client.get(path, headers=OWN)
        found += names(said(answer))
        link = answer.links.get("next", {}).get("url")
        path = str(httpx.URL(path).join(link)) if link else ""
        assert (link is None) == ("x-next-cursor" not in answer.headers)
    assert found == keys


async def test_list_starts_after_a_key_and_goes_on_by_cursor(client: httpx.AsyncClient, private: Bucket) -> None:
    for key in ("a", "b", "c/1", "d"):
        await put(client, private, key)
    first = await client.get(f"/files/list/{private.name}?start_after=a&limit=2", headers=OWN)
    assert names(said(first)) == ["b", "c/1"]
    link = first.links["next"]["url"]
    assert "start_after" not in link
    rest = await client.get(httpx.URL(f"/files/list/{private.name}").join(link), headers=OWN)
    assert names(said(rest)) == ["d"]


async def test_pages_by_offset_are_sorted_searched_and_counted(client: httpx.AsyncClient, private: Bucket) -> None:
    for number, key in enumerate(["Cat-3", "cat-1", "dog", "CAT-2"]):
        await put(client, private, key, b"x" * (number + 1))
    path = f"/files/list/{private.name}?search=cat&sort=size&order=desc&limit=2"
    answer = await client.get(path, headers=OWN)
    assert names(said(answer)) == ["CAT-2", "cat-1"]
    assert answer.headers["x-total-count"] == "3"
    rest = await client.get(httpx.URL(path).join(answer.links["next"]["url"]), headers=OWN)
    assert names(said(rest)) == ["Cat-3"]
    assert "link" not in rest.headers


async def test_delimiter_rolls_up(client: httpx.AsyncClient, private: Bucket) -> None:
    for key in ("a/1", "a/2", "b", "é/1", "z"):
        await put(client, private, key)
    answer = await client.get(f"/files/list/{private.name}?delimiter=/", headers=OWN)
    assert names(said(answer)) == ["b", "z"]
    assert answer.headers["x-common-prefixes"] == '["a/","\\u00e9/"]'
    whole: dict[str, Any] = {"files": [], "prefixes": []}
    cursor: str | None = ""
    while cursor is not None:
        page = await get(client, f"/files/list/{private.name}?delimiter=/&envelope=true&limit=1&cursor={cursor}")
        whole = {"files": whole["files"] + names(page["files"]), "prefixes": whole["prefixes"] + page["prefixes"]}
        cursor = page["cursor"]
    assert whole == {"files": ["b", "z"], "prefixes": ["a/", "é/"]}


async def test_prefixes_that_fit_no_header_ask_for_an_envelope(client: httpx.AsyncClient, private: Bucket) -> None:
    await asyncio.gather(*(put(client, private, f"{'x' * 900}{number}/a") for number in range(6)))
    path = f"/files/list/{private.name}?delimiter=/"
    refused(await client.get(path, headers=OWN), 400)
    assert len((await get(client, f"{path}&envelope=true"))["prefixes"]) == 6


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422),
        ("limit=x", 422),
        ("offset=-1", 422),
        ("sort=colour", 422),
        ("order=up", 422),
        ("cursor=!!!", 400),
        ("cursor=AAAA", 400),
        ("cursor=é", 400),
        ("search=a&delimiter=/", 400),
        ("search=a&start_after=b", 400),
        ("limit=1000000", 200),
        ("limit=10&offset=0&search=", 200),
        ("unknown=1", 200),
        ("search=%25_", 200),
    ],
)
async def test_list_query(client: httpx.AsyncClient, private: Bucket, query: str, status: int) -> None:
    answer = await client.get(f"/files/list/{private.name}?{query}", headers=OWN)
    assert answer.status_code == status, answer.text


async def test_listing_follows_public_list(client: httpx.AsyncClient) -> None:
    bucket = await make_bucket(client, public=True, public_list=False)
    await put(client, bucket, "a")
    refused(await client.get(f"/files/list/{bucket.name}"), 403)
    refused(await client.get(f"/files/list/{bucket.name}", headers=ANON_KEY), 403)
    said(await client.get(f"/files/info/{bucket.name}/a"))
    said(await client.get(f"/files/list/{bucket.name}", headers=SERVICE))


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
