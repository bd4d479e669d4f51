"""Copies, moves, and what is brought back."""

from datetime import timedelta

import httpx
import pytest

from tests.apis.asking import (
    OTHER,
    OWN,
    get,
    moment,
    names,
    place,
    post,
    put,
    refused,
    said,
)
from tests.apis.callers import STRANGER, Bucket, make_bucket


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
