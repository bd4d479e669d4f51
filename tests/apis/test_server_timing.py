"""Lists tell how long they took: what a slow page is due to can be seen from outside."""

import re

import httpx

from tests.apis.callers import Bucket


async def test_list_tells_how_long_it_took(client: httpx.AsyncClient, public: Bucket) -> None:
    answer = await client.get(f"/files/list/{public.name}")
    assert re.fullmatch(r"list;dur=[0-9]+[.][0-9]{2}", answer.headers["server-timing"])
