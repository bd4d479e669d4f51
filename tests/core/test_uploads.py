"""Multipart uploads through the core, over real files: parts, completion, abort, expiry, and what they count."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from base64 import b64encode
from pathlib import Path

import orjson
import pytest

from storage_service.app.core.checksums import ALGORITHMS, KINDS, Algorithm, checksum, composite
from storage_service.app.core.disk_errors import told
from storage_service.app.core.errors import (
    BadDigest,
    EntityTooLarge,
    EntityTooSmall,
    InsufficientStorage,
    InvalidArgument,
    InvalidPart,
    InvalidPartOrder,
    InvalidRequest,
    NoSuchBucket,
    NoSuchUpload,
    PreconditionFailed,
    QuotaExceeded,
    ServiceUnavailable,
    StorageError,
)
from storage_service.app.core.objects import Attributes, Span, WriteConditions, now_ms
from storage_service.app.core.pieces import (
    Completion,
    ListedPart,
    PartDigests,
    PartOptions,
    PartSource,
    StoredPart,
    UploadOptions,
    UploadsQuery,
)
from storage_service.app.core.uploads import BROKEN_OFF
from storage_service.app.core.writing import PutOptions
from tests.core.multipart import BIG, begin, body_of, filler, put, used
from tests.support.stack import Stack, open_stack


async def test_parts_become_an_object_with_s3s_etag_and_the_attributes_of_its_beginning(stack: Stack) -> None:
    bucket = await stack.bucket()
    said = UploadOptions(Attributes("video/mp4", metadata={"a": "b"}, tags={"t": "1"}, cache_control="no-cache"), "me")
    ref = await begin(stack, bucket, options=said)
    one, two = filler("a", BIG), filler("b", 1000)
    listed = [await put(stack, ref, 1, one), await put(stack, ref, 7, two)]
    assert await used(stack, bucket) == (0, 0, BIG + 1000)

    version = await stack.uploads.complete(ref, Completion(listed, "me"))

    joined = hashlib.md5(hashlib.md5(one).digest() + hashlib.md5(two).digest()).hexdigest()
    assert version.etag == f"{joined}-2"
    found, data = await stack.read(bucket, "film")
    assert (found.version_id, data) == (version.version_id, one + two)
    doc = orjson.loads(found.doc)
    assert doc["crc64nvme"] == b64encode(checksum("CRC64NVME", one + two)).decode()
    assert doc["parts"] == {"sizes": [[BIG, 1], [1000, 1]]}
    assert (doc["content_type"], doc["metadata"], doc["tags"], doc["cache_control"]) == (
        "video/mp4",
        {"a": "b"},
        {"t": "1"},
        "no-cache",
    )
    assert await used(stack, bucket) == (1, BIG + 1000, 0)
    assert stack.garbage.clear() == 1
    assert stack.upload_files() == []
    stack.settle()
    assert (stack.root / "photos" / "film").read_bytes() == one + two


async def test_repeated_completion_finds_the_same_version_even_after_its_files_went(stack: Stack) -> None:
    bucket = await stack.bucket()
    ref = await begin(stack, bucket)
    completion = Completion([await put(stack, ref, 1, b"whole")], "me")
    first, at_once = await asyncio.gather(
        stack.uploads.complete(ref, completion), stack.uploads.complete(ref, completion)
    )
    stack.garbage.clear()
    later = await stack.uploads.complete(ref, completion)
    assert first.version_id == at_once.version_id == later.version_id
    assert (await used(stack, bucket))[:2] == (1, 5)


async def test_result_is_told_after_the_object_was_overwritten_and_purged(stack: Stack) -> None:
    bucket = await stack.bucket()
    ref = await begin(stack, bucket)
    completion = Completion([await put(stack, ref, 1, b"first")], "me")
    first = await stack.uploads.complete(ref, completion)
    await stack.store.put_object(bucket, "film", body_of(b"second"), PutOptions())
    stack.settle()
    for version in stack.keeper.catalog.due_dead(now_ms() * 2, 10):
        stack.keeper.catalog.forget_dead([version], {})
    again = await stack.uploads.complete(ref, completion)
    assert (again.version_id, again.etag, again.size) == (first.version_id, first.etag, 5)
    assert (await stack.read(bucket, "film"))[1] == b"second"


@pytest.mark.parametrize(
    ("numbers", "sizes", "error"),
    [
        ((2, 1), (BIG, BIG), InvalidPartOrder),
        ((1, 1), (BIG, BIG), InvalidPartOrder),
        ((1, 3), (BIG, BIG), InvalidPart),
        ((1, 2), (BIG - 1, BIG), EntityTooSmall),
    ],
)
async def test_wrong_list_is_refused_and_leaves_the_upload(
    stack: Stack, numbers: tuple[int, int], sizes: tuple[int, int], error: type[Exception]
) -> None:
    bucket = await stack.bucket()
    ref = await begin(stack, bucket)
    stored = [
        await put(stack, ref, number, filler(str(number), size)) for number, size in zip((1, 2), sizes, strict=True)
    ]
    listed = [ListedPart(number, stored[min(number, 2) - 1].etag) for number in numbers]
    with pytest.raises(error):
        await stack.uploads.complete(ref, Completion(listed, "me"))
    assert (await used(stack, bucket))[2] == sum(sizes)
    _, parts, more = await stack.uploads.list_parts(ref, 0, 10)
    assert ([part.number for part in parts], more) == ([1, 2], False)


async def test_completion_without_parts_or_with_another_etag_is_refused(stack: Stack) -> None:
    ref = await begin(stack, await stack.bucket())
    await put(stack, ref, 1, b"x")
    with pytest.raises(InvalidArgument):
        await stack.uploads.complete(ref, Completion([], "me"))
    with pytest.raises(InvalidPart):
        await stack.uploads.complete(ref, Completion([ListedPart(1, "0" * 32)], "me"))


async def test_part_sent_twice_counts_once_and_its_first_file_goes(stack: Stack) -> None:
    bucket = await stack.bucket()
    ref = await begin(stack, bucket)
    await put(stack, ref, 1, filler("a", 3 << 20))
    listed = await put(stack, ref, 1, filler("b", 1 << 20))
    assert (await used(stack, bucket))[2] == 1 << 20
    await asyncio.sleep(0.1)
    assert len([path for path in stack.upload_files() if path.name[0] == "0"]) == 1
    await stack.uploads.complete(ref, Completion([listed], "me"))
    assert (await stack.read(bucket, "film"))[1] == filler("b", 1 << 20)


@pytest.mark.parametrize("number", [0, -1, 10_001])
async def test_part_number_outside_s3s_range_is_refused(stack: Stack, number: int) -> None:
    ref = await begin(stack, await stack.bucket())
    with pytest.raises(InvalidArgument):
        await put(stack, ref, number, b"x")


async def test_part_that_is_refused_when_its_bytes_are_known_leaves_nothing(stack: Stack) -> None:
    bucket = await stack.bucket()
    ref = await begin(stack, bucket)

    def refuse(digests: PartDigests) -> None:
        assert digests.sums["SHA1"] == hashlib.sha1(b"abc").digest()
        raise BadDigest("not what was announced")

    with pytest.raises(BadDigest):
        await stack.uploads.put_part(ref, 1, body_of(b"abc"), PartOptions(algorithms=["SHA1"], verify=refuse))
    await asyncio.sleep(0.1)
    assert await used(stack, bucket) == (0, 0, 0)
    assert sorted(path.name for path in stack.upload_files()) == ["slots", "upload.json"]
    assert list((stack.root / ".storage/staging/test").iterdir()) == []


async def test_abort_frees_what_it_counted_and_removes_its_files(stack: Stack) -> None:
    bucket = await stack.bucket()
    ref = await begin(stack, bucket)
    await put(stack, ref, 1, filler("a", 1 << 20))
    await stack.uploads.abort(ref)
    assert await used(stack, bucket) == (0, 0, 0)
    with pytest.raises(NoSuchUpload):
        await put(stack, ref, 2, b"late")
    with pytest.raises(NoSuchUpload):
        await stack.uploads.abort(ref)
    assert stack.garbage.clear() == 1
    assert list((stack.root / ".storage/uploads").iterdir()) == []


async def test_upload_goes_stale_only_when_nothing_came_for_its_days(tmp_path: Path) -> None:
    async with open_stack(tmp_path, upload_expiry_days=1) as stack:
        bucket = await stack.bucket()
        ref = await begin(stack, bucket)
        await put(stack, ref, 1, b"x")
        stack.garbage.expire(now_ms() + 80_000_000)
        assert (await used(stack, bucket))[2] == 1
        stack.garbage.expire(now_ms() + 90_000_000)
        assert (await used(stack, bucket))[2] == 0
        assert stack.garbage.clear() == 1
        with pytest.raises(NoSuchUpload):
            await stack.uploads.find(ref)


async def test_upload_of_a_deleted_bucket_does_not_land_in_its_namesake(stack: Stack) -> None:
    bucket = await stack.bucket()
    ref = await begin(stack, bucket)
    listed = [await put(stack, ref, 1, filler("a", 100))]
    await stack.store.delete_bucket(bucket, "owner")
    stack.settle()
    namesake = await stack.bucket()
    for place in (ref, ref._replace(bucket=namesake)):
        with pytest.raises((NoSuchUpload, NoSuchBucket)):
            await stack.uploads.complete(place, Completion(listed, "me"))
    assert await used(stack, namesake) == (0, 0, 0)
    assert stack.garbage.clear() == 1
    assert stack.upload_files() == []
    assert (await stack.store.usages("owner"))["owner"].upload_bytes == 0


async def test_quota_and_largest_size_hold_for_parts(stack: Stack) -> None:
    small = await stack.bucket("small", quota_bytes=1000)
    ref = await begin(stack, small)
    await put(stack, ref, 1, b"x" * 600)
    with pytest.raises(QuotaExceeded):
        await put(stack, ref, 2, b"x" * 600)
    short = await stack.bucket("short", max_object_bytes=1000)
    ref = await begin(stack, short)
    await put(stack, ref, 1, b"x" * 600)
    with pytest.raises(EntityTooLarge):
        await put(stack, ref, 2, b"x" * 600)
    await put(stack, ref, 1, b"x" * 900)
    assert (await used(stack, short))[2] == 900


async def test_condition_of_a_completion_is_checked_and_the_parts_stay(stack: Stack) -> None:
    bucket = await stack.bucket()
    ref = await begin(stack, bucket)
    listed = [await put(stack, ref, 1, b"new")]
    await stack.store.put_object(bucket, "film", body_of(b"old"), PutOptions())
    with pytest.raises(PreconditionFailed):
        await stack.uploads.complete(ref, Completion(listed, "me", WriteConditions(if_none_match=("*",))))
    assert (await stack.read(bucket, "film"))[1] == b"old"
    assert (await used(stack, bucket))[2] == 3
    await stack.uploads.complete(ref, Completion(listed, "me"))
    assert (await stack.read(bucket, "film"))[1] == b"new"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_checksum_of_the_whole_follows_from_the_parts(stack: Stack, algorithm: Algorithm) -> None:
    bucket = await stack.bucket()
    data = [filler("a", BIG), filler("b", 77)]
    for kind in KINDS[algorithm].types:
        ref = await begin(stack, bucket, kind, UploadOptions(algorithm=algorithm, checksum_type=kind))
        listed = [await put(stack, ref, number, piece) for number, piece in enumerate(data, start=1)]
        sums = [checksum(algorithm, piece) for piece in data]
        whole = b64encode(checksum(algorithm, b"".join(data))).decode()
        if kind == "COMPOSITE":
            whole = b64encode(composite(algorithm, sums)).decode() + "-2"
        with pytest.raises(BadDigest):
            wrong = {algorithm: b64encode(bytes(KINDS[algorithm].size)).decode()}
            await stack.uploads.complete(ref, Completion(listed, "me", sums=wrong))
        with pytest.raises(InvalidPart):
            lied = [listed[0]._replace(sums={algorithm: bytes(KINDS[algorithm].size)}), listed[1]]
            await stack.uploads.complete(ref, Completion(lied, "me"))
        version = await stack.uploads.complete(ref, Completion(listed, "me", sums={algorithm: whole}))
        doc = orjson.loads(version.doc)
        assert doc["checksums"] == {algorithm: whole}
        assert doc["parts"]["checksums"] == b64encode(b"".join(sums)).decode()


async def test_completion_that_announces_another_size_is_refused(stack: Stack) -> None:
    ref = await begin(stack, await stack.bucket())
    listed = [await put(stack, ref, 1, b"four")]
    with pytest.raises(InvalidRequest):
        await stack.uploads.complete(ref, Completion(listed, "me", size=5))
    assert (await stack.uploads.complete(ref, Completion(listed, "me", size=4))).size == 4


@pytest.mark.parametrize("size", [100, 200_000, BIG + 3])
@pytest.mark.parametrize("settled", [True, False])
async def test_part_is_copied_from_an_object_settled_or_not(stack: Stack, size: int, settled: bool) -> None:
    bucket = await stack.bucket()
    data = filler("s", size)
    await stack.store.put_object(bucket, "source", body_of(data), PutOptions())
    if settled:
        stack.settle()
    ref = await begin(stack, bucket)
    source = PartSource(bucket, "source", span=lambda version: Span(10, version.size - 5))
    stored = await stack.uploads.copy_part(ref, 1, source)
    assert stored.part.etag == hashlib.md5(data[10:-5]).hexdigest()
    whole: StoredPart = await stack.uploads.copy_part(ref, 2, PartSource(bucket, "source"))
    assert whole.part.etag == hashlib.md5(data).hexdigest()
    await stack.uploads.complete(ref, Completion([ListedPart(2, whole.part.etag)], "me"))
    assert (await stack.read(bucket, "film"))[1] == data


async def test_parts_put_and_completed_at_once_are_counted_exactly(stack: Stack) -> None:
    bucket = await stack.bucket()
    ref = await begin(stack, bucket)
    pieces = [filler(str(number), BIG + number) for number in range(1, 9)]
    listed = await asyncio.gather(*(put(stack, ref, number, piece) for number, piece in enumerate(pieces, start=1)))
    outcomes = await asyncio.gather(
        stack.uploads.complete(ref, Completion(listed, "me")),
        put(stack, ref, 9, b"late"),
        put(stack, ref, 3, pieces[2]),
        return_exceptions=True,
    )
    assert all(not isinstance(outcome, Exception) or isinstance(outcome, NoSuchUpload) for outcome in outcomes)
    assert (await stack.read(bucket, "film"))[1] == b"".join(pieces)
    assert await used(stack, bucket) == (1, sum(map(len, pieces)), 0)


async def test_unfinished_uploads_are_listed_by_key_and_id_in_pages(stack: Stack) -> None:
    bucket = await stack.bucket()
    names = ["a/1", "a/2", "b", "b", "c/x/y", "d"]
    refs = [await begin(stack, bucket, name) for name in names]
    page = await stack.uploads.list_uploads(bucket, UploadsQuery())
    assert [upload.id for upload in page.uploads] == [ref.upload_id for ref in refs]
    seen: list[str] = []
    query = UploadsQuery(delimiter="/", limit=1)
    while True:
        page = await stack.uploads.list_uploads(bucket, query)
        seen += [upload.key for upload in page.uploads] + list(page.prefixes)
        if page.cursor is None:
            break
        query = UploadsQuery(delimiter="/", limit=1, after_key=page.cursor[0], after_id=page.cursor[1])
    assert seen == ["a/", "b", "b", "c/", "d"]
    page = await stack.uploads.list_uploads(bucket, UploadsQuery(prefix="a/", after_key="a/1"))
    assert [upload.key for upload in page.uploads] == ["a/2"]


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENOSPC, InsufficientStorage), (errno.EDQUOT, InsufficientStorage), (errno.EIO, ServiceUnavailable)],
)
def test_refusal_of_the_disk_is_told_without_a_path(number: int, error: type[StorageError]) -> None:
    with pytest.raises(error) as caught, told(BROKEN_OFF):
        raise OSError(number, "no", "/secret/path")
    assert "/secret" not in str(caught.value)
