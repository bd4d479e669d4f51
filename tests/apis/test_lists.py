"""Lists of files: pages, order, search, who may see them."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.apis.asking import (
    ANON_KEY,
    OWN,
    SERVICE,
    get,
    names,
    put,
    refused,
    said,
)
from tests.apis.callers import Bucket, make_bucket


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
