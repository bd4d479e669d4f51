"""The change feed live: what a follower gets, in which order, and what becomes of one who is slow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from storage_service.app.core import feed as feed_module
from storage_service.app.core.changes import DeleteOptions, PatchOptions
from storage_service.app.core.copying import Copying
from storage_service.app.core.errors import ServiceUnavailable, SlowDown
from storage_service.app.core.events import Event
from storage_service.app.core.feed import Batch, Feed
from storage_service.app.core.objects import Bucket, now_ms
from storage_service.app.core.security import ANONYMOUS, SERVICE, KeyScope, Place, Principal
from storage_service.app.core.sight import Sight
from storage_service.app.core.writing import PutOptions
from tests.support.stack import Stack, open_stack

PATIENCE = 60.0
DEADLINE = 60.0


async def once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def put(stack: Stack, bucket: Bucket, key: str, body: bytes = b"x") -> str:
    outcome = await stack.store.put_object(bucket, key, once(body), PutOptions())
    assert outcome.version is not None
    return outcome.version.version_id


@pytest_asyncio.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with open_stack(tmp_path / "data") as stack:
        yield stack


async def told(stack: Stack, after: int = 0) -> list[tuple[str, str | None]]:
    stack.settle()
    batches = [batch async for batch in Feed(stack.store).replay(after, lambda _: True)]
    return [(event.kind, event.key) for batch in batches for event in batch.events]


# What each change is --------------------------------------------------------------------------------------------------


async def test_events_of_a_bucket_without_versions(stack: Stack) -> None:
    bucket = await stack.bucket()
    version_id = await put(stack, bucket, "a")
    await put(stack, bucket, "a")
    await stack.store.patch_object(bucket, "a", {"tags": {"t": "1"}}, "ann", PatchOptions())
    await stack.store.delete_object(bucket, "a", "ann", DeleteOptions())
    await stack.store.copy_object(Copying(bucket, "a", bucket, "a", version_id=version_id), "ann")
    await stack.store.copy_object(Copying(bucket, "a", bucket, "b"), "ann")
    await stack.store.delete_object(bucket, "b", "expiry", DeleteOptions())
    await put(stack, bucket, "b")
    assert await told(stack) == [
        ("bucket.created", None),
        ("object.created", "a"),
        ("object.updated", "a"),
        ("object.updated", "a"),
        ("object.deleted", "a"),
        ("object.restored", "a"),
        ("object.created", "b"),
        ("object.expired", "b"),
        ("object.created", "b"),
    ]


async def test_events_of_a_versioned_bucket(stack: Stack) -> None:
    bucket = await stack.bucket(versioning="on")
    first = await put(stack, bucket, "a")
    await put(stack, bucket, "a")
    await stack.store.delete_object(bucket, "a", "ann", DeleteOptions(version_id=first))
    stack.settle()
    before = await stack.store.feed_end()
    marked = await stack.store.delete_object(bucket, "a", "ann", DeleteOptions())
    assert await told(stack, before) == [("object.deleted", "a")]
    assert marked.version is not None
    await stack.store.delete_object(bucket, "a", "ann", DeleteOptions(version_id=marked.version.version_id))
    await put(stack, bucket, "b")
    assert await told(stack) == [
        ("bucket.created", None),
        ("object.created", "a"),
        ("object.updated", "a"),
        ("object.updated", "a"),  # its first version went: it is there still
        ("object.deleted", "a"),
        ("object.restored", "a"),
        ("object.created", "b"),
    ]


async def test_events_of_buckets_go_on_after_their_end(stack: Stack) -> None:
    bucket = await stack.bucket()
    while now_ms() == bucket.created_ms:  # the instant is how its first row is known
        await asyncio.sleep(0.001)
    await stack.store.update_bucket(bucket, {"public": True}, "ann")
    await put(stack, bucket, "a")
    await stack.store.delete_bucket(bucket, "ann", force=True)
    found = ["bucket.created", "bucket.updated", "object.created", "bucket.deleted"]
    assert [kind for kind, _ in await told(stack)] == found


async def test_an_event_says_what_a_file_is(stack: Stack) -> None:
    bucket = await stack.bucket()
    version_id = await put(stack, bucket, "a.txt", b"hello")
    stack.settle()
    (_, event) = await stack.store.events(0, 10)
    version = await stack.store.head_object(bucket, "a.txt")
    assert (event.bucket_name, event.bucket_uuid, event.key) == ("photos", bucket.uuid, "a.txt")
    assert (event.version_id, event.size, event.etag) == (version_id, 5, version.etag)
    assert event.file_id == version.file_id


async def test_the_feed_is_read_page_by_page(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "PAGE", 3)
    bucket = await stack.bucket()
    keys = [f"k{number}" for number in range(10)]
    for key in keys:
        await put(stack, bucket, key)
    assert [key for _, key in await told(stack) if key] == keys


# Following ------------------------------------------------------------------------------------------------------------


class Following:
    """A follower under way; `events` are those it has got."""

    def __init__(self, batches: AsyncIterator[Batch]) -> None:
        self.batches = batches
        self.events: list[Event] = []
        self.gone: list[int] = []

    async def until(self, key: str) -> None:
        async with asyncio.timeout(DEADLINE):
            while key not in [event.key for event in self.events]:
                await self.step()

    async def step(self) -> bool:
        """Take one batch; False at the end."""
        async with asyncio.timeout(DEADLINE):
            batch = await anext(self.batches, None)
        if batch is None:
            return False
        self.events += batch.events
        self.gone += [batch.position] if batch.gone else []
        return True


def everything(_: Event) -> bool:
    return True


async def test_a_follower_gets_each_event_once_and_in_order(stack: Stack) -> None:
    bucket = await stack.bucket()
    feed = Feed(stack.store)
    await put(stack, bucket, "before")
    stack.settle()
    async with aclosing(feed.follow(0, everything, patience_seconds=PATIENCE)) as batches:
        following = Following(batches)
        await following.until("before")
        for number in range(30):
            await put(stack, bucket, f"k{number}")
            if number % 10 == 0:
                stack.settle()
        stack.settle()
        await following.until("k29")
    sequences = [event.sequence for event in following.events]
    assert sequences == sorted(set(sequences))
    assert [event.key for event in following.events] == [None, "before", *[f"k{number}" for number in range(30)]]


async def test_from_now_on_means_from_now_on(stack: Stack) -> None:
    bucket = await stack.bucket()
    await put(stack, bucket, "before")
    stack.settle()
    async with aclosing(Feed(stack.store).follow(None, everything, patience_seconds=PATIENCE)) as batches:
        following = Following(batches)
        await following.step()
        await put(stack, bucket, "after")
        stack.settle()
        await following.until("after")
    assert [event.key for event in following.events] == ["after"]


async def test_what_is_not_settled_is_not_told(stack: Stack) -> None:
    bucket = await stack.bucket()
    stack.settle()
    async with aclosing(Feed(stack.store).follow(0, everything, patience_seconds=0.2)) as batches:
        following = Following(batches)
        await put(stack, bucket, "a")
        for _ in range(4):
            await following.step()
        assert [event.key for event in following.events] == [None]
        stack.settle()
        await following.until("a")


async def test_a_follower_who_is_too_slow_is_let_go_and_resumes(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MOST_WAITING", 5)
    bucket = await stack.bucket()
    stack.settle()
    feed = Feed(stack.store)
    async with aclosing(feed.follow(None, everything, patience_seconds=PATIENCE)) as batches:
        slow = Following(batches)
        await slow.step()
        last = await stack.store.feed_end()
        waiting = asyncio.ensure_future(slow.step())  # joins the tail, and takes one batch
        await asyncio.sleep(0)
        for number in range(8):
            await put(stack, bucket, f"k{number}")
        stack.settle()
        assert not await waiting
    async with aclosing(feed.follow(last, everything, patience_seconds=PATIENCE)) as batches:
        resumed = Following(batches)
        await resumed.until("k7")
    assert [event.key for event in resumed.events] == [f"k{number}" for number in range(8)]


@pytest.mark.parametrize("after", [1, 10**6])
async def test_an_id_the_feed_cannot_go_on_from_is_told(stack: Stack, after: int) -> None:
    """Too old, or of a catalog that is no more."""
    bucket = await stack.bucket()
    for key in "abcd":
        await put(stack, bucket, key)
    stack.settle()
    stack.keeper.catalog.trim(2**62, 0, 3)
    async with aclosing(Feed(stack.store).follow(after, everything, patience_seconds=PATIENCE)) as batches:
        following = Following(batches)
        while not following.gone:
            assert await following.step()
        assert following.gone == [3 if after == 1 else 5]
        await put(stack, bucket, "e")
        stack.settle()
        await following.until("e")
    assert [event.key for event in following.events] == (["c", "d", "e"] if after == 1 else ["e"])


async def test_closing_ends_every_follower_after_what_waits(stack: Stack) -> None:
    await stack.bucket()
    stack.settle()
    feed = Feed(stack.store)
    async with aclosing(feed.follow(0, everything, patience_seconds=PATIENCE)) as batches:
        following = Following(batches)
        while not following.events:
            assert await following.step()
        ending = asyncio.ensure_future(following.step())
        await asyncio.sleep(0)
        feed.close()
        assert await ending
        assert not await following.step()
    with pytest.raises(ServiceUnavailable):
        feed.check_room()


async def test_more_followers_than_there_is_room_for_are_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MOST_FOLLOWERS", 1)
    feed = Feed(stack.store)
    feed.check_room()
    async with aclosing(feed.follow(None, everything, patience_seconds=PATIENCE)) as batches:
        assert await anext(batches)
        with pytest.raises(SlowDown):
            feed.check_room()
    feed.check_room()


# Who sees what --------------------------------------------------------------------------------------------------------

OWNER = Principal("user", "owner", frozenset({"owner"}))
STRANGER = Principal("user", "stranger", frozenset({"stranger"}))
LIMITED = Principal("user", "owner", frozenset({"owner"}), limits=KeyScope((Place("private", "a/"),)))
WRITER = Principal("user", "owner", frozenset({"owner"}), limits=KeyScope((), frozenset({"write"})))
SEEN: list[tuple[Principal, set[str]]] = [
    (
        SERVICE,
        {"private", "private a/x", "private b", "public", "public p", "unlisted", "unlisted u", "gone", "gone g"},
    ),
    (OWNER, {"private", "private a/x", "private b", "public", "public p", "unlisted", "unlisted u", "gone", "gone g"}),
    (STRANGER, {"public", "public p", "unlisted"}),
    (ANONYMOUS, {"public", "public p", "unlisted"}),
    (LIMITED, {"private", "private a/x"}),
]


@pytest.mark.parametrize(("principal", "seen"), SEEN, ids=["service", "owner", "stranger", "anonymous", "limited"])
async def test_everybody_is_told_of_what_they_may_list(stack: Stack, principal: Principal, seen: set[str]) -> None:
    private, public = await stack.bucket("private"), await stack.bucket("public", public=True)
    unlisted = await stack.bucket("unlisted", public=True, public_list=False)
    gone = await stack.bucket("gone", public=True)
    for bucket, key in ((private, "a/x"), (private, "b"), (public, "p"), (unlisted, "u"), (gone, "g")):
        await put(stack, bucket, key)
    await stack.store.delete_bucket(gone, "ann", force=True)
    stack.settle()
    await stack.store.list_buckets()
    sight = Sight(principal, stack.store.peek)
    found = {
        " ".join(filter(None, [event.bucket_name, event.key]))
        for event in await stack.store.events(0, 100)
        if sight(event)
    }
    assert found == seen


async def test_a_policy_decides_what_is_seen(stack: Stack) -> None:
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:ListBucket",
        "Resource": "arn:aws:s3:::open",
        "Condition": {"StringLike": {"s3:prefix": "secret/*"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    bucket = await stack.bucket("open", public=True, config={"policy": policy})
    await put(stack, bucket, "secret/a")
    await put(stack, bucket, "b")
    stack.settle()
    await stack.store.list_buckets()
    sight = Sight(ANONYMOUS, stack.store.peek)
    assert [event.key for event in await stack.store.events(0, 100) if sight(event)] == [None, "b"]
