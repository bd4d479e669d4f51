"""Uploads in pieces -> objects: S3's multipart uploads here, growing ones in `resumable`.

A part is acknowledged when its bytes and its row survive what the durability mode promises. A completion joins the
parts inside the kernel, commits, and may be repeated for a day: its version id was fixed at the beginning.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import NamedTuple

import orjson

from storage_service.app.core import sidecar
from storage_service.app.core.absorb import Absorber, lanes
from storage_service.app.core.backend import Catalog, CopiedPart, Held, StagedPart, UploadFiles
from storage_service.app.core.changes import CompleteUpload, CreateUpload, EndUpload, Outcome, PutPart
from storage_service.app.core.commit import UploadChanged
from storage_service.app.core.decision import check_conditions
from storage_service.app.core.disk_errors import told
from storage_service.app.core.errors import (
    InvalidPart,
    InvalidRequest,
    NoSuchUpload,
    OutcomeUnknown,
    UploadLocked,
)
from storage_service.app.core.objects import (
    ANY_WRITE,
    BlobName,
    Bucket,
    Digests,
    Part,
    Span,
    Upload,
    UploadKind,
    Version,
    WriteConditions,
    check_key,
    is_uuid,
    new_id,
    now_ms,
)
from storage_service.app.core.pieces import (
    MAX_PARTS,
    Completion,
    PartHasher,
    PartOptions,
    PartSource,
    StoredPart,
    UploadOptions,
    UploadPage,
    UploadRef,
    UploadsQuery,
    Verify,
    Whole,
    algorithms_of,
    check_number,
    check_part_size,
    check_whole,
    choose,
    draft_version,
    is_open,
    parse_options,
    part_of,
    parts_record,
    put_together,
    render_options,
)
from storage_service.app.core.storage import ObjectStore
from storage_service.app.core.upload_listing import page_of_uploads

BROKEN_OFF = "The disk failed; the upload can be taken up again"

UPLOAD_THREADS = 8
HOLD_SECONDS = 600.0  # how long a completion waits for another of the same upload
LOOK_SECONDS = 0.05
TRIES = 3

Fill = Callable[[], Awaitable[int]]  # writes and hashes; how many bytes


class Making(NamedTuple):
    """A part while it is made: its bytes, and what they come to."""

    staged: StagedPart
    hasher: PartHasher


class Uploads:
    """One for each worker."""

    def __init__(self, store: ObjectStore, catalog: Catalog, files: UploadFiles, expiry_ms: int) -> None:
        self.store = store
        self.catalog = catalog
        self.files = files
        self.expiry_ms = expiry_ms
        self.lanes = lanes("uploads", UPLOAD_THREADS)
        self.lane = self.lanes.disk

    def close(self) -> None:
        self.lanes.close()

    # Begin and end ----------------------------------------------------------------------------------------------

    async def create(self, bucket: Bucket, key: str, options: UploadOptions) -> Upload:
        """Begin a multipart upload. Raises NoSuchBucket, InvalidKey, and what refuses any write."""
        self.store.admit(bucket, check_key(key), None, options.attributes.content_type)
        return await self.begin(self.draft(bucket, key, options, "multipart"))

    def draft(self, bucket: Bucket, key: str, options: UploadOptions, kind: UploadKind) -> Upload:
        """An upload that has not begun yet."""
        at_ms = now_ms()
        return Upload(
            new_id(),
            bucket.id,
            key,
            new_id(),
            kind,
            "open",
            at_ms,
            at_ms + self.expiry_ms,
            0,
            0,
            None,
            "",
            render_options(replace(options, bucket=bucket.uuid)),
        )

    async def begin(self, upload: Upload, once: str | None = None, once_until_ms: int = 0) -> Upload:
        """Make room for it and commit it. `once`: a single-use id that this uses up."""
        with told(BROKEN_OFF):
            await self.lane.run(self.files.begin, upload.id, orjson.dumps(upload._asdict()))
        await asyncio.shield(self.catalog.commit(CreateUpload(upload, once, once_until_ms)))
        return upload

    async def abort(self, ref: UploadRef) -> None:
        """Its parts no longer count; their files go shortly. Raises NoSuchUpload."""
        await self.find(ref)
        await self.catalog.commit(EndUpload(ref.bucket.id, ref.upload_id, now_ms()))

    async def end(self, bucket: Bucket, upload_id: str) -> None:
        """As `abort`, of any kind of upload and by its id alone. Raises NoSuchUpload."""
        upload = await self.lane.run(self.catalog.upload, upload_id) if is_uuid(upload_id) else None
        if upload is None or upload.bucket != bucket.id or not is_open(upload):
            raise NoSuchUpload("The upload does not exist, or it was completed, aborted or has expired")
        await self.catalog.commit(EndUpload(bucket.id, upload_id, now_ms()))

    async def find(self, ref: UploadRef, *, done: bool = False) -> Upload:
        """The upload, under way (or `done`, within the day that it is remembered). Raises NoSuchUpload."""
        upload = await self.lane.run(self.catalog.upload, ref.upload_id)
        if upload is None or (upload.bucket, upload.key) != (ref.bucket.id, ref.key):
            raise NoSuchUpload("The upload does not exist", bucket=ref.bucket.name, key=ref.key)
        if not is_open(upload) and not (done and upload.phase == "done"):
            raise NoSuchUpload("The upload was completed, aborted or expired", bucket=ref.bucket.name, key=ref.key)
        return upload

    # Parts ------------------------------------------------------------------------------------------------------

    async def put_part(
        self, ref: UploadRef, number: int, body: AsyncIterator[bytes], options: PartOptions
    ) -> StoredPart:
        """Store a part; an earlier one of the same number counts no longer.

        Raises:
            NoSuchUpload, InvalidArgument, EntityTooLarge, QuotaExceeded, InsufficientStorage, and what `verify` raises.
        """
        upload = await self._admit(ref, number, options.size)
        own = algorithms_of(upload)
        if own and options.announced is not None and options.announced not in own:
            raise InvalidRequest(
                f"Checksum Type mismatch occurred, expected checksum Type: {own[0].lower()},"
                f" actual checksum Type: {options.announced.lower()}"
            )

        hasher = PartHasher({*options.algorithms, *own})
        with told(BROKEN_OFF):
            making = Making(await self.lane.run(self.files.stage, upload.id, number, options.size), hasher)

        async def receive() -> int:
            size, absorber = 0, self._absorber(making)
            async for chunk in body:
                size += len(chunk)
                check_part_size(size)
                await absorber.take(chunk)
                del chunk  # not kept while a slow client takes its time
            await absorber.done()
            return size

        return await self._store(ref, (upload, number), making, receive, options.verify)

    async def copy_part(self, ref: UploadRef, number: int, source: PartSource) -> StoredPart:
        """Store a part from an object that is there already; no byte passes through memory but for small objects.

        Raises:
            NoSuchUpload, NoSuchKey, NoSuchVersion, InvalidRange, EntityTooLarge, and what `precheck` raises.
        """
        upload = await self._admit(ref, number, None)

        with told(BROKEN_OFF):
            staged = await self.lane.run(self.files.stage_copy, upload.id)
        making = Making(staged, PartHasher(algorithms_of(upload)))

        async def copy() -> int:
            return await self._copy(staged, making, source)

        return await self._store(ref, (upload, number), making, copy, None)

    def _absorber(self, making: Making) -> Absorber:
        return Absorber(self.lanes, making.hasher, making.staged)

    async def _store(
        self, ref: UploadRef, place: tuple[Upload, int], making: Making, fill: Fill, verify: Verify | None
    ) -> StoredPart:
        """Fill a part, sync it, commit it. What fails before the commit is undone."""
        upload, number = place
        staged = making.staged
        try:
            with told(BROKEN_OFF):
                size = await fill()
            digests = await self.lane.run(making.hasher.finish)
            if verify is not None:
                verify(digests)
            part = part_of(upload, number, size, digests)
            with told(BROKEN_OFF):
                await self.lane.run(staged.publish, part)
            change = PutPart(ref.bucket.id, part, self.most_bytes(ref.bucket, upload), now_ms() + self.expiry_ms)
            committing = asyncio.ensure_future(self.catalog.commit(change))
        except BaseException:
            self.lane.spawn(staged.discard)
            raise
        committing.add_done_callback(lambda done: self._conclude(done, part))
        outcome = await asyncio.shield(committing)
        return StoredPart(part, outcome.upload or upload, digests.sums)

    def _conclude(self, done: "asyncio.Future[Outcome]", part: Part) -> None:
        """What does not count goes; of an unknown outcome nothing does."""
        if done.cancelled() or isinstance(done.exception(), OutcomeUnknown):
            return
        gone = part if done.exception() is not None else done.result().replaced
        if gone is not None:
            self.lane.spawn(self.files.discard, gone)

    def most_bytes(self, bucket: Bucket, upload: Upload) -> int:
        """The largest object this upload may become."""
        own, most = parse_options(upload.doc).max_bytes, self.store.most_bytes(bucket)
        return most if own is None else min(own, most)

    async def _admit(self, ref: UploadRef, number: int, size: int | None) -> Upload:
        check_number(number)
        check_part_size(size or 0)
        upload = await self.find(ref)
        if upload.kind != "multipart":
            raise NoSuchUpload("This upload does not take parts", bucket=ref.bucket.name, key=ref.key)
        self.store.admit(ref.bucket, ref.key, size, None)
        return upload

    async def _copy(self, staged: CopiedPart, making: Making, source: PartSource) -> int:
        found = await self.store.get_object(source.bucket, source.key, source.version_id, source.precheck)
        try:
            version = found.version
            span = Span(0, version.size) if source.span is None else source.span(version)
            size = span.end - span.start
            check_part_size(size)
            self.store.admit(source.bucket, source.key, size, None)
            if found.body is not None:
                absorber = self._absorber(making)
                await absorber.take(found.body[span.start : span.end])
                await absorber.done()
            else:
                blob = BlobName(source.bucket.name, version.version_id)
                await self.lane.run(staged.copy, blob, span)
                await self.lane.run(staged.read_back, making.hasher.update, size)
        finally:
            found.close()
        return size

    # Completion -------------------------------------------------------------------------------------------------

    async def complete(self, ref: UploadRef, completion: Completion) -> Version:
        """Make the object of its parts. Repeated within a day it finds the same version. A caller that leaves does not
        stop it.

        Raises:
            NoSuchUpload, InvalidPart, InvalidPartOrder, EntityTooSmall, BadDigest, PreconditionFailed, QuotaExceeded
        """
        upload = await self.find(ref, done=True)
        if upload.phase == "done":
            return await self.finished(upload)
        return await asyncio.shield(asyncio.ensure_future(self._complete(ref, completion)))

    async def _complete(self, ref: UploadRef, completion: Completion) -> Version:
        try:
            held = await self._hold(ref.upload_id)
        except NoSuchUpload:  # its files are gone: another completion was quicker
            return await self.finished(await self._find_done(ref))
        try:
            for _ in range(TRIES):
                upload = await self.find(ref, done=True)
                if upload.phase == "done":
                    return await self.finished(upload)
                try:
                    return await self._attempt(ref, upload, completion)
                except (UploadChanged, FileNotFoundError):  # a part was put meanwhile
                    continue
            raise InvalidPart("The parts change too quickly", bucket=ref.bucket.name, key=ref.key)
        finally:
            await self.lane.run(held.release)

    async def _find_done(self, ref: UploadRef) -> Upload:
        upload = await self.find(ref, done=True)
        if upload.phase != "done":
            raise NoSuchUpload("The upload's files are gone", bucket=ref.bucket.name, key=ref.key)
        return upload

    async def _hold(self, upload_id: str) -> Held:
        deadline = asyncio.get_running_loop().time() + HOLD_SECONDS
        with told(BROKEN_OFF):
            while (held := await self.lane.run(self.files.lock, upload_id)) is None:
                if asyncio.get_running_loop().time() > deadline:
                    raise UploadLocked("Another request completes this upload")
                await asyncio.sleep(LOOK_SECONDS)
        return held

    async def _attempt(self, ref: UploadRef, upload: Upload, completion: Completion) -> Version:
        options = parse_options(upload.doc)
        chosen, whole = await self.lane.run(self._put_together, upload.id, options, completion)
        check_whole(whole, options, completion)
        with told(BROKEN_OFF):
            copied = await self.lane.run(self.files.to_copy, upload.id, chosen)
        self.store.admit(ref.bucket, ref.key, copied, options.attributes.content_type)
        await self.precheck(ref.bucket, ref.key, completion.conditions)
        sums: dict[str, str] = {options.algorithm: whole.checksum} if options.algorithm else {}
        digests = Digests(whole.etag, whole.crc64nvme, None, sums)
        doc = orjson.loads(sidecar.render_doc(options.attributes, digests))
        doc["parts"] = parts_record(chosen, checksums=bool(options.algorithm))
        draft = draft_version(upload, options, whole.size, digests, orjson.dumps(doc).decode())
        blob = BlobName(ref.bucket.name, upload.version_id)
        with told(BROKEN_OFF):
            await self.lane.run(self.files.join, upload.id, chosen, blob, draft.mtime_ns)
        promised = options.file_id is not None
        change = CompleteUpload(
            upload.id, upload.stamp, draft, completion.actor, completion.conditions, promised=promised
        )
        return await self.commit_whole(change, blob)

    def _put_together(self, upload_id: str, options: UploadOptions, completion: Completion) -> tuple[list[Part], Whole]:
        """The parts that were listed, and what they come to. Blocks, and takes long for thousands of them."""
        chosen = choose(self.catalog.parts(upload_id, 0, MAX_PARTS), completion.listed, options.algorithm)
        return chosen, put_together(chosen, options.algorithm, options.checksum_type)

    async def precheck(self, bucket: Bucket, key: str, conditions: WriteConditions) -> None:
        """Before bytes are joined in vain; the commit decides."""
        if conditions is not ANY_WRITE:
            await self.store.arrive(bucket, key)
            place = (bucket.id, key)
            found = (await self.lane.run(self.catalog.find_all, [place])).get(place)
            check_conditions(conditions, found.version if found else None, now_ms())

    async def commit_whole(self, change: CompleteUpload, blob: BlobName) -> Version:
        """The blob is ready: commit it, or take it away if it is known not to count. Only with the upload's lock."""
        try:
            outcome = await self.catalog.commit(change)
        except OutcomeUnknown:
            raise
        except Exception:
            await self.lane.run(self.files.disown, blob)
            raise
        if outcome.version is None:
            raise NoSuchUpload("The upload does not exist", key=change.draft.key)
        return outcome.version

    async def finished(self, upload: Upload) -> Version:
        """What a completed upload made: the version itself, or what is remembered of it once it is gone."""
        found = await self.lane.run(self.catalog.find_version, upload.bucket, upload.key, upload.version_id)
        if found is not None:
            return found.version
        said = orjson.loads(upload.result or "{}")
        if not said:
            raise NoSuchUpload("The upload does not exist", key=upload.key)
        options = parse_options(upload.doc)
        digests = Digests(said["etag"], "")
        draft = draft_version(upload, options, said["size"], digests, "{}")
        return draft._replace(flags=said["flags"], at_ms=said["at_ms"])

    # Lists ------------------------------------------------------------------------------------------------------

    async def list_parts(self, ref: UploadRef, after: int, limit: int) -> tuple[Upload, list[Part], bool]:
        """The upload, a page of its parts by number, and whether more follow. Raises NoSuchUpload."""
        upload = await self.find(ref)
        parts = await self.lane.run(self.catalog.parts, upload.id, after, limit + 1)
        return upload, list(parts[:limit]), len(parts) > limit

    async def list_uploads(self, bucket: Bucket, query: UploadsQuery) -> UploadPage:
        """A page of the bucket's unfinished uploads, by key, then by id, which is by time."""
        return await self.lane.run(page_of_uploads, self.catalog, bucket.id, query)
