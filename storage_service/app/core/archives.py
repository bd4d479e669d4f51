"""Many files as one: which versions an archive holds, pinned when it begins, and their bytes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from storage_service.app.core.errors import InvalidArgument, NoSuchKey
from storage_service.app.core.objects import Bucket, ListQuery, Pinned, Version
from storage_service.app.core.sidecar import digests_of
from storage_service.app.core.storage import ObjectStore

MOST_FILES = 100_000  # of one archive: what it holds is kept in memory, about 400 bytes a file
PAGE = 1000

Admit = Callable[[Version], None]  # raises where the caller may not read it


class Selection(NamedTuple):
    """What goes in: everything below `prefix`, or these keys; one that ends in a slash stands for all below it too."""

    prefix: str = ""
    keys: tuple[str, ...] | None = None


async def pin(store: ObjectStore, bucket: Bucket, selection: Selection, admit: Admit) -> list[Pinned]:
    """The versions that are current now, by key and each once.

    Raises: NoSuchKey (nothing there), InvalidArgument (too many), and what `admit` raises.
    """
    found: dict[str, Pinned] = {}
    async for version in _selected(store, bucket, selection):
        admit(version)
        found[version.key] = _pinned(version)
        if len(found) > MOST_FILES:
            raise InvalidArgument(f"An archive holds at most {MOST_FILES} files", bucket=bucket.name)
    if not found:
        words = f"No file in bucket '{bucket.name}' has a key that begins with '{selection.prefix}'"
        raise NoSuchKey(words, bucket=bucket.name, key=selection.prefix)
    return [found[key] for key in sorted(found)]


def _pinned(version: Version) -> Pinned:
    key, size, crc32 = version.key, version.size, digests_of(version).crc32
    return Pinned(key, version.version_id, size, version.mtime_ns, version.at_ms, crc32)


async def _selected(store: ObjectStore, bucket: Bucket, selection: Selection) -> AsyncIterator[Version]:
    if selection.keys is None:
        async for version in _below(store, bucket, selection.prefix):
            yield version
        return
    folders = [key for key in selection.keys if key.endswith("/")]
    named = [key for key in selection.keys if not key.endswith("/")]
    for start in range(0, len(named), PAGE):
        for version in await asyncio.gather(*(store.head_object(bucket, key) for key in named[start : start + PAGE])):
            yield version
    for folder in folders:
        async for version in _below(store, bucket, folder):
            yield version


async def _below(store: ObjectStore, bucket: Bucket, prefix: str) -> AsyncIterator[Version]:
    cursor: str | None = ""
    while cursor is not None:
        page = await store.list_objects(bucket, ListQuery(prefix=prefix, after=cursor, limit=PAGE))
        for version in page.versions:
            yield version
        cursor = page.cursor
