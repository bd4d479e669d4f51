"""Growing uploads through the core, over real files: offsets, one writer, digests, and becoming an object."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from storage_service.app.core import appending
from storage_service.app.core.appending import AppendOptions
from storage_service.app.core.checksums import checksum
from storage_service.app.core.errors import (
    BadDigest,
    EntityTooLarge,
    InvalidArgument,
    NoSuchUpload,
    OffsetMismatch,
    PreconditionFailed,
    QuotaExceeded,
    StorageError,
)
from storage_service.app.core.objects import Bucket, WriteConditions, now_ms
from storage_service.app.core.pieces import PartDigests, UploadOptions
from storage_service.app.core.resumable import Progress, Resumables
from storage_service.app.core.writing import PutOptions
from tests.support.stack import Stack, open_stack

PLAIN = AppendOptions()


async def body_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def growing(stack: Stack) -> Resumables:
    return Resumables(stack.uploads)


async def begin(
    stack: Stack, bucket: Bucket, length: int | None, options: UploadOptions | None = None, kind: str = "resumable"
) -> str:
    upload = stack.uploads.draft(bucket, "film", options or UploadOptions(actor="me"), kind)  # type: ignore[arg-type]
    await growing(stack).create(bucket, upload._replace(length=length))
    return upload.id


async def append(stack: Stack, bucket: Bucket, name: str, offset: int, *chunks: bytes) -> Progress:
    return await growing(stack).append(bucket, name, offset, body_of(*chunks), PLAIN)


async def used(stack: Stack, bucket: Bucket) -> tuple[int, int, int]:
    usage = await stack.store.usage(bucket)
    return usage.objects, usage.bytes, usage.upload_bytes


async def test_pieces_become_an_object_without_a_copy(stack: Stack) -> None:
    bucket = await stack.bucket()
    name = await begin(stack, bucket, 11)
    first = await append(stack, bucket, name, 0, b"hello ")
    assert (first.upload.size, first.version) == (6, None)
    assert await used(stack, bucket) == (0, 0, 6)
    data = stack.root / ".storage/uploads" / name / "data"
    inode = data.stat().st_ino
    done = await append(stack, bucket, name, 6, b"world")
    assert done.version is not None
    assert done.version.etag.endswith("-2")
    assert orjson.loads(done.version.doc)["crc64nvme"] == b64encode(checksum("CRC64NVME", b"hello world")).decode()
    assert (await stack.read(bucket, "film"))[1] == b"hello world"
    assert await used(stack, bucket) == (1, 11, 0)
    blob = next((stack.root / "photos/.blobs").rglob(done.version.version_id))
    assert blob.stat().st_ino == inode
    assert stack.garbage.clear() == 1
    assert stack.upload_files() == []


@pytest.mark.parametrize("offset", [0, 3, 7])
async def test_piece_at_another_offset_is_refused_with_the_true_one(stack: Stack, offset: int) -> None:
    bucket = await stack.bucket()
    name = await begin(stack, bucket, 100)
    await append(stack, bucket, name, 0, b"12345")
    with pytest.raises(OffsetMismatch) as caught:
        await append(stack, bucket, name, offset, b"xxx")
    assert caught.value.offset == 5
    assert (await growing(stack).look(bucket, name)).upload.size == 5


async def test_upload_of_no_bytes_is_complete_at_once(stack: Stack) -> None:
    bucket = await stack.bucket()
    await begin(stack, bucket, 0)
    version, data = await stack.read(bucket, "film")
    assert (data, version.size) == (b"", 0)


async def test_length_may_be_said_later_but_only_once(stack: Stack) -> None:
    bucket = await stack.bucket()
    name = await begin(stack, bucket, None)
    await append(stack, bucket, name, 0, b"12345")
    uploads = growing(stack)
    with pytest.raises(InvalidArgument):
        await uploads.append(bucket, name, 5, body_of(), AppendOptions(length=4))
    await uploads.append(bucket, name, 5, body_of(), AppendOptions(length=8))
    with pytest.raises(InvalidArgument):
        await uploads.append(bucket, name, 5, body_of(), AppendOptions(length=9))
    assert (await append(stack, bucket, name, 5, b"678")).version is not None


async def test_more_bytes_than_the_length_are_refused_and_the_offset_stays_true(stack: Stack) -> None:
    bucket = await stack.bucket()
    name = await begin(stack, bucket, 5)
    with pytest.raises(EntityTooLarge):
        await append(stack, bucket, name, 0, b"123", b"456")
    assert (await growing(stack).look(bucket, name)).upload.size == 3
    assert (await append(stack, bucket, name, 3, b"45")).version is not None
    assert (await stack.read(bucket, "film"))[1] == b"12345"


async def test_piece_that_is_refused_by_its_digest_leaves_the_offset(stack: Stack) -> None:
    bucket = await stack.bucket()
    name = await begin(stack, bucket, 6)

    def refuse(digests: PartDigests) -> None:
        assert digests.sums["SHA1"] == hashlib.sha1(b"abc").digest()
        raise BadDigest("another")

    with pytest.raises(BadDigest):
        await growing(stack).append(bucket, name, 0, body_of(b"abc"), AppendOptions(verify=refuse, algorithms=["SHA1"]))
    assert (await growing(stack).look(bucket, name)).upload.size == 0
    await append(stack, bucket, name, 0, b"123456")
    assert (await stack.read(bucket, "film"))[1] == b"123456"


async def stalled(*chunks: bytes) -> AsyncIterator[bytes]:
    """A client that sends and then neither goes on nor leaves."""
    for chunk in chunks:
        yield chunk
    await asyncio.Event().wait()


async def test_newcomer_takes_over_from_a_stalled_writer_and_finds_all_it_had(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appending, "IDLE_SECONDS", 0.02)
    monkeypatch.setattr(appending, "WISH_SECONDS", 0.02)
    bucket = await stack.bucket()
    name = await begin(stack, bucket, 10)
    uploads = growing(stack)
    first = asyncio.ensure_future(uploads.append(bucket, name, 0, stalled(b"12345"), PLAIN))
    while (await uploads.look(bucket, name)).upload.size != 5:  # committed though the writer says nothing
        await asyncio.sleep(0.01)
    done = await append(stack, bucket, name, 5, b"67890")
    assert done.version is not None
    with pytest.raises(StorageError):
        await first
    assert (await stack.read(bucket, "film"))[1] == b"1234567890"


async def test_two_writers_at_once_never_mix_their_bytes(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appending, "WISH_SECONDS", 0.001)
    bucket = await stack.bucket()
    for _ in range(10):
        name = await begin(stack, bucket, 30)
        outcomes = await asyncio.gather(
            *(append(stack, bucket, name, 0, *([letter * 10] * 3)) for letter in (b"a", b"b", b"c")),
            return_exceptions=True,
        )
        assert all(isinstance(one, Progress | StorageError) for one in outcomes), outcomes
        where = (await growing(stack).look(bucket, name)).upload
        if where.phase == "open":
            await append(stack, bucket, name, where.size, b"z" * (30 - where.size))
        data = (await stack.read(bucket, "film"))[1]
        head = data[: where.size] if where.phase == "open" else data
        assert len(set(head)) == 1, "pieces of two writers in one"
        version = (await stack.read(bucket, "film"))[0]
        assert orjson.loads(version.doc)["crc64nvme"] == b64encode(checksum("CRC64NVME", data)).decode()


async def test_quota_holds_while_it_grows_and_what_was_committed_stays(stack: Stack) -> None:
    bucket = await stack.bucket(quota_bytes=8)
    name = await begin(stack, bucket, 20)
    await append(stack, bucket, name, 0, b"12345")
    with pytest.raises(QuotaExceeded):
        await append(stack, bucket, name, 5, b"67890")
    assert (await growing(stack).look(bucket, name)).upload.size == 5
    assert await used(stack, bucket) == (0, 0, 5)


async def test_condition_is_checked_at_the_beginning_and_at_the_end(stack: Stack) -> None:
    bucket = await stack.bucket()
    new = UploadOptions(conditions=WriteConditions(if_none_match=("*",)))
    name = await begin(stack, bucket, 3, new)
    await stack.store.put_object(bucket, "film", body_of(b"old"), PutOptions())
    with pytest.raises(PreconditionFailed):
        await begin(stack, bucket, 3, new)
    with pytest.raises(PreconditionFailed):
        await append(stack, bucket, name, 0, b"new")
    assert (await stack.read(bucket, "film"))[1] == b"old"
    await growing(stack).end(bucket, name)
    assert stack.garbage.clear() == 1
    assert await used(stack, bucket) == (1, 3, 0)


async def test_refusal_of_a_commit_is_told_though_the_disk_does_not_let_its_blob_go(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = await stack.bucket()
    name = await begin(stack, bucket, 3, UploadOptions(conditions=WriteConditions(if_none_match=("*",))))
    await stack.store.put_object(bucket, "film", body_of(b"old"), PutOptions())
    version_id = (await growing(stack).find(name)).version_id
    unlink = os.unlink

    def refuse(path: str, *, dir_fd: int | None = None) -> None:
        if str(path).endswith(version_id) and Path(path).exists():
            raise OSError(errno.ENOSPC, "No space left on device", path)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(PreconditionFailed):
        await append(stack, bucket, name, 0, b"new")
    assert [*(stack.root / "photos/.blobs").rglob(version_id)]
    monkeypatch.undo()
    await growing(stack).end(bucket, name)
    stack.garbage.clear()
    assert not [*(stack.root / "photos/.blobs").rglob(version_id)]
    assert (await stack.read(bucket, "film"))[1] == b"old"


async def test_all_bytes_without_an_object_become_one_when_somebody_looks(stack: Stack) -> None:
    """As after a crash between the last piece's commit and the object's."""
    bucket = await stack.bucket()
    name = await begin(stack, bucket, None)
    await append(stack, bucket, name, 0, b"12345")
    catalog = stack.keeper.catalog
    with catalog.transaction() as connection:
        connection.execute("UPDATE uploads SET length=5 WHERE id=?", (name,))
    found = await growing(stack).look(bucket, name)
    assert found.version is not None
    assert (await stack.read(bucket, "film"))[1] == b"12345"
    again = await growing(stack).look(bucket, name)
    assert again.version is not None


async def test_whoever_waited_while_another_made_the_object_is_told_so_though_the_files_are_gone(stack: Stack) -> None:
    bucket = await stack.bucket()
    name = await begin(stack, bucket, None)
    await append(stack, bucket, name, 0, b"12345")
    with stack.keeper.catalog.transaction() as connection:
        connection.execute("UPDATE uploads SET length=5 WHERE id=?", (name,))
    other = growing(stack)
    held = await other._take(name)
    looks = asyncio.ensure_future(growing(stack).look(bucket, name))
    writes = asyncio.ensure_future(append(stack, bucket, name, 3, b"45"))
    while not stack.uploads.files.is_wanted(name):
        await asyncio.sleep(0.01)
    await other._finish(bucket, await other.find(name))
    held.release()
    stack.garbage.clear()  # before one of them looks again, nearly always
    assert (await looks).version is not None
    with pytest.raises(OffsetMismatch) as refused:
        await writes
    assert refused.value.offset == 5


async def test_bytes_behind_the_committed_offset_are_cut_off(stack: Stack) -> None:
    """As after a crash between a write and its commit."""
    bucket = await stack.bucket()
    name = await begin(stack, bucket, 8)
    await append(stack, bucket, name, 0, b"1234")
    with (stack.root / ".storage/uploads" / name / "data").open("ab") as file:
        file.write(b"torn bytes of a crash")
    await append(stack, bucket, name, 4, b"5678")
    assert (await stack.read(bucket, "film"))[1] == b"12345678"


async def test_pieces_are_concatenated_in_the_order_given_and_end(stack: Stack) -> None:
    bucket = await stack.bucket()
    names = [await begin(stack, bucket, 3, kind="partial") for _ in range(2)]
    for name, data in zip(names, (b"abc", b"def"), strict=True):
        assert (await append(stack, bucket, name, 0, data)).version is None
    uploads = growing(stack)
    pieces = [await uploads.find(name) for name in reversed(names)]
    done = await uploads.concatenate(bucket, stack.uploads.draft(bucket, "film", UploadOptions(), "resumable"), pieces)
    assert done.version is not None
    assert (await stack.read(bucket, "film"))[1] == b"defabc"
    assert orjson.loads(done.version.doc)["crc64nvme"] == b64encode(checksum("CRC64NVME", b"defabc")).decode()
    assert stack.garbage.clear() == 3
    assert await used(stack, bucket) == (1, 6, 0)
    with pytest.raises(NoSuchUpload):
        await uploads.find(names[0])


async def test_expired_upload_is_gone_and_its_bytes_with_it(tmp_path: Path) -> None:
    async with open_stack(tmp_path, upload_expiry_days=1) as stack:
        bucket = await stack.bucket()
        name = await begin(stack, bucket, 10)
        await append(stack, bucket, name, 0, b"12345")
        stack.garbage.expire(now_ms() + 90_000_000)
        stack.garbage.clear()
        with pytest.raises(NoSuchUpload):
            await append(stack, bucket, name, 5, b"x")
        assert await used(stack, bucket) == (0, 0, 0)
        assert stack.upload_files() == []
