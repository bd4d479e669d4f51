"""What the core asks of its backends. Bodies and rows; no S3 rule stands behind these lines.

Calls without `async` block and belong on a lane. The bench runs the blobs on a simulated disk behind the same lines.
"""

from collections.abc import Sequence
from typing import Protocol

from storage_service.app.core.changes import Change, Outcome
from storage_service.app.core.objects import (
    BlobName,
    Bucket,
    ChangeRecord,
    Found,
    Listing,
    ListQuery,
    PageQuery,
    Usage,
    Version,
)


class OpenFile(Protocol):
    """An open blob. Reads may come from any thread; `close` waits for the one in flight."""

    size: int
    location: str | None  # its path below the store's directory; None where the bytes are not there as they are

    def read(self, offset: int, size: int) -> bytes: ...
    def close(self) -> None: ...


class Staged(Protocol):
    """A body on its way to disk under a staging name. Calls may come from any thread, one after another."""

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
    def copy(self, source: BlobName, target: BlobName) -> None:
        """A link where it can be. Raises FileNotFoundError."""

    def delete(self, blob: BlobName) -> None: ...


class Catalog(Protocol):
    """The commit point: it reads the rows a change names under its lock, asks `decide`, applies the writes, groups."""

    async def commit(self, change: Change) -> Outcome: ...
    def generation(self) -> int:
        """Grows with every change to a bucket, in any process. Does not block."""

    def buckets(self) -> list[Bucket]: ...
    def find_all(self, places: Sequence[tuple[int, str]], *, bodies: bool = True) -> dict[tuple[int, str], Found]:
        """The current versions of these (bucket, key), whatever their expiry, with their journalled bodies."""

    def find_version(self, bucket: int, key: str, version_id: str) -> Found | None: ...
    def find_file(self, bucket: int, file_id: str) -> Version | None: ...
    def list_keys(self, bucket: int, query: ListQuery, now_ms: int) -> Listing: ...
    def page(self, bucket: int, query: PageQuery, now_ms: int) -> tuple[list[Version], int]: ...
    def versions(self, bucket: int, key: str, *, trash: bool = False) -> Sequence[Version]: ...
    def trash(self, bucket: int, prefix: str, after: str, limit: int) -> Sequence[Version]: ...
    def usage(self, scope: str, name: str) -> Usage: ...
    def usages(self, scope: str) -> dict[str, Usage]: ...
    def changes(self, after: int, limit: int) -> list[ChangeRecord]: ...


class Volume(Protocol):
    """The disk as a whole, as every worker sees it. Nothing here blocks but `free_bytes`."""

    def is_ready(self) -> bool: ...
    def why_not(self) -> str: ...
    def is_behind(self) -> bool:
        """Whether settle owes more than the backlog may hold."""

    def backlog_bytes(self) -> int: ...
    def free_bytes(self) -> int: ...
