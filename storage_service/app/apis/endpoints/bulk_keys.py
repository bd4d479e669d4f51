"""Which files a job is about, and where it takes them."""

from collections.abc import AsyncIterator

from storage_service.app.apis.door import Caller
from storage_service.app.core.objects import Bucket, ListQuery, VersionQuery
from storage_service.app.schemas.bulk import BulkIn

PAGE = 1000


def place_of(body: BulkIn, key: str) -> str:
    """The new key of one that is moved or copied."""
    return (body.target.prefix if body.target is not None else "") + key[len(body.base) :]


async def keys_below(call: Caller, bucket: Bucket, prefix: str) -> AsyncIterator[str]:
    """Current keys, in order, page by page: what is added behind the last one is found, too."""
    after: str | None = ""
    while after is not None:
        listing = await call.store.list_objects(bucket, ListQuery(prefix, after=after, limit=PAGE))
        for version in listing.versions:
            yield version.key
        after = listing.cursor


async def trashed_below(call: Caller, bucket: Bucket, prefix: str, since_ms: int) -> AsyncIterator[str]:
    """Keys that were deleted since then: in the trash, or, where versions are kept, under a delete marker."""
    after = ""
    while True:
        found = await call.store.list_trash(bucket, prefix, after, PAGE)
        for version in found:
            if (version.gone_ms or 0) >= since_ms:
                yield version.key
        if len(found) < PAGE:
            break
        after = found[-1].key
    async for key in _marked_below(call, bucket, prefix, since_ms):
        yield key


async def _marked_below(call: Caller, bucket: Bucket, prefix: str, since_ms: int) -> AsyncIterator[str]:
    after, after_version, more = "", "", bucket.options.versioning != "off"
    while more:
        query = VersionQuery(prefix, after=after, after_version=after_version, limit=PAGE)
        listing = await call.store.list_object_versions(bucket, query)
        for version, latest in listing.versions:
            after, after_version = version.key, version.version_id
            if latest and version.is_marker and version.at_ms >= since_ms:
                yield version.key
        more = listing.truncated
