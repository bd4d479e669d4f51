"""Buckets, their changes, and who is let in, through both clients, against the real service."""

from typing import Any

import pytest

from storage_service.client import (
    AsyncClient,
    Conflict,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    Transport,
    Unauthenticated,
)
from storage_service.client._async import buckets as async_buckets
from storage_service.client._sync import buckets as sync_buckets
from tests.client.conftest import URL, all_of


async def test_buckets_are_made_changed_emptied_and_deleted(client: Any) -> None:
    info = await client.buckets.create("made-here", quota_objects=5)
    assert (info.name, info.public, info.record["quota_objects"]) == ("made-here", False, 5)
    with pytest.raises(Conflict):
        await client.buckets.create("made-here")
    with pytest.raises(InvalidRequest):
        await client.buckets.create("Not A Name")
    assert (await client.buckets.update("made-here", public=True)).public
    bucket = client.from_("made-here")
    for key in "abc":
        await bucket.put(key, b"12")
    assert (await client.buckets.get(info.id)).total_bytes == 6
    with pytest.raises(Conflict):
        await client.buckets.delete("made-here")
    assert await client.buckets.empty("made-here", purge=True) == 3
    await bucket.put("d", b"")
    await client.buckets.delete("made-here", force=True)
    with pytest.raises(NotFound):
        await client.buckets.get("made-here")


async def test_bucket_is_emptied_in_batches(bucket: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (async_buckets, sync_buckets):
        monkeypatch.setattr(module, "MAX_BULK_KEYS", 2)
    for key in "abcde":
        await bucket.put(key, b"")
    assert await client.buckets.empty(bucket.name) == 5
    assert await all_of(bucket.list()) == []
    assert await client.buckets.empty(bucket.name) == 0


async def test_events_tell_changes_in_order(client: Any, bucket: Any) -> None:
    await bucket.put("in/a", b"")
    await bucket.put("out/b", b"")
    await bucket.delete("in/a")
    seen: list[Any] = []
    while len(seen) < 2:  # the feed follows once the journal is settled
        seen = await all_of(client.events(bucket=bucket.name, prefix="in/"))
    assert [change.key for change in seen] == ["in/a", "in/a"]
    assert seen[0].sequence < seen[1].sequence
    assert await all_of(client.events(since=seen[-1].sequence, bucket=bucket.name, prefix="in/")) == []


async def test_credentials_are_told_apart(service: Transport, bucket: Any) -> None:
    async with AsyncClient(URL, token=lambda: "not.a.token", transport=service) as client:
        with pytest.raises(Unauthenticated):
            await client.buckets.list()
    async with AsyncClient(URL, transport=service) as client:
        with pytest.raises((Unauthenticated, PermissionDenied)):
            await client.bucket(bucket.name).put("a", b"")
    with pytest.raises(InvalidRequest):
        AsyncClient(URL, token="t", api_key="k")


async def test_health_is_told(client: Any) -> None:
    assert (await client.health())["status"] == "healthy"
