"""The write path: a body becomes a version. Refuse early, hash in flight, compare, then commit."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import NamedTuple

from storage_service.app.core.absorb import Absorber, Lanes
from storage_service.app.core.backend import Blobs, Catalog, Staged, Volume
from storage_service.app.core.changes import Change, Outcome, PutVersion
from storage_service.app.core.checksums import Algorithm
from storage_service.app.core.digests import Hasher, Wanted, check_digests, digest_small
from storage_service.app.core.errors import (
    EntityTooLarge,
    InsufficientStorage,
    OutcomeUnknown,
    ServiceUnavailable,
    SlowDown,
    UnsupportedType,
)
from storage_service.app.core.objects import (
    ANY_WRITE,
    Attributes,
    BlobName,
    Bucket,
    Digests,
    Version,
    WriteConditions,
    new_id,
    now_ms,
)
from storage_service.app.core.sidecar import render_doc

DESCRIBED_BYTES = 8 << 10  # of a body: what its type is told by
FREE_SPACE_SECONDS = 1.0  # how long a look at the free space holds

# Decides the final attributes once the first bytes are known (a type that nobody declared).
Describe = Callable[[bytes], Attributes]
# Refuses a body by its digests: raises, and nothing is stored.
Verify = Callable[[Digests], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes."""

    max_object_bytes: int
    inline_body_bytes: int
    free_space_reserve_bytes: int
    backlog_wait_seconds: float = 10.0


class PutOptions(NamedTuple):
    """Everything of a write but bucket, key and bytes. `describe`, where given, makes the attributes from the first
    bytes; `file_id` is one that was promised before the upload; `size` is the declared length in bytes."""

    attributes: Attributes = Attributes()
    describe: Describe | None = None
    conditions: WriteConditions = ANY_WRITE
    actor: str = ""
    size: int | None = None
    max_bytes: int | None = None
    wanted: Wanted | None = None
    sha256: bool = True
    file_id: str | None = None
    once: str | None = None
    once_until_ms: int = 0
    finish: Callable[[Attributes], Attributes] | None = None  # at the body's end: a form's later fields
    algorithm: Algorithm | None = None  # a checksum to compute and keep besides
    verify: Verify | None = None  # at the body's end: what was announced behind it, too


class Writer:
    """Puts bodies. One for each worker."""

    def __init__(self, catalog: Catalog, blobs: Blobs, volume: Volume, lanes: Lanes, limits: Limits) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._volume = volume
        self._lanes = lanes
        self._disk = lanes.disk
        self._limits = limits
        self._free_bytes = 1 << 62
        self._free_at = 0.0

    def admit(self, bucket: Bucket, key: str, size: int | None, content_type: str | None) -> None:
        """Refuse before the body is read.

        Raises:
            EntityTooLarge, UnsupportedType, InsufficientStorage, ServiceUnavailable
        """
        if not self._volume.is_ready():
            raise ServiceUnavailable(self._volume.why_not())
        most = self.most_bytes(bucket)
        if size is not None and size > most:
            raise EntityTooLarge(
                f"The body of {size} bytes is larger than the {most} allowed", bucket=bucket.name, key=key
            )
        if content_type is not None:
            check_type(bucket, content_type)
        self._check_space(size or 0)

    def most_bytes(self, bucket: Bucket) -> int:
        """The largest object this bucket takes."""
        own = bucket.options.max_object_bytes
        return self._limits.max_object_bytes if own is None else min(own, self._limits.max_object_bytes)

    def _check_space(self, size: int) -> None:
        if time.monotonic() - self._free_at > FREE_SPACE_SECONDS:
            self._free_at = time.monotonic()
            self._disk.spawn(self._look)
        left = self._free_bytes - self._volume.backlog_bytes() - self._limits.free_space_reserve_bytes
        if size > left:
            raise InsufficientStorage("The disk is full")

    def _look(self) -> None:
        self._free_bytes = self._volume.free_bytes()

    async def _wait_for_room(self) -> None:
        """Wait while settle is behind; give up with SlowDown."""
        if not self._volume.is_behind():
            return
        deadline = time.monotonic() + self._limits.backlog_wait_seconds
        while self._volume.is_behind():
            if time.monotonic() > deadline:
                raise SlowDown("Too much waits to be written to disk")
            await asyncio.sleep(0.02)

    async def put(self, bucket: Bucket, key: str, body: AsyncIterator[bytes], options: PutOptions) -> Outcome:
        declared = None if options.describe else options.attributes.content_type
        self.admit(bucket, key, options.size, declared)
        await self._wait_for_room()
        first = bytearray()
        gathered = self._gathered_bytes(options.size)
        async for chunk in body:
            if not first and len(chunk) <= self._limits.inline_body_bytes and len(chunk) == options.size:
                return await self._put_small(bucket, key, chunk, options)  # the whole body in one piece
            first += chunk
            del chunk  # a slow upload keeps this frame for hours: it must not keep bytes that are on disk
            if len(first) > gathered:
                pieces, first = [bytes(first)], bytearray()
                return await self._put_large(bucket, key, pieces, body, options)
        return await self._put_small(bucket, key, bytes(first), options)

    def _gathered_bytes(self, size: int | None) -> int:
        """Up to how many bytes are kept in memory: of a body known to be large, those that tell its type."""
        inline = self._limits.inline_body_bytes
        return inline if size is None or size <= inline else min(inline, DESCRIBED_BYTES)

    async def _put_small(self, bucket: Bucket, key: str, body: bytes, options: PutOptions) -> Outcome:
        self._check_size(bucket, len(body), options)
        digests = digest_small(body, options.sha256, options.algorithm)
        attributes = self._attributes(bucket, body, options)
        draft = self._draft(bucket, key, len(body), digests, attributes, options)
        return await self._catalog.commit(_change(draft, body, options))

    def _check_size(self, bucket: Bucket, size: int, options: PutOptions) -> None:
        most = self.most_bytes(bucket)
        if options.max_bytes is not None:
            most = min(most, options.max_bytes)
        if size > most:
            raise EntityTooLarge(f"The body is larger than the {most} bytes allowed", bucket=bucket.name)

    def _attributes(self, bucket: Bucket, first: bytes, options: PutOptions) -> Attributes:
        attributes = options.attributes if options.describe is None else options.describe(first)
        if options.finish is not None:
            attributes = options.finish(attributes)
        if bucket.options.allowed_types:
            check_type(bucket, attributes.content_type)
        return attributes

    def _draft(
        self, bucket: Bucket, key: str, size: int, digests: Digests, attributes: Attributes, options: PutOptions
    ) -> Version:
        if options.wanted is not None:
            check_digests(digests, options.wanted)
        if options.verify is not None:
            options.verify(digests)
        at_ms = now_ms()
        return Version(
            bucket.id,
            key,
            new_id(),
            options.file_id or new_id(),
            size,
            digests.md5,
            at_ms,
            at_ms * 1_000_000,
            0,
            render_doc(attributes, digests),
            0,
            0,
            attributes.expires_ms,
        )

    async def _put_large(
        self, bucket: Bucket, key: str, pieces: list[bytes], rest: AsyncIterator[bytes], options: PutOptions
    ) -> Outcome:
        """Stream to staging, hash in flight; sync, compare, commit. What fails before the commit is undone.

        `pieces` holds what has been read; it is emptied.
        """
        first = pieces[0][:DESCRIBED_BYTES]
        version_id = new_id()
        staged = await self._disk.run(self._blobs.stage, bucket.id, version_id)
        try:
            size, digests = await self._receive(bucket, staged, pieces, rest, options)
            draft = self._draft(bucket, key, size, digests, self._attributes(bucket, first, options), options)
            draft = draft._replace(version_id=version_id)
            blob = BlobName(bucket.name, version_id)
            await self._disk.run(staged.publish, blob, draft.mtime_ns)
        except BaseException:
            self._disk.spawn(staged.discard)
            raise
        return await self.commit(_change(draft, None, options), staged)

    async def commit(self, change: Change, staged: Staged | None) -> Outcome:
        """Commit a change whose blob is there already, and conclude its intent. A client that leaves does not undo it.

        Raises: what refuses the change; OutcomeUnknown.
        """
        committing = asyncio.ensure_future(self._catalog.commit(change))
        if staged is not None:
            committing.add_done_callback(lambda done: self._conclude(done, staged))
        return await asyncio.shield(committing)

    def _conclude(self, done: "asyncio.Future[Outcome]", staged: Staged) -> None:
        """The intent goes with a known outcome; with an unknown one it stays for the next start to look at."""
        if done.cancelled() or isinstance(done.exception(), OutcomeUnknown):
            return
        self._disk.spawn(staged.keep if done.exception() is None else staged.discard)

    async def _receive(
        self, bucket: Bucket, staged: Staged, pieces: list[bytes], rest: AsyncIterator[bytes], options: PutOptions
    ) -> tuple[int, Digests]:
        hasher = Hasher(sha256=options.sha256, algorithm=options.algorithm)
        size = len(pieces[0])
        self._check_size(bucket, size, options)
        absorber = Absorber(self._lanes, hasher, staged)
        await absorber.take(pieces.pop())
        async for chunk in rest:
            size += len(chunk)
            self._check_size(bucket, size, options)
            await absorber.take(chunk)
            del chunk  # not kept while a slow client takes its time
        await absorber.done()
        return size, hasher.finish()


def _change(draft: Version, body: bytes | None, options: PutOptions) -> PutVersion:
    promised = options.file_id is not None
    return PutVersion(draft, body, options.actor, options.conditions, options.once, options.once_until_ms, promised)


def check_type(bucket: Bucket, content_type: str) -> None:
    """Raises UnsupportedType where the bucket allows some types and this is none of them."""
    allowed = bucket.options.allowed_types
    plain = content_type.partition(";")[0].strip().lower()
    if allowed and not any(_type_fits(plain, rule.lower()) for rule in allowed):
        raise UnsupportedType(f"This bucket does not take {plain}", bucket=bucket.name)


def _type_fits(plain: str, rule: str) -> bool:
    return rule in {"*", "*/*", plain} or (rule.endswith("/*") and plain.startswith(rule[:-1]))
