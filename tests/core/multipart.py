"""Parts of multipart uploads, for the tests of them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from storage_service.app.core.objects import MIN_PART_BYTES, Bucket
from storage_service.app.core.pieces import (
    ListedPart,
    PartOptions,
    UploadOptions,
    UploadRef,
)
from tests.support.stack import Stack

BIG = MIN_PART_BYTES


async def body_of(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1 << 20):
        yield data[start : start + (1 << 20)]


def filler(letter: str, size: int) -> bytes:
    return (hashlib.sha256(letter.encode()).digest() * (size // 32 + 1))[:size]


async def begin(stack: Stack, bucket: Bucket, key: str = "film", options: UploadOptions | None = None) -> UploadRef:
    upload = await stack.uploads.create(bucket, key, options or UploadOptions(actor="me"))
    return UploadRef(bucket, key, upload.id)


async def put(stack: Stack, ref: UploadRef, number: int, data: bytes) -> ListedPart:
    stored = await stack.uploads.put_part(ref, number, body_of(data), PartOptions(size=len(data)))
    return ListedPart(number, stored.part.etag)


async def used(stack: Stack, bucket: Bucket) -> tuple[int, int, int]:
    usage = await stack.store.usage(bucket)
    return usage.objects, usage.bytes, usage.upload_bytes
