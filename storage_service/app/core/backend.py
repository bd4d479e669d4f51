"""What the core asks of its backends. Bodies and rows; no S3 rule stands behind these lines.

Calls without `async` block and belong on a lane. The bench runs the blobs on a simulated disk behind the same lines.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from storage_service.app.core.changes import Change, Outcome
from storage_service.app.core.events import Event
from storage_service.app.core.objects import (
    Attributes,
    BlobName,
    Bucket,
    ChangeRecord,
    Found,
    Listing,
    ListQuery,
    PageQuery,
    Part,
    Span,
    Upload,
    Usage,
    Version,
    VersionListing,
    VersionQuery,
)
from storage_service.app.core.origins import Origin


class OpenFile(Protocol):
    """An open blob. Reads may come from any thread; `close` waits for the one in flight."""

    size: int
    location: str | None  # its path below the store's directory; None where the bytes are not there as they are

    def fileno(self) -> int:
        """The descriptor, valid until `close`; for one whose `location` is not None."""

    def read(self, offset: int, size: int) -> bytes: ...
    def read_into(self, buffer: memoryview, offset: int) -> int:
        """How many bytes were there; 0 at the end."""

    def close(self) -> None: ...


class Staged(Protocol):
    """A body on its way to disk under a staging name, which is the intent: what a start finds of one without a version
    goes. Calls may come from any thread, one after another."""

    def write(self, data: bytes) -> None: ...
    def publish(self, blob: BlobName, mtime_ns: int) -> None:
        """Sync and give it its blob name: on return both survive a power cut. The staging name stays as the intent."""

    def keep(self) -> None:
        """The commit is known to have happened: the intent goes."""

    def discard(self) -> None:
        """The commit is known not to have happened: intent and blob go. Idempotent."""


class Blobs(Protocol):
    """Immutable bytes by version."""

    def open(self, blob: BlobName, size: int, mtime_ns: int | None) -> OpenFile:
        """Raises FileNotFoundError (read the row again) and DamagedObject."""

    def read_small(self, blob: BlobName, size: int, mtime_ns: int | None) -> bytes: ...
    def stage(self, bucket: int, version_id: str) -> Staged: ...
    def copy(self, source: BlobName, target: BlobName, bucket: int) -> Staged:
        """A second name for the same bytes, a link where it can be, with the intent that `stage` leaves. The name may
        not survive a power cut: settling makes it again. `bucket`: the target's number. Raises FileNotFoundError."""


class StagedPart(Protocol):
    """A part on its way to disk. Calls may come from any thread, one after another."""

    def write(self, data: bytes) -> None: ...
    def publish(self, part: Part) -> None:
        """On return the part survives a power cut. Raises NoSuchUpload."""

    def discard(self) -> None:
        """The part is known not to count. Idempotent."""


class CopiedPart(StagedPart, Protocol):
    """A part that is filled from an object."""

    def copy(self, blob: BlobName, span: Span) -> None:
        """Append a blob's bytes, not through memory. Raises FileNotFoundError."""

    def read_back(self, update: Callable[[memoryview], None], size: int) -> None:
        """Hand what was copied to a hash, piece by piece."""


class Growing(Protocol):
    """The bytes of a resumable upload, open at their end."""

    def write(self, data: bytes) -> None: ...
    def sync(self) -> None: ...
    def close(self) -> None:
        """Idempotent; waits for the call in flight."""


class Held(Protocol):
    """The lock of one upload, across workers; it dies with the process."""

    def release(self) -> None: ...


class UploadFiles(Protocol):
    """The bytes of uploads in pieces. What ended ones leave is the jobs' to remove."""

    def begin(self, upload_id: str, record: bytes) -> None:
        """Make room for an upload; on return it survives a power cut."""

    def lock(self, upload_id: str) -> Held | None:
        """None while somebody else has it. Raises NoSuchUpload."""

    def want(self, upload_id: str) -> None:
        """Ask whoever has the lock to yield."""

    def is_wanted(self, upload_id: str) -> bool: ...
    def forget_wish(self, upload_id: str) -> None: ...
    def stage(self, upload_id: str, number: int, size: int | None) -> StagedPart:
        """`size`: bytes to come, if that is known."""

    def stage_copy(self, upload_id: str) -> CopiedPart:
        """For bytes of an object that is there."""

    def discard(self, part: Part) -> None:
        """Remove a part that counts no longer."""

    # All below only with the upload's lock; a blob made survives a power cut. They raise DamagedObject.
    def to_copy(self, upload_id: str, parts: Sequence[Part]) -> int:
        """Bytes that `join` will copy; the others are in place. Raises FileNotFoundError if one was replaced."""

    def join(self, upload_id: str, parts: Sequence[Part], blob: BlobName, mtime_ns: int) -> None:
        """Make a blob of these parts. Raises FileNotFoundError if one was replaced."""

    def disown(self, blob: BlobName) -> None:
        """The commit is known not to have happened: the blob goes, the pieces stay."""

    def open(self, upload_id: str, offset: int) -> Growing:
        """The upload's bytes, to be written from `offset` on; what lies behind it goes. Raises NoSuchUpload."""

    def finish(self, upload_id: str, size: int, blob: BlobName, mtime_ns: int) -> None:
        """Make a blob of a resumable upload's bytes."""

    def concatenate(self, upload_id: str, pieces: Sequence[tuple[str, int]], blob: BlobName, mtime_ns: int) -> None:
        """Make a blob of other resumable uploads' bytes (id, size). Raises FileNotFoundError if one was ended."""


class Catalog(Protocol):
    """The commit point: it reads the rows a change names under its lock, asks `decide`, applies the writes, groups."""

    def commit(self, change: Change) -> "asyncio.Future[Outcome]":
        """The outcome, once it survives what the durability mode promises. Called on the event loop; does not block."""

    def generation(self) -> int:
        """Grows with every change to a bucket, in any process. Does not block."""

    def buckets(self) -> list[Bucket]: ...
    def find_all(self, places: Sequence[tuple[int, str]], *, bodies: bool = True) -> dict[tuple[int, str], Found]:
        """The current versions of these (bucket, key), whatever their expiry, with their journalled bodies."""

    def find_version(self, bucket: int, key: str, version_id: str) -> Found | None: ...
    def find_file(self, bucket: int, file_id: str) -> Version | None: ...
    def list_keys(self, bucket: int, query: ListQuery, now_ms: int) -> Listing: ...
    def list_versions(self, bucket: int, query: VersionQuery, now_ms: int) -> VersionListing: ...
    def folders(self, bucket: int, query: ListQuery, now_ms: int) -> list[str]:
        """Common prefixes alone, at most `limit` of them."""

    def page(self, bucket: int, query: PageQuery, now_ms: int) -> tuple[list[Version], int]: ...
    def versions(self, bucket: int, key: str, *, trash: bool = False) -> Sequence[Version]: ...
    def trash(self, bucket: int, prefix: str, after: str, limit: int) -> Sequence[Version]: ...
    def usage(self, scope: str, name: str) -> Usage: ...
    def usages(self, scope: str) -> dict[str, Usage]: ...
    def changes(self, after: int, limit: int) -> list[ChangeRecord]: ...
    def events(self, after: int, limit: int) -> list[Event]:
        """The feed with what each change was, oldest first. Raises FeedGone."""

    def feed_end(self) -> int:
        """The last sequence the feed may hold now."""

    def feed_stamp(self) -> int:
        """Differs whenever the feed may have grown, in any process. Does not block."""

    def upload(self, upload_id: str) -> Upload | None: ...
    def parts(self, upload_id: str, after: int, limit: int) -> Sequence[Part]:
        """By number, behind `after`."""

    def uploads(self, bucket: int, prefix: str, after: tuple[str, str], limit: int) -> Sequence[Upload]:
        """Open ones by key and id, behind `after`."""

    def open_totals(self) -> tuple[int, int]:
        """How many uploads are open, and their bytes."""


class Arriving(Protocol):
    """An object on its way from an origin. `size` in bytes, `etag` unquoted, as the origin says it."""

    attributes: Attributes
    size: int
    etag: str

    def body(self) -> AsyncIterator[bytes]:
        """All bytes; raises BackendUnavailable where they cannot be had."""

    def close(self) -> None:
        """Idempotent."""


class Origins(Protocol):
    """Old servers that buckets still take objects from."""

    async def fetch(self, origin: Origin, key: str) -> Arriving | None:
        """None where the origin has no such object. Raises: BackendUnavailable."""

    async def page(self, origin: Origin, after: str, limit: int) -> list[tuple[str, int, str]]:
        """Keys behind `after`, without the prefix, in their byte order, with size and ETag.

        Raises: BackendUnavailable.
        """

    def seal(self, bucket_id: str, secret: str) -> str:
        """The secret as it stands in the bucket's options. Blocks."""

    def close(self) -> None: ...


class Volume(Protocol):
    """The disk as a whole, as every worker sees it. Nothing here blocks but `free_bytes`."""

    def is_ready(self) -> bool: ...
    def why_not(self) -> str: ...
    def is_behind(self) -> bool:
        """Whether settle owes more than the backlog may hold."""

    def backlog_bytes(self) -> int: ...
    def free_bytes(self) -> int: ...
