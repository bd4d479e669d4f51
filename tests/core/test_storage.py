"""The store as doors call it, over real files: what requests over HTTP do not reach."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest
import pytest_asyncio

from storage_service.app.backends import shared as words
from storage_service.app.backends.catalog.committer import Committer
from storage_service.app.backends.catalog.sqlite import SqliteCatalog
from storage_service.app.backends.local import LocalFiles
from storage_service.app.backends.pressure import Backlog, DiskVolume
from storage_service.app.backends.recovery import sweep_staging
from storage_service.app.core.changes import DeleteOptions
from storage_service.app.core.copying import Copying
from storage_service.app.core.digests import Wanted
from storage_service.app.core.errors import (
    BadDigest,
    DamagedObject,
    EntityTooLarge,
    InsufficientStorage,
    NoSuchBucket,
    NoSuchKey,
    OutcomeUnknown,
    PreconditionFailed,
    ServiceUnavailable,
    SlowDown,
    UnsupportedType,
)
from storage_service.app.core.objects import (
    Attributes,
    Bucket,
    BucketOptions,
    Pinned,
    Span,
    Version,
    WriteConditions,
    now_ms,
)
from storage_service.app.core.storage import ObjectStore
from storage_service.app.core.writing import Limits, PutOptions, check_type
from tests.support.rows import KEEPING
from tests.support.store import Store, opened

INLINE = 1000
SMALL, LARGE = bytes(range(200)), os.urandom(300_000)


class World:
    """A store with its jobs at hand. Bodies up to 1,000 bytes are journalled; 1 MB is the largest."""

    def __init__(self, store: Store, reserve_bytes: int = 0) -> None:
        self.files = store
        layout = store.layout
        committer = Committer(
            str(layout.catalog), str(layout.commit_lock), "scratch", store.shared, KEEPING, lambda: False
        )
        committer.start()
        self._committer = committer
        self.staging = layout.staging / "w"
        self.staging.mkdir()
        self.volume = DiskVolume(str(layout.root), store.disk, store.shared, Backlog(100, 1 << 20, 60))
        limits = Limits(1_000_000, INLINE, reserve_bytes, backlog_wait_seconds=0.05)
        catalog = SqliteCatalog(committer, store.reader, store.shared)
        files = LocalFiles(store.blobs, store.disk, str(self.staging))
        self.store = ObjectStore(catalog, files, self.volume, limits)

    def close(self) -> None:
        self._committer.close()
        self.store.close()

    def fail_commits(self, *, after_them: bool) -> None:
        """From now on the disk fails in each COMMIT, or right after it."""

        def fail(*_: object) -> bool:
            raise apsw.IOError

        connection = self._committer._connection
        if after_them:
            connection.set_wal_hook(fail)
        else:
            connection.set_commit_hook(fail)

    async def put(self, bucket: Bucket, key: str, body: bytes, **options: Any) -> Version:
        outcome = await self.store.put_object(bucket, key, pieces(body), PutOptions(**options))
        assert outcome.version is not None
        return outcome.version

    async def get(self, bucket: Bucket, key: str) -> bytes:
        download = await self.store.get_object(bucket, key)
        try:
            return b"".join([piece async for piece in download.chunks(Span(0, download.version.size))])
        finally:
            download.close()


async def pieces(body: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with opened(tmp_path / "data") as store:
        made = World(store)
        yield made
        made.close()


@pytest_asyncio.fixture
async def bucket(world: World) -> Bucket:
    return await world.store.create_bucket("photos", "ann", BucketOptions(), "ann")


@pytest.mark.parametrize("body", [b"", SMALL, bytes(INLINE), bytes(INLINE + 1), LARGE])
@pytest.mark.parametrize("settled", [False, True])
async def test_body_of_any_size_is_read_back_before_and_after_it_is_settled(
    world: World, bucket: Bucket, body: bytes, settled: bool
) -> None:
    version = await world.put(bucket, "k", body)
    if settled:
        world.files.settle()
    assert (version.size, version.etag) == (len(body), hashlib.md5(body).hexdigest())
    assert await world.get(bucket, "k") == body
    await asyncio.sleep(0.05)
    assert list(world.staging.iterdir()) == []


@pytest.mark.parametrize("body", [SMALL, LARGE])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"wanted": Wanted(md5=bytes(16))}, BadDigest),
        ({"max_bytes": 10}, EntityTooLarge),
        ({"conditions": WriteConditions(if_match=("x",))}, PreconditionFailed),
    ],
)
async def test_body_that_is_refused_leaves_nothing(
    world: World, bucket: Bucket, body: bytes, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await world.put(bucket, "k", body, **options)
    with pytest.raises(NoSuchKey):
        await world.store.head_object(bucket, "k")
    while list(world.staging.iterdir()):
        await asyncio.sleep(0.005)
    assert list(world.files.blobs.version_ids("photos")) == []


async def test_client_that_breaks_off_leaves_the_old_object(world: World, bucket: Bucket) -> None:
    await world.put(bucket, "k", SMALL)

    async def broken() -> AsyncIterator[bytes]:
        yield LARGE
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await world.store.put_object(bucket, "k", broken(), PutOptions())
    assert await world.get(bucket, "k") == SMALL
    while list(world.staging.iterdir()):
        await asyncio.sleep(0.005)


async def test_limits_of_bucket_service_and_types(world: World) -> None:
    options = BucketOptions(max_object_bytes=50, allowed_types=("image/*", "text/plain"))
    bucket = await world.store.create_bucket("narrow", "ann", options, "ann")
    text = Attributes(content_type="text/plain; charset=utf-8")
    assert (await world.put(bucket, "k", bytes(50), attributes=text)).size == 50
    for size in (51, 2_000_000):
        with pytest.raises(EntityTooLarge):
            await world.put(bucket, "k", bytes(51), attributes=text, size=size)
    with pytest.raises(EntityTooLarge):
        await world.put(bucket, "k", bytes(51), attributes=text)
    with pytest.raises(UnsupportedType):
        await world.put(bucket, "k", b"", attributes=Attributes(content_type="text/html"))


@pytest.mark.parametrize(
    ("rules", "plain", "fits"),
    [
        ((), "anything", True),
        (("image/png",), "image/png", True),
        (("image/png",), "IMAGE/PNG; q=1", True),
        (("IMAGE/*",), "image/gif", True),
        (("image/*",), "imagery/gif", False),
        (("image/*",), "image", False),
        (("*/*",), "text/plain", True),
        (("*",), "text/plain", True),
        (("text/plain", "image/*"), "text/html", False),
    ],
)
def test_types_a_bucket_takes(rules: tuple[str, ...], plain: str, fits: bool) -> None:
    bucket = Bucket(1, "u", "b", "ann", 1, 0, 0, BucketOptions(allowed_types=rules))
    if fits:
        check_type(bucket, plain)
    else:
        with pytest.raises(UnsupportedType):
            check_type(bucket, plain)


async def test_backlog_makes_writers_wait_and_then_refuses_them(world: World, bucket: Bucket) -> None:
    world.files.shared[words.COMMITTED_ROWS] += 1000
    with pytest.raises(SlowDown):
        await world.put(bucket, "k", SMALL)
    world.files.shared[words.COMMITTED_ROWS] -= 1000
    assert await world.put(bucket, "k", SMALL)
    world.files.shared[words.COMMITTED_ROWS] += 1000
    await world.store.delete_object(bucket, "k", "ann", DeleteOptions())  # deletes go on


async def test_volume_that_is_not_ready_refuses_writes_and_still_reads(world: World, bucket: Bucket) -> None:
    await world.put(bucket, "k", SMALL)
    world.files.shared[words.VOLUME] = words.READ_ONLY
    with pytest.raises(ServiceUnavailable, match="read-only"):
        await world.put(bucket, "k", b"new")
    assert await world.get(bucket, "k") == SMALL


async def test_disk_without_room_refuses_before_the_body_is_read(tmp_path: Path) -> None:
    with opened(tmp_path / "full") as store:
        world = World(store, reserve_bytes=1 << 60)
        bucket = await world.store.create_bucket("photos", "ann", BucketOptions(), "ann")
        with pytest.raises(InsufficientStorage):
            for _ in range(100):  # the free space is looked at in the background
                await world.put(bucket, "k", b"1", size=1)
                await asyncio.sleep(0.01)
        world.close()


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("body", [SMALL, LARGE])
async def test_copy_and_move_share_the_bytes(world: World, bucket: Bucket, body: bytes, settled: bool) -> None:
    source = await world.put(bucket, "a", body, attributes=Attributes("text/x", metadata={"m": "1"}))
    if settled:
        world.files.settle()
    copied = await world.store.copy_object(Copying(bucket, "a", bucket, "b"), "ann")
    moved = await world.store.copy_object(Copying(bucket, "a", bucket, "c", move=True), "ann")
    assert copied.version is not None and moved.version is not None
    assert (moved.version.file_id, copied.version.etag) == (source.file_id, source.etag)
    assert '"m":"1"' in copied.version.doc
    world.files.settle()
    assert [await world.get(bucket, key) for key in "bc"] == [body, body]
    with pytest.raises(NoSuchKey):
        await world.get(bucket, "a")


async def test_copy_that_is_refused_leaves_no_blob(world: World, bucket: Bucket) -> None:
    await world.put(bucket, "a", LARGE)
    await world.put(bucket, "b", SMALL)
    world.files.settle()
    before = set(world.files.blobs.version_ids("photos"))
    conditions = WriteConditions(if_match=("no",))
    with pytest.raises(PreconditionFailed):
        await world.store.copy_object(Copying(bucket, "a", bucket, "b", conditions=conditions), "ann")
    while list(world.staging.iterdir()):
        await asyncio.sleep(0.005)
    assert set(world.files.blobs.version_ids("photos")) == before


@pytest.mark.parametrize("committed", [False, True])
async def test_blob_of_a_copy_whose_commit_is_unknown_stays_until_a_start_has_looked(
    world: World, bucket: Bucket, committed: bool
) -> None:
    await world.put(bucket, "a", LARGE)
    world.files.settle()
    before = set(world.files.blobs.version_ids("photos"))
    world.fail_commits(after_them=committed)
    with pytest.raises(OutcomeUnknown):
        await world.store.copy_object(Copying(bucket, "a", bucket, "b"), "ann")
    await asyncio.sleep(0.05)
    assert len(set(world.files.blobs.version_ids("photos")) - before) == 1
    assert sweep_staging(world.files.settling, world.files.blobs, [world.staging]) == 1
    if committed:
        assert await world.get(bucket, "b") == LARGE
    else:
        assert set(world.files.blobs.version_ids("photos")) == before


async def test_file_edited_behind_our_back_is_one_distinct_error(world: World, bucket: Bucket) -> None:
    version = await world.put(bucket, "a", SMALL)
    await world.put(bucket, "b", LARGE)
    world.files.settle()
    path = Path(world.files.blobs.path(world.files.blob(version)))
    path.chmod(0o640)
    path.write_bytes(b"edited")
    with pytest.raises(DamagedObject) as found:
        await world.get(bucket, "a")
    assert (found.value.bucket, found.value.key) == ("photos", "a")
    assert str(world.files.layout.root) not in str(found.value)
    path.unlink()
    with pytest.raises(DamagedObject):
        await world.get(bucket, "a")
    assert await world.get(bucket, "b") == LARGE


@pytest.mark.parametrize("written", [0, 100, len(SMALL)])
async def test_pinned_version_is_read_while_it_is_being_settled(world: World, bucket: Bucket, written: int) -> None:
    version = await world.put(bucket, "a", SMALL)
    path = Path(world.files.blobs.path(world.files.blob(version)))
    path.parent.mkdir(parents=True)
    path.write_bytes(SMALL[:written])  # and its time is not set yet
    pinned = Pinned("a", version.version_id, version.size, version.mtime_ns, version.at_ms)
    assert await read_pinned(world, bucket, pinned) == SMALL
    world.files.settle()
    assert await read_pinned(world, bucket, pinned) == SMALL
    path.chmod(0o640)
    path.write_bytes(b"edited")
    with pytest.raises(DamagedObject):
        await read_pinned(world, bucket, pinned)


async def read_pinned(world: World, bucket: Bucket, pinned: Pinned) -> bytes:
    download = await world.store.open_pinned(bucket, pinned)
    try:
        return b"".join([chunk async for chunk in download.chunks(Span(0, pinned.size))])
    finally:
        download.close()


async def test_expired_object_is_gone_at_once(world: World, bucket: Bucket) -> None:
    await world.put(bucket, "a", SMALL, attributes=Attributes(expires_ms=now_ms() - 1))
    with pytest.raises(NoSuchKey):
        await world.get(bucket, "a")
    found = world.files.find(bucket.id, "a")
    assert found is not None
    assert await world.store.find_file(bucket, found.version.file_id) is None


async def test_write_to_a_bucket_that_was_made_again_does_not_land_in_it(world: World, bucket: Bucket) -> None:
    await world.store.delete_bucket(bucket, "ann")
    world.files.settle()
    again = await world.store.create_bucket("photos", "bob", BucketOptions(), "bob")
    assert (await world.store.bucket("photos")).id == again.id
    with pytest.raises(NoSuchBucket):
        await world.put(bucket, "k", SMALL)
    with pytest.raises(NoSuchBucket):
        await world.store.bucket(bucket.uuid)


async def test_name_of_a_deleted_bucket_is_waited_for(world: World, bucket: Bucket) -> None:
    await world.store.delete_bucket(bucket, "ann")
    making = asyncio.ensure_future(world.store.create_bucket("photos", "bob", BucketOptions(), "bob"))
    await asyncio.sleep(0.02)
    assert not making.done()
    world.files.settle()
    assert (await asyncio.wait_for(making, 10)).owner == "bob"


async def test_download_outlives_the_versions_end(world: World, bucket: Bucket) -> None:
    await world.put(bucket, "a", LARGE)
    world.files.settle()
    download = await world.store.get_object(bucket, "a")
    await world.put(bucket, "a", SMALL)
    await world.store.delete_object(bucket, "a", "ann", DeleteOptions(purge=True))
    world.files.settle()
    assert world.files.garbage.run(now_ms() + KEEPING.longest_ms + 1000) > 0
    got = b"".join([piece async for piece in download.chunks(Span(10, 200_000))])
    assert got == LARGE[10:200_000]
    download.close()
