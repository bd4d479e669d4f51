"""Multipart uploads after a crash, a restart and the loss of the catalog; and what `check` says of them."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from storage_service.app.backends.catalog.auditing import Auditor
from storage_service.app.backends.check import Check
from storage_service.app.backends.rebuild import Rebuild
from storage_service.app.core.errors import (
    NoSuchUpload,
)
from storage_service.app.core.objects import Attributes, Upload
from storage_service.app.core.pieces import (
    Completion,
    UploadOptions,
    UploadRef,
)
from tests.core.multipart import BIG, begin, filler, put, used
from tests.support.stack import Stack, open_stack


async def test_completion_that_died_before_its_commit_can_be_repeated(stack: Stack) -> None:
    """A blob of the same name lies there already, of no row."""
    bucket = await stack.bucket()
    ref = await begin(stack, bucket)
    listed = [await put(stack, ref, 1, filler("a", BIG)), await put(stack, ref, 2, b"end")]
    upload = await stack.uploads.find(ref)
    stale = stack.root / "photos" / ".blobs" / upload.version_id[-2:] / upload.version_id
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"left by a crash")
    version = await stack.uploads.complete(ref, Completion(listed, "me"))
    assert (await stack.read(bucket, "film"))[1] == filler("a", BIG) + b"end"
    assert version.version_id == upload.version_id


async def test_abort_removes_the_blob_of_a_completion_that_died(stack: Stack) -> None:
    bucket = await stack.bucket()
    ref = await begin(stack, bucket)
    await put(stack, ref, 1, b"x")
    upload: Upload = await stack.uploads.find(ref)
    stale = stack.root / "photos" / ".blobs" / upload.version_id[-2:] / upload.version_id
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"left by a crash")
    await stack.uploads.abort(ref)
    stack.garbage.clear()
    assert not stale.exists()


async def test_uploads_survive_a_restart(tmp_path: Path) -> None:
    async with open_stack(tmp_path) as stack:
        bucket = await stack.bucket()
        ref = await begin(stack, bucket)
        listed = [await put(stack, ref, 1, filler("a", BIG)), await put(stack, ref, 2, b"b")]
    async with open_stack(tmp_path) as stack:
        bucket = await stack.store.bucket("photos")
        assert (await used(stack, bucket))[2] == BIG + 1
        await stack.uploads.complete(ref._replace(bucket=bucket), Completion(listed, "me"))
        assert (await stack.read(bucket, "film"))[1] == filler("a", BIG) + b"b"


async def test_uploads_survive_the_loss_of_the_catalog(tmp_path: Path) -> None:
    async with open_stack(tmp_path) as stack:
        bucket = await stack.bucket()
        options = UploadOptions(Attributes("video/mp4"), "me", "SHA256", "COMPOSITE")
        ref = await begin(stack, bucket, options=options)
        await put(stack, ref, 1, b"an earlier attempt")
        listed = [await put(stack, ref, 1, filler("a", BIG)), await put(stack, ref, 2, b"b")]
        done = await begin(stack, bucket, "done")
        await stack.uploads.complete(done, Completion([await put(stack, done, 1, b"done")], "me"))
        resumable = stack.uploads.draft(bucket, "growing", UploadOptions(), "resumable")
        await stack.uploads.begin(resumable)
        before = (await stack.uploads.list_parts(ref, 0, 10))[1]
        stack.settle()
        blobs, layout, shared = stack.keeper.blobs, stack.keeper.layout, stack.keeper.shared
    report = Rebuild(layout, blobs, blobs.disk, shared, 0).run(salvage=False)
    assert report.objects == 1
    async with open_stack(tmp_path) as stack:
        bucket = await stack.store.bucket("photos")
        ref = ref._replace(bucket=bucket)
        assert (await stack.uploads.list_parts(ref, 0, 10))[1] == before
        assert await used(stack, bucket) == (1, 4, BIG + 1)
        with pytest.raises(NoSuchUpload):
            await stack.uploads.find(UploadRef(bucket, "growing", resumable.id))
        version = await stack.uploads.complete(ref, Completion(listed, "me"))
        assert orjson.loads(version.doc)["content_type"] == "video/mp4"
        assert (await stack.read(bucket, "film"))[1] == filler("a", BIG) + b"b"
        assert await used(stack, bucket) == (2, BIG + 5, 0)


async def test_check_names_a_part_that_is_gone_and_files_that_do_not_count(stack: Stack) -> None:
    bucket = await stack.bucket()
    ref = await begin(stack, bucket)
    await put(stack, ref, 1, b"one")
    await put(stack, ref, 2, b"two")
    stack.settle()
    auditor = Auditor(str(stack.keeper.layout.catalog))
    try:
        check = Check(auditor, stack.keeper.blobs, 60_000)
        assert (check.run().problems, check.run().notes) == ([], [])
        directory = stack.root / ".storage/uploads" / ref.upload_id
        next(path for path in directory.iterdir() if path.name.startswith("00001-")).unlink()
        (directory / "00009-stray").write_bytes(b"x")
        report = Check(auditor, stack.keeper.blobs, 60_000).run()
        assert [(found.code, found.key) for found in report.problems] == [("upload_damaged", "film")]
        assert [(found.code, found.key) for found in report.notes] == [("leftover", "film")]
    finally:
        auditor.close()
