"""The object store: the few calls every door ends in. Buckets here; bodies in `writing` and `downloads`.

A call names its bucket as a resolved `Bucket`, never by a name: what was authorised is what is written to.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from storage_service.app.core.absorb import lanes
from storage_service.app.core.arrivals import Arrivals, Compared
from storage_service.app.core.backend import Blobs, Catalog, Origins, Volume
from storage_service.app.core.changes import (
    CopyVersion,
    CreateBucket,
    DeleteBucket,
    DeleteOptions,
    Outcome,
    PatchObject,
    PatchOptions,
    UpdateBucket,
    UseOnce,
    end_of,
)
from storage_service.app.core.commit import BucketLeaving, SourceSettled
from storage_service.app.core.copying import Copying, content_type_of, copy_draft, link
from storage_service.app.core.decision import check_conditions, is_visible
from storage_service.app.core.downloads import Asked, Download, Fold, Loader, Precheck
from storage_service.app.core.errors import NoSuchBucket, NoSuchKey, NoSuchOrigin, NoSuchVersion, StorageError
from storage_service.app.core.events import Event
from storage_service.app.core.known_buckets import KnownBuckets
from storage_service.app.core.lanes import Lane, Together
from storage_service.app.core.objects import (
    ANY_WRITE,
    BlobName,
    Bucket,
    BucketOptions,
    ChangeRecord,
    Listing,
    ListQuery,
    PageQuery,
    Pinned,
    Usage,
    Version,
    VersionListing,
    VersionQuery,
    WriteConditions,
    check_bucket_name,
    check_key,
    new_id,
    now_ms,
)
from storage_service.app.core.writing import Limits, PutOptions, Writer

READ_THREADS = 2
SCAN_THREADS = 2
DISK_THREADS = 16  # large bodies: each call moves up to 1 MiB
LEAVING_SECONDS = 10.0  # how long a create waits for a deleted bucket of the same name to be put away


class ObjectStore:
    """Buckets and objects. Methods are awaited on the event loop; none of them waits for a disk there."""

    def __init__(
        self, catalog: Catalog, blobs: Blobs, volume: Volume, limits: Limits, origins: Origins | None = None
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._read = Lane("read", READ_THREADS)
        self._scan = Lane("scan", SCAN_THREADS)
        self._bodies = lanes("disk", DISK_THREADS)
        self._disk = self._bodies.disk
        self._loader = Loader(catalog, blobs, self._disk)
        self._downloads = Together(self._read, self._loader.load_all)
        self._heads = Together(self._read, self._loader.load_heads)
        self._writer = Writer(catalog, blobs, volume, self._bodies, limits)
        self._arrivals = Arrivals(catalog, origins, self._writer, self._scan) if origins is not None else None
        self._buckets = KnownBuckets(catalog, self._scan)

    def close(self) -> None:
        if self._arrivals is not None:
            self._arrivals.close()
        for lane in (self._read, self._scan, self._bodies):
            lane.close()

    # Buckets ----------------------------------------------------------------------------------------------------

    async def bucket(self, name: str) -> Bucket:
        """The open bucket of this name or id; an exact name wins.

        Raises:
            NoSuchBucket
        """
        found = await self._buckets.find(name)
        if found is None:
            raise NoSuchBucket(f"Bucket '{name}' not found", bucket=name)
        return found

    def peek(self, name: str) -> Bucket | None:
        """The bucket of this name or id as it was last read: for what may be a moment late."""
        return self._buckets.peek(name)

    async def list_buckets(self) -> list[Bucket]:
        """All open buckets, by name. Who may see which is the door's question to `authorize`."""
        return await self._buckets.all()

    async def create_bucket(self, name: str, owner: str, options: BucketOptions, actor: str) -> Bucket:
        """Raises InvalidBucketName, BucketAlreadyExists."""
        change = CreateBucket(check_bucket_name(name), new_id(), owner, options, actor, now_ms())
        deadline = asyncio.get_running_loop().time() + LEAVING_SECONDS
        while True:
            try:
                return _bucket_in(await self._catalog.commit(change))
            except BucketLeaving:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.05)

    async def update_bucket(self, bucket: Bucket, options: Mapping[str, Any], actor: str) -> Bucket:
        """Set the named options; the others keep their value."""
        return _bucket_in(await self._catalog.commit(UpdateBucket(bucket.id, options, actor, now_ms())))

    async def delete_bucket(self, bucket: Bucket, actor: str, *, force: bool = False) -> None:
        """Raises BucketNotEmpty unless `force`, which moves all it holds to the trash."""
        await self._catalog.commit(DeleteBucket(bucket.id, actor, now_ms(), force))

    async def use_once(self, once: str, until_ms: int) -> None:
        """Use up a single-use id, which may be forgotten at `until_ms`. Raises LinkUsed."""
        await self._catalog.commit(UseOnce(once, until_ms))

    async def usage(self, bucket: Bucket) -> Usage:
        return await self._scan.run(self._catalog.usage, "bucket", str(bucket.id))

    async def usages(self, scope: str) -> dict[str, Usage]:
        """Counters of every bucket (by number, as text) or owner (by id)."""
        return await self._scan.run(self._catalog.usages, scope)

    async def open_uploads(self) -> tuple[int, int]:
        """How many uploads in pieces were begun and not finished, and their bytes."""
        return await self._scan.run(self._catalog.open_totals)

    async def changes(self, after: int, limit: int) -> list[ChangeRecord]:
        """Raises FeedGone."""
        return await self._scan.run(self._catalog.changes, after, limit)

    async def events(self, after: int, limit: int) -> list[Event]:
        """The feed's events past `after`, oldest first. Raises FeedGone."""
        return await self._scan.run(self._catalog.events, after, limit)

    async def feed_end(self) -> int:
        """The last sequence the feed may hold now."""
        return await self._scan.run(self._catalog.feed_end)

    def feed_stamp(self) -> int:
        """Differs whenever the feed may have grown."""
        return self._catalog.feed_stamp()

    # Objects ----------------------------------------------------------------------------------------------------

    def admit(self, bucket: Bucket, key: str, size: int | None, content_type: str | None) -> None:
        """Refuse early, before a body is read, what can be refused. `size` in bytes, None where it is not known."""
        self._writer.admit(bucket, check_key(key), size, content_type)

    def most_bytes(self, bucket: Bucket) -> int:
        """The largest object this bucket takes."""
        return self._writer.most_bytes(bucket)

    async def check_write(self, bucket: Bucket, key: str, conditions: WriteConditions) -> None:
        """Refuse early, before a body is read, what its commit would refuse as things stand. The commit decides.

        Raises:
            PreconditionFailed, KeyAlreadyExists, NoSuchKey
        """
        try:
            head = await self.head_object(bucket, key)
        except NoSuchKey:
            head = None
        check_conditions(conditions, head, now_ms())

    async def put_object(self, bucket: Bucket, key: str, body: AsyncIterator[bytes], options: PutOptions) -> Outcome:
        """Store the body as the key's new current version. On return it survives what the durability mode promises.

        Raises:
            StorageError: nothing was stored, unless it is OutcomeUnknown.
        """
        if options.conditions is not ANY_WRITE:
            await self.arrive(bucket, key)
        return await self._writer.put(bucket, check_key(key), body, options)

    async def arrive(self, bucket: Bucket, key: str) -> bool:
        """Whether what was not found may be there now: fetched from the bucket's origin, if it has one.

        Raises: BackendUnavailable while the origin does not answer, and what a put raises.
        """
        return self._arrivals is not None and await self._arrivals.bring(bucket, key)

    async def compare_origin(self, bucket: Bucket, after: str, limit: int) -> list[Compared]:
        """One page of what the bucket's origin has, with what became of it here. Raises: NoSuchOrigin."""
        if self._arrivals is None:
            raise NoSuchOrigin("The bucket has no origin", bucket=bucket.name)
        return await self._arrivals.compare(bucket, after, limit)

    async def get_object(
        self, bucket: Bucket, key: str, version_id: str | None = None, precheck: Precheck | None = None
    ) -> Download:
        """One pinned version and its bytes; close it. `precheck` may refuse it before a byte is read.

        Raises:
            NoSuchKey, NoSuchVersion, DamagedObject, and what `precheck` raises.
        """
        if version_id is None:
            try:
                return await self._downloads.ask(Asked(bucket, key, precheck))
            except NoSuchKey:
                if not await self.arrive(bucket, key):
                    raise
            return await self._downloads.ask(Asked(bucket, key, precheck))
        return await self._read.run(self._loader.load_version, bucket, key, version_id, precheck)

    async def open_pinned(self, bucket: Bucket, pinned: Pinned) -> Download:
        """A version found earlier and its bytes; close it. Raises: NoSuchVersion, DamagedObject."""
        return await self._disk.run(self._loader.load_pinned, bucket, pinned)

    def open_with_crc32(self, bucket: Bucket, pinned: Pinned, function: Fold) -> "asyncio.Future[tuple[Download, int]]":
        """The same, and its CRC-32, found by `function` where nobody knows it. Raises: NoSuchVersion, DamagedObject."""
        return self._disk.run(self._loader.load_with_crc32, bucket, pinned, function)

    async def head_object(self, bucket: Bucket, key: str, version_id: str | None = None) -> Version:
        """Raises NoSuchKey, NoSuchVersion."""
        try:
            return await self.kept_object(bucket, key, version_id)
        except NoSuchKey:
            if version_id is not None or not await self.arrive(bucket, key):
                raise
        return await self.kept_object(bucket, key)

    async def kept_object(self, bucket: Bucket, key: str, version_id: str | None = None) -> Version:
        """The same of what is here alone: before it is known who may ask, nothing is fetched from an origin."""
        if version_id is None:
            return await self._heads.ask(Asked(bucket, key))
        return await self._read.run(self._loader.load_version_head, bucket, key, version_id)

    async def find_file(self, bucket: Bucket, file_id: str) -> Version | None:
        """The current version of the file with this id, if this bucket holds it."""
        found = await self._read.run(self._catalog.find_file, bucket.id, file_id)
        return found if is_visible(found, now_ms()) else None

    async def delete_object(self, bucket: Bucket, key: str, actor: str, options: DeleteOptions) -> Outcome:
        """Raises NoSuchKey, NoSuchVersion, PreconditionFailed, ObjectLocked."""
        if options.asks_what_is_there:
            await self.arrive(bucket, key)
        return await self._catalog.commit(end_of(bucket, key, actor, options))

    async def delete_objects(
        self, bucket: Bucket, wanted: Sequence[tuple[str, DeleteOptions]], actor: str
    ) -> list[Outcome | StorageError]:
        """Many keys in few commits; what became of each, in their order."""
        ends = [
            asyncio.ensure_future(self.delete_object(bucket, key, actor, options))  # a task for the few that need one
            if options.asks_what_is_there
            else self._catalog.commit(end_of(bucket, key, actor, options))
            for key, options in wanted
        ]
        return await _all_of(ends)

    async def patch_object(
        self, bucket: Bucket, key: str, fields: Mapping[str, Any], actor: str, options: PatchOptions
    ) -> Version:
        """Change what the sidecar says of a version. Raises NoSuchKey, NoSuchVersion, PreconditionFailed."""
        if options.version_id is None:
            await self.arrive(bucket, key)
        change = PatchObject(
            bucket.id,
            key,
            fields,
            actor,
            now_ms(),
            options.version_id,
            options.merge,
            options.conditions,
            options.bypass,
        )
        return _version_in(await self._catalog.commit(change))

    async def copy_object(self, copying: Copying, actor: str) -> Outcome:
        """A second object with the same bytes, or (`move`) the same object under another key. No byte is copied where
        the disk can link.

        Raises:
            NoSuchKey, NoSuchVersion, KeyAlreadyExists, PreconditionFailed, QuotaExceeded
        """
        check_key(copying.target_key)
        for _ in range(3):
            try:
                return await self._copy_once(copying, actor)
            except SourceSettled:  # its body became a blob meanwhile: link that
                continue
        raise NoSuchKey("The source changes too quickly", key=copying.source_key)

    async def _copy_once(self, copying: Copying, actor: str) -> Outcome:
        source = await self._source(copying)
        self._writer.admit(copying.target, copying.target_key, source.size, content_type_of(source))
        draft = copy_draft(copying, source)
        origin = BlobName(copying.source.name, source.version_id)
        target = BlobName(copying.target.name, draft.version_id)
        staged = await self._disk.run(link, self._blobs, origin, target, copying.target.id)
        change = CopyVersion(source, draft, staged is not None, actor, copying.conditions, copying.move)
        return await self._writer.commit(change, staged)

    async def _source(self, copying: Copying) -> Version:
        """The version to copy; one in the trash too, if it is named by its version."""
        bucket, key = copying.source, copying.source_key
        if copying.version_id is None:
            return await self.head_object(bucket, key)
        found = await self._read.run(self._catalog.find_version, bucket.id, key, copying.version_id)
        if found is None or found.version.is_marker:
            raise NoSuchVersion(key=key)
        return found.version

    # Lists ------------------------------------------------------------------------------------------------------

    async def list_objects(self, bucket: Bucket, query: ListQuery) -> Listing:
        """One page of current objects in the byte order of keys."""
        return await self._scan.run(self._catalog.list_keys, bucket.id, query, now_ms())

    async def list_object_versions(self, bucket: Bucket, query: VersionQuery) -> VersionListing:
        """One page of all versions and markers of all keys."""
        return await self._scan.run(self._catalog.list_versions, bucket.id, query, now_ms())

    async def list_folders(self, bucket: Bucket, query: ListQuery) -> list[str]:
        """The first common prefixes behind a prefix, without the objects between them."""
        return await self._scan.run(self._catalog.folders, bucket.id, query, now_ms())

    async def page_objects(self, bucket: Bucket, query: PageQuery) -> tuple[list[Version], int]:
        """A sorted, searched page by offset, and how many there are in all."""
        return await self._scan.run(self._catalog.page, bucket.id, query, now_ms())

    async def list_versions(self, bucket: Bucket, key: str, *, trash: bool = False) -> Sequence[Version]:
        """All versions of a key, newest first; `trash` adds those that were ended and are still kept."""
        return await self._scan.run(_versions, self._catalog, bucket.id, key, trash)

    async def list_trash(self, bucket: Bucket, prefix: str, after: str, limit: int) -> Sequence[Version]:
        """The newest kept version of each deleted key, by key."""
        return await self._scan.run(self._catalog.trash, bucket.id, prefix, after, limit)


def _versions(catalog: Catalog, bucket: int, key: str, trash: bool) -> Sequence[Version]:
    return catalog.versions(bucket, key, trash=trash)


async def _all_of(ends: "Sequence[asyncio.Future[Outcome]]") -> list[Outcome | StorageError]:
    """As `gather`, without a callback for each: most are known once the first is."""
    found: list[Outcome | StorageError] = []
    try:
        for end in ends:
            try:
                found.append(await end)
            except StorageError as error:
                found.append(error)
    finally:
        for end in ends[len(found) :]:
            end.cancel()
    return found


def _bucket_in(outcome: Outcome) -> Bucket:
    if outcome.bucket is None:
        raise NoSuchBucket
    return outcome.bucket


def _version_in(outcome: Outcome) -> Version:
    if outcome.version is None:
        raise NoSuchKey
    return outcome.version
