"""One archive under way: any span of it, whatever is known of its files, and whatever becomes of them meanwhile."""

from __future__ import annotations

import io
import os
import random
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from storage_service.app.apis import archive as archive_module
from storage_service.app.apis.archive import Archive, ArchiveStream, Crcs
from storage_service.app.apis.zip_format import EARLY_BYTES
from storage_service.app.core import archives as archives_module
from storage_service.app.core.archives import Selection, pin
from storage_service.app.core.changes import DeleteOptions
from storage_service.app.core.downloads import Piece
from storage_service.app.core.errors import InvalidArgument, NoSuchKey, NoSuchVersion
from storage_service.app.core.objects import Bucket, Span
from storage_service.app.core.writing import PutOptions
from tests.support.stack import Stack, open_stack

FILES = {
    "a": b"small",
    "big": os.urandom(2 * EARLY_BYTES + 77),
    "empty": b"",
    "inner/exact": os.urandom(EARLY_BYTES),
    "inner/late": os.urandom(EARLY_BYTES + 1),
    "z": b"last",
}


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def put(stack: Stack, bucket: Bucket, key: str, body: bytes) -> None:
    await stack.store.put_object(bucket, key, pieces(body), PutOptions())


@pytest_asyncio.fixture(loop_scope="session")
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with open_stack(tmp_path / "data") as stack:
        yield stack


async def filled(stack: Stack) -> Bucket:
    bucket = await stack.bucket()
    for key, body in FILES.items():
        await put(stack, bucket, key, body)
    return bucket


async def make(stack: Stack, bucket: Bucket, prefix: str = "", keys: tuple[str, ...] | None = None) -> Archive:
    return Archive(bucket, await pin(stack.store, bucket, Selection(prefix, keys), lambda _: None))


async def read(stack: Stack, archive: Archive, span: Span | None = None, crcs: Crcs | None = None) -> bytes:
    stream = ArchiveStream(archive, span or Span(0, archive.size), stack.store, crcs or Crcs())
    return b"".join([data async for row in stream.chunks() for chunk in row for data in await bytes_of(chunk)])


async def bytes_of(chunk: bytes | Piece) -> list[bytes]:
    return [chunk] if isinstance(chunk, bytes) else [data async for data in chunk.download.chunks(chunk.span)]


def unzipped(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as found:
        return {name: found.read(name) for name in found.namelist()}


@pytest.mark.parametrize("settled", [False, True])
async def test_the_whole_is_as_long_as_was_said_and_holds_every_file(stack: Stack, settled: bool) -> None:
    archive = await make(stack, await filled(stack))
    if settled:
        stack.settle()
    body = await read(stack, archive)
    assert len(body) == archive.size
    assert unzipped(body) == FILES


async def test_any_span_is_that_of_the_whole_though_nothing_is_remembered(stack: Stack) -> None:
    archive = await make(stack, await filled(stack))
    whole = await read(stack, archive)
    edges = [0, *archive.offsets, archive.directory, archive.end, archive.size]
    chance = random.Random(7)
    points = sorted({min(archive.size, max(0, edge + shift)) for edge in edges for shift in (-1, 0, 1, 40)})
    spans = [Span(start, archive.size) for start in points[:-1]]
    spans += [Span(*sorted(chance.sample(points, 2))) for _ in range(60)]
    for span in spans:
        assert await read(stack, archive, span) == whole[span.start : span.end], span


async def test_few_are_remembered_and_the_directory_is_right_all_the_same(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "MOST_CRCS", 1)
    archive = await make(stack, await filled(stack))
    assert unzipped(await read(stack, archive)) == FILES


async def test_what_was_pinned_is_read_though_it_is_replaced_and_deleted(stack: Stack) -> None:
    bucket = await filled(stack)
    archive = await make(stack, bucket)
    whole = await read(stack, archive)
    await put(stack, bucket, "a", b"other")
    await stack.store.delete_object(bucket, "big", "ann", DeleteOptions())
    assert await read(stack, archive) == whole
    stack.settle()
    assert await read(stack, archive) == whole
    again = await make(stack, bucket)
    assert again.etag != archive.etag
    assert "big" not in unzipped(await read(stack, again))


async def test_a_file_whose_bytes_are_gone_ends_the_stream_with_an_error(stack: Stack) -> None:
    bucket = await filled(stack)
    archive = await make(stack, bucket)
    stack.settle()
    for path in (stack.root / "photos/.blobs").rglob(f"{archive.pinned[-1].version_id}"):
        path.unlink()
    stack.worker.committer._connection.execute("DELETE FROM objects WHERE key='z'")
    with pytest.raises(NoSuchVersion):
        await read(stack, archive)


async def test_the_etag_is_of_versions_and_names(stack: Stack) -> None:
    bucket = await filled(stack)
    one, same = await make(stack, bucket), await make(stack, bucket)
    assert one.etag == same.etag
    based = Archive(bucket, one.pinned, "inner/")
    assert based.etag != one.etag


async def test_a_list_names_files_and_folders_once_each(stack: Stack) -> None:
    bucket = await filled(stack)
    archive = await make(stack, bucket, keys=("z", "inner/", "inner/late"))
    assert [one.key for one in archive.pinned] == ["inner/exact", "inner/late", "z"]
    with pytest.raises(NoSuchKey):
        await make(stack, bucket, keys=("z", "none"))
    with pytest.raises(NoSuchKey):
        await make(stack, bucket, prefix="none")


async def test_more_files_than_an_archive_holds_are_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = await filled(stack)
    monkeypatch.setattr(archives_module, "MOST_FILES", len(FILES))
    await make(stack, bucket)
    monkeypatch.setattr(archives_module, "MOST_FILES", len(FILES) - 1)
    with pytest.raises(InvalidArgument, match="at most 5 files"):
        await make(stack, bucket)


async def test_many_small_files_are_read_ahead_in_their_order(stack: Stack) -> None:
    bucket = await stack.bucket()
    files = {f"k{number:03d}": bytes([number]) * number for number in range(200)}
    for key, body in files.items():
        await put(stack, bucket, key, body)
    archive = await make(stack, bucket)
    assert unzipped(await read(stack, archive)) == files
    start = archive.offsets[100]
    assert await read(stack, archive, Span(start, archive.size)) == (await read(stack, archive))[start:]
