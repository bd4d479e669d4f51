"""What of a body is kept in memory until it goes to a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage_service.app.core.writing import DESCRIBED_BYTES, PutOptions
from tests.support.stack import open_stack

KIB = 1024
INLINE = 64 * KIB


@pytest.mark.parametrize(("declared", "gathered"), [(True, DESCRIBED_BYTES), (False, INLINE)])
async def test_body_known_to_be_large_is_not_gathered_in_memory(tmp_path: Path, declared: bool, gathered: int) -> None:
    """Of a thousand slow uploads, each would keep what may be journalled."""
    staging = tmp_path / ".storage/staging/test"
    staged_after: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        for sent in range(0, 2 * INLINE, KIB):
            if not staged_after and list(staging.iterdir()):
                staged_after.append(sent)
            yield bytes(KIB)

    options = PutOptions(size=2 * INLINE if declared else None)
    async with open_stack(tmp_path, inline_body_bytes=INLINE) as stack:
        bucket = await stack.bucket()
        await stack.store.put_object(bucket, "k", body(), options)
        assert staged_after == [gathered + KIB]
        assert (await stack.read(bucket, "k"))[1] == bytes(2 * INLINE)


@pytest.mark.parametrize("size", [INLINE, INLINE + 1])
async def test_the_longest_journalled_body_has_no_file_until_it_is_settled(tmp_path: Path, size: int) -> None:
    async with open_stack(tmp_path, inline_body_bytes=INLINE) as stack:
        bucket = await stack.bucket()

        async def body() -> AsyncIterator[bytes]:
            yield bytes(size)

        await stack.store.put_object(bucket, "k", body(), PutOptions(size=size))
        blobs = tmp_path / "photos/.blobs"
        assert any(blobs.rglob("*")) == (size > INLINE)
        stack.settle()
        assert [path.stat().st_size for path in blobs.rglob("*") if path.is_file() and not path.suffix] == [size]
        assert (await stack.read(bucket, "k"))[1] == bytes(size)
