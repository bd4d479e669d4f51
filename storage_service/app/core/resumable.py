"""Uploads that grow at their end and can be taken up again: one writer at a time, and an offset that never lies.

Bytes are synced before the offset that counts them is committed; a piece is committed every so often while it comes, so
that a crash costs little. Whoever writes holds the upload's lock, across workers. A newcomer asks for it, and the
holder, which may wait for a client that is gone, commits what it has and lets go.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from storage_service.app.core import sidecar
from storage_service.app.core.appending import Appending, AppendOptions
from storage_service.app.core.backend import Growing, Held
from storage_service.app.core.changes import CompleteUpload, EndUpload
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
    draft_version,
    is_open,
    joined_digests,
    parse_options,
    rolling_of,
)
from storage_service.app.core.uploads import BROKEN_OFF, Uploads

TAKE_SECONDS = 10.0  # how long a newcomer waits for the holder to yield
LOOK_SECONDS = 0.05
NO_KEY = "-"  # a piece has none


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
        writing = Appending(self._uploads, bucket, (upload, length), growing, options)
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

    async def _run(self, writing: Appending, body: AsyncIterator[bytes], held: Held) -> Progress:
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


def _let_go(growing: Growing, held: Held) -> None:
    """In this order: the next writer must not meet a write of the last."""
    growing.close()
    held.release()


def _draft(upload: Upload, digests: Digests) -> Version:
    options: UploadOptions = parse_options(upload.doc)
    doc = sidecar.render_doc(options.attributes, digests)
    return draft_version(upload, options, upload.length or 0, digests, doc)
