"""Uploads that grow at their end and can be taken up again: one writer at a time, and an offset that never lies.

Bytes are synced before the offset that counts them is committed; a piece is committed every so often while it comes, so
that a crash costs little. Whoever writes holds the upload's lock, across workers. A newcomer asks for it, and the
holder, which may wait for a client that is gone, commits what it has and lets go.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from storage_service.app.core import sidecar
from storage_service.app.core.backend import Growing, Held
from storage_service.app.core.changes import AppendUpload, CompleteUpload, EndUpload
from storage_service.app.core.checksums import Algorithm
from storage_service.app.core.disk_errors import told
from storage_service.app.core.errors import (
    EntityTooLarge,
    InvalidArgument,
    NoSuchUpload,
    OffsetMismatch,
    StorageError,
    UploadLocked,
)
from storage_service.app.core.objects import BlobName, Bucket, Digests, Upload, Version, now_ms
from storage_service.app.core.pieces import (
    PartHasher,
    Rolling,
    UploadOptions,
    Verify,
    draft_version,
    is_open,
    joined_digests,
    parse_options,
    rolling_of,
)
from storage_service.app.core.uploads import BROKEN_OFF, Uploads

TAKE_SECONDS = 10.0  # how long a newcomer waits for the holder to yield
LOOK_SECONDS = 0.05
WISH_SECONDS = 1.0  # between looks of the holder whether somebody waits
COMMIT_BYTES = 64 << 20  # what a crash may cost at most
COMMIT_SECONDS = 10.0
NO_KEY = "-"  # a piece has none
IDLE_SECONDS = 1.0  # without a byte: what has come is committed, so that the client that comes back finds it


class AppendOptions(NamedTuple):
    """`length`: of the whole, if it is said only now. `verify` may refuse the piece once all of it was read; then none
    of it is kept. Without it, what came before a broken end is kept. `algorithms`: what `verify` needs computed."""

    length: int | None = None
    verify: Verify | None = None
    algorithms: Sequence[Algorithm] = ()


class Progress(NamedTuple):
    """Where an upload stands; `version` once it is an object."""

    upload: Upload
    version: Version | None = None


class Resumables:
    """Growing uploads over the same rows and files as parts. One for each worker."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._store = uploads.store
        self._catalog = uploads.catalog
        self._files = uploads.files
        self._lane = uploads.lane

    async def create(self, bucket: Bucket, upload: Upload, once: str | None = None, once_until_ms: int = 0) -> Progress:
        """Begin a drafted upload (see `Uploads.draft`). One of no bytes is complete at once.

        Raises:
            EntityTooLarge, UnsupportedType, InsufficientStorage, PreconditionFailed, KeyAlreadyExists, LinkUsed
        """
        options = parse_options(upload.doc)
        self._check_length(bucket, upload, upload.length)
        kind = options.attributes.content_type if upload.kind == "resumable" else None
        self._store.admit(bucket, upload.key or NO_KEY, upload.length, kind)
        if upload.kind == "resumable":
            await self._uploads.precheck(bucket, upload.key, options.conditions)
        await self._uploads.begin(upload, once, once_until_ms)
        return await self.look(bucket, upload.id) if upload.length == 0 else Progress(upload)

    def _check_length(self, bucket: Bucket, upload: Upload, length: int | None) -> None:
        most = self._uploads.most_bytes(bucket, upload)
        if length is not None and length > most:
            raise EntityTooLarge(f"The upload of {length} bytes is larger than the {most} allowed", bucket=bucket.name)

    async def find(self, upload_id: str) -> Upload:
        """The upload, under way or completed within a day. Raises NoSuchUpload."""
        upload = await self._lane.run(self._catalog.upload, upload_id)
        if upload is None or upload.kind == "multipart" or not (is_open(upload) or upload.phase == "done"):
            raise NoSuchUpload("The upload does not exist, or it was aborted or has expired")
        return upload

    async def look(self, bucket: Bucket, upload_id: str) -> Progress:
        """Where it stands. One that has all its bytes and no object yet (the service died between) becomes one now.

        Raises:
            NoSuchUpload, and what refuses the object.
        """
        upload = await self.find(upload_id)
        if upload.phase == "done":
            return Progress(upload, await self._uploads.finished(upload))
        if upload.size != upload.length or upload.kind != "resumable":
            return Progress(upload)
        held = await self._take_open(upload_id)
        if held is None:
            return await self.look(bucket, upload_id)
        try:
            upload = await self.find(upload_id)
            return await self._finish(bucket, upload) if upload.phase == "open" else await self.look(bucket, upload_id)
        finally:
            await self._lane.run(held.release)

    async def end(self, bucket: Bucket, upload_id: str) -> None:
        """Abort it. Raises NoSuchUpload."""
        await self._catalog.commit(EndUpload(bucket.id, upload_id, now_ms()))

    # Growing ----------------------------------------------------------------------------------------------------

    async def append(
        self, bucket: Bucket, upload_id: str, offset: int, body: AsyncIterator[bytes], options: AppendOptions
    ) -> Progress:
        """Write the body from `offset` on, which must be where the upload ends. With its last byte it is an object.

        Raises:
            OffsetMismatch, UploadLocked, NoSuchUpload, EntityTooLarge, InvalidArgument, QuotaExceeded, what `verify`
            raises, and what refuses the object; the bytes committed until then stay.
        """
        upload = await self.find(upload_id)
        if upload.phase == "done" and upload.size == offset:
            return Progress(upload, await self._uploads.finished(upload))
        held = await self._take_open(upload_id)
        if held is None:
            raise OffsetMismatch(offset=(await self.find(upload_id)).size)
        try:
            upload = await self.find(upload_id)
            if upload.phase != "open" or upload.size != offset:
                raise OffsetMismatch(offset=upload.size)
            length = self._length(bucket, upload, options.length)
            self._store.admit(bucket, upload.key or NO_KEY, None if length is None else length - offset, None)
            with told(BROKEN_OFF):
                growing = await self._lane.run(self._files.open, upload_id, offset)
        except BaseException:
            await self._lane.run(held.release)
            raise
        writing = _Writing(self._uploads, bucket, (upload, length), growing, options)
        task = asyncio.ensure_future(self._run(writing, body, held))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:  # a commit in flight must not be left by its lock
            writing.stop.set()
            raise

    def _length(self, bucket: Bucket, upload: Upload, length: int | None) -> int | None:
        if length is None or length == upload.length:
            return upload.length
        if upload.length is not None or length < upload.size:
            raise InvalidArgument("The upload's length was said before, or is less than what is there")
        self._check_length(bucket, upload, length)
        return length

    async def _run(self, writing: "_Writing", body: AsyncIterator[bytes], held: Held) -> Progress:
        try:
            with told(BROKEN_OFF):
                upload = await writing.run(body)
            if upload.size == upload.length and upload.kind == "resumable":
                await self._lane.run(writing.growing.close)
                return await self._finish(writing.bucket, upload)
            if writing.taken_over:
                raise UploadLocked("Another request goes on with this upload")
            return Progress(upload)
        finally:
            await self._lane.run(_let_go, writing.growing, held)

    async def _take_open(self, upload_id: str) -> Held | None:
        """As `_take`; None if whoever had it has made an object of it meanwhile, and its files are gone."""
        try:
            return await self._take(upload_id)
        except NoSuchUpload:
            if (await self.find(upload_id)).phase != "done":
                raise
            return None

    async def _take(self, upload_id: str) -> Held:
        """The upload's lock; a holder is asked to yield. Raises NoSuchUpload, UploadLocked, and what `told` raises."""
        deadline = asyncio.get_running_loop().time() + TAKE_SECONDS
        with told(BROKEN_OFF):
            while (held := await self._lane.run(self._files.lock, upload_id)) is None:
                if asyncio.get_running_loop().time() > deadline:
                    raise UploadLocked("Another request is writing to this upload")
                await self._lane.run(self._files.want, upload_id)
                await asyncio.sleep(LOOK_SECONDS)
        try:
            with told(BROKEN_OFF):
                await self._lane.run(self._files.forget_wish, upload_id)
        except BaseException:
            await self._lane.run(held.release)
            raise
        return held

    # Becoming an object -----------------------------------------------------------------------------------------

    async def _finish(self, bucket: Bucket, upload: Upload) -> Progress:
        """All bytes are there and committed. Only with the lock."""
        rolling = rolling_of(upload)
        if not upload.size:
            with told(BROKEN_OFF):
                growing = await self._lane.run(self._files.open, upload.id, 0)
            await self._lane.run(growing.close)
            rolling = Rolling().plus(PartHasher().finish(), 0, 0)
        digests = Digests(f"{rolling.md5}-{rolling.pieces}", rolling.crc64nvme)
        draft, blob = _draft(upload, digests), BlobName(bucket.name, upload.version_id)
        with told(BROKEN_OFF):
            await self._lane.run(self._files.finish, upload.id, upload.size, blob, draft.mtime_ns)
        return await self._commit(upload, draft, blob)

    async def _commit(self, upload: Upload, draft: Version, blob: BlobName) -> Progress:
        options = parse_options(upload.doc)
        change = CompleteUpload(
            upload.id,
            upload.stamp,
            draft,
            options.actor,
            options.conditions,
            promised=options.file_id is not None,
        )
        version = await self._uploads.commit_whole(change, blob)
        return Progress(upload._replace(phase="done"), version)

    async def concatenate(self, bucket: Bucket, upload: Upload, pieces: Sequence[Upload]) -> Progress:
        """Make the object of other uploads of this bucket, in this order; `upload` is drafted. The pieces end with it.

        Raises:
            InvalidArgument: a piece is of another bucket or not complete. And as `create`.
        """
        for piece in pieces:
            if piece.bucket != bucket.id or piece.kind != "partial" or piece.size != piece.length:
                raise InvalidArgument(f"Upload {piece.id} is not a complete piece of this bucket")
        if len({piece.id for piece in pieces}) < max(1, len(pieces)):
            raise InvalidArgument("The pieces must be different uploads, at least one")
        upload = upload._replace(length=sum(piece.size for piece in pieces))
        done = await self.create(bucket, upload)
        if done.version is None:
            done = await asyncio.shield(asyncio.ensure_future(self._join(bucket, upload, pieces)))
        for piece in pieces:
            await self.end(bucket, piece.id)
        return done

    async def _join(self, bucket: Bucket, upload: Upload, pieces: Sequence[Upload]) -> Progress:
        try:
            return await self._concatenate(bucket, upload, pieces)
        except StorageError:
            await self.end(bucket, upload.id)
            raise

    async def _concatenate(self, bucket: Bucket, upload: Upload, pieces: Sequence[Upload]) -> Progress:
        held = await self._take(upload.id)
        try:
            draft = _draft(upload, joined_digests(pieces))
            blob = BlobName(bucket.name, upload.version_id)
            sources = [(piece.id, piece.size) for piece in pieces]
            with told(BROKEN_OFF):
                await self._lane.run(self._files.concatenate, upload.id, sources, blob, draft.mtime_ns)
            return await self._commit(upload, draft, blob)
        except FileNotFoundError:
            raise NoSuchUpload("One of the pieces was ended") from None
        finally:
            await self._lane.run(held.release)


class _Writing:
    """One request that appends: reads, hashes, writes, commits. Ends early when somebody else wants to go on."""

    def __init__(
        self,
        uploads: Uploads,
        bucket: Bucket,
        place: tuple[Upload, int | None],
        growing: Growing,
        options: AppendOptions,
    ) -> None:
        """`place`: the row as it stands, and the length of the whole as far as it is known now."""
        self._uploads = uploads
        self._lane = uploads.lane
        self._verify = options.verify
        self._hasher = PartHasher(options.algorithms)
        self._pending = 0  # bytes written and not committed
        self._committed_at = 0.0
        self.bucket = bucket
        self.upload, self._length = place
        self.growing = growing
        self.taken_over = False
        self.stop = asyncio.Event()

    async def run(self, body: AsyncIterator[bytes]) -> Upload:
        """The upload as it stands afterwards."""
        watch = asyncio.ensure_future(self._watch())
        loop = asyncio.get_running_loop()
        self._committed_at = loop.time()
        try:
            while (chunk := await self._next(body, watch)) is not None:
                await self._take_in(chunk)
                late = loop.time() - self._committed_at > COMMIT_SECONDS
                if self._verify is None and (late or self._pending >= COMMIT_BYTES):
                    await self._commit()
        finally:
            watch.cancel()
        return await self._conclude()

    async def _conclude(self) -> Upload:
        if self._verify is not None:
            if self.taken_over:
                return self.upload
            self._verify(self._hasher.finish())
        await self._commit()
        return self.upload

    async def _take_in(self, chunk: bytes) -> None:
        size, length = self.upload.size + self._pending + len(chunk), self._length
        most = self._uploads.most_bytes(self.bucket, self.upload) if length is None else length
        if size > most:
            await self._commit()
            raise EntityTooLarge(f"The upload may have {most} bytes", bucket=self.bucket.name)
        await self._lane.run(_absorb, self._hasher, self.growing, chunk)
        self._pending += len(chunk)

    async def _next(self, body: AsyncIterator[bytes], watch: "asyncio.Future[None]") -> bytes | None:
        """The next chunk; None at the end, or when somebody else is to go on."""
        reading = asyncio.ensure_future(_pull(body))
        both: set[asyncio.Future[Any]] = {reading, watch}
        while True:
            await asyncio.wait(both, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
            if watch.done():
                self.taken_over = True
                reading.cancel()
                await asyncio.wait({reading})
                return None
            if self._pending and self._verify is None:
                await self._commit()

    async def _watch(self) -> None:
        """Returns when this request is to end."""
        files, name = self._uploads.files, self.upload.id
        while not await self._lane.run(files.is_wanted, name):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), WISH_SECONDS)
            if self.stop.is_set():
                return

    async def _commit(self) -> None:
        """What was written is synced and counts from now on."""
        upload, size = self.upload, self._pending
        if not size and upload.length == self._length:
            return
        rolling = rolling_of(upload)
        if size:
            await self._lane.run(self.growing.sync)
            rolling = rolling.plus(self._hasher.finish(), size, upload.size)
        until_ms = now_ms() + self._uploads.expiry_ms
        digest = rolling.render() if size else upload.digest
        change = AppendUpload(self.bucket.id, upload.id, upload.size, size, digest, self._length, until_ms)
        outcome = await self._uploads.catalog.commit(change)
        self.upload = outcome.upload or upload
        self._hasher, self._pending = PartHasher(), 0
        self._committed_at = asyncio.get_running_loop().time()


async def _pull(body: AsyncIterator[bytes]) -> bytes | None:
    try:
        return await body.__anext__()
    except StopAsyncIteration:
        return None


def _absorb(hasher: PartHasher, growing: Growing, chunk: bytes) -> None:
    hasher.update(chunk)
    growing.write(chunk)


def _let_go(growing: Growing, held: Held) -> None:
    """In this order: the next writer must not meet a write of the last."""
    growing.close()
    held.release()


def _draft(upload: Upload, digests: Digests) -> Version:
    options: UploadOptions = parse_options(upload.doc)
    doc = sidecar.render_doc(options.attributes, digests)
    return draft_version(upload, options, upload.length or 0, digests, doc)
