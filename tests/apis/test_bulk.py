"""Jobs over many files: what each does, whom it refuses, and what it counts."""

from typing import Any

import httpx
import orjson
import pytest

from tests.apis.asking import OTHER, OWN, get, names, put, said
from tests.apis.callers import Bucket, make_bucket


async def run(
    client: httpx.AsyncClient, bucket: Bucket, headers: dict[str, str] = OWN, **job: Any
) -> list[dict[str, Any]]:
    """The lines of a job."""
    answer = await client.post("/api/v1/bulk", json={"bucket": bucket.name, **job}, headers=headers)
    assert answer.status_code == 200, answer.text
    return [orjson.loads(line) for line in answer.text.splitlines()]


async def listed(client: httpx.AsyncClient, bucket: Bucket) -> list[str]:
    return names(await get(client, f"/files/list/{bucket.name}"))


async def test_delete_takes_keys_and_all_below_prefixes_and_restore_brings_them_back(
    client: httpx.AsyncClient, private: Bucket
) -> None:
    keys = ["a", "b/1", "b/2", "b/c/3", "kept"]
    for key in keys:
        await put(client, private, key)
    lines = await run(client, private, op="delete", keys=["a"], prefixes=["b/"])
    assert lines[-1] == {"done": 4, "failed": 0, "total": 4, "finished": True}
    assert await listed(client, private) == ["kept"]
    lines = await run(client, private, op="restore", keys=["a"], prefixes=["b/"])
    assert (lines[-1]["done"], lines[-1]["failed"]) == (4, 0)
    assert await listed(client, private) == keys


async def test_restore_takes_delete_markers_away_and_nothing_that_was_deleted_earlier(
    client: httpx.AsyncClient,
) -> None:
    bucket = await make_bucket(client, public=False, versioning="on")
    for key in ("a", "b"):
        await put(client, bucket, key)
    await run(client, bucket, op="delete", prefixes=[""])
    assert (await run(client, bucket, op="restore", prefixes=[""], since="2999-01-01T00:00:00Z"))[-1]["done"] == 0
    await run(client, bucket, op="restore", prefixes=[""])
    assert await listed(client, bucket) == ["a", "b"]
    assert len(await get(client, f"/files/versions/{bucket.name}/a")) == 1


async def test_restore_replaces_nothing(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a", b"old")
    await run(client, private, op="delete", keys=["a"])
    await put(client, private, "a", b"new")
    assert (await run(client, private, op="restore", keys=["a"]))[0]["errors"][0]["status"] == 409


async def test_move_and_copy_put_the_rest_of_the_key_behind_the_target(
    client: httpx.AsyncClient, private: Bucket
) -> None:
    for key in ("a/1", "a/b/2"):
        await put(client, private, key)
    other = await make_bucket(client, public=False)
    target = {"bucket": other.name, "prefix": "to/"}
    await run(client, private, op="copy", prefixes=["a/b/"], base="a/", target=target)
    assert await listed(client, other) == ["to/b/2"]
    await run(client, private, op="move", prefixes=["a/"], base="a/", target={"bucket": private.name, "prefix": "z/"})
    assert await listed(client, private) == ["z/1", "z/b/2"]


async def test_target_that_is_there_is_counted_and_the_others_go_on(client: httpx.AsyncClient, private: Bucket) -> None:
    for key in ("a/1", "a/2", "b/1"):
        await put(client, private, key)
    job: dict[str, Any] = {"op": "move", "prefixes": ["a/"], "base": "a/"}
    job["target"] = {"bucket": private.name, "prefix": "b/"}
    lines = await run(client, private, **job)
    assert (lines[-1]["done"], lines[-1]["failed"]) == (1, 1)
    assert lines[0]["errors"][0]["key"] == "a/1"
    assert (await run(client, private, **job, overwrite=True))[-1]["done"] == 1
    assert await listed(client, private) == ["b/1", "b/2"]


async def test_stranger_is_refused_file_by_file_and_may_not_even_look_below_a_prefix(
    client: httpx.AsyncClient, private: Bucket
) -> None:
    await put(client, private, "a")
    lines = await run(client, private, OTHER, op="delete", keys=["a"])
    assert (lines[0]["failed"], lines[0]["errors"][0]["status"]) == (1, 403)
    for op in ("delete", "restore"):
        job = {"op": op, "bucket": private.name, "prefixes": [""]}
        assert (await client.post("/api/v1/bulk", json=job, headers=OTHER)).status_code == 403
    assert await listed(client, private) == ["a"]


@pytest.mark.parametrize(
    ("job", "status"),
    [
        ({"op": "delete"}, 422),
        ({"op": "move", "keys": ["a"]}, 422),
        ({"op": "delete", "keys": ["a"], "target": {"bucket": "b"}}, 422),
        ({"op": "copy", "keys": ["a"], "base": "b/", "target": {"bucket": "{b}"}}, 422),
        ({"op": "move", "prefixes": ["a/"], "target": {"bucket": "{b}", "prefix": ""}}, 400),
        ({"op": "copy", "prefixes": ["a/"], "base": "a/", "target": {"bucket": "{b}", "prefix": "a/b/"}}, 400),
    ],
)
async def test_job_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, private: Bucket, job: dict[str, Any], status: int
) -> None:
    text = orjson.dumps({"bucket": "{b}", **job}).decode().replace("{b}", private.name)
    answer = await client.post("/api/v1/bulk", content=text, headers=OWN)
    assert answer.status_code == status, answer.text


# Lists ----------------------------------------------------------------------------------------------------------------


async def test_page_with_total_counts_the_files_of_one_folder_and_names_its_folders(
    client: httpx.AsyncClient, private: Bucket
) -> None:
    for number, key in enumerate(("f/", "f/b", "f/a", "f/x/1", "f/y/2", "g")):
        await put(client, private, key, b"x" * number)
    path = f"/files/list/{private.name}?prefix=f/&delimiter=/&total=true&envelope=true"
    page = await get(client, path)
    assert (names(page["files"]), page["prefixes"], page["total"]) == (["f/a", "f/b"], ["f/x/", "f/y/"], 2)
    page = await get(client, f"{path}&sort=size&order=desc&limit=1")
    assert (names(page["files"]), page["total"]) == (["f/a"], 2)
    page = await get(client, f"{path}&offset=1")
    assert (names(page["files"]), page["prefixes"]) == (["f/b"], [])


async def test_search_has_no_delimiter(client: httpx.AsyncClient, private: Bucket) -> None:
    answer = await client.get(f"/files/list/{private.name}?search=a&delimiter=/", headers=OWN)
    assert said(answer, 400)["code"] == "invalid_argument"
