"""The catalog as the core sees it: the committer for changes, the reader for everything else."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import apsw

from storage_service.app.backends import shared as words
from storage_service.app.backends.catalog.committer import DAMAGED, Committer, unavailable
from storage_service.app.backends.catalog.feed_reading import FeedReader
from storage_service.app.backends.catalog.reading import Reader
from storage_service.app.backends.catalog.upload_reading import UploadReader
from storage_service.app.backends.catalog.version_listing import VersionLister
from storage_service.app.backends.shared import Shared
from storage_service.app.core.changes import Change, Outcome
from storage_service.app.core.errors import ServiceUnavailable
from storage_service.app.core.events import Event
from storage_service.app.core.objects import (
    Bucket,
    ChangeRecord,
    Found,
    Listing,
    ListQuery,
    PageQuery,
    Part,
    Upload,
    Usage,
    Version,
    VersionListing,
    VersionQuery,
)

Result = TypeVar("Result")


class SqliteCatalog:
    """The core's `Catalog` for one worker."""

    def __init__(self, committer: Committer, reader: Reader, shared: Shared) -> None:
        self._committer = committer
        self._reader = reader
        self._unfinished = UploadReader(reader)
        self._versions = VersionLister(reader)
        self._feed = FeedReader(reader)
        self._shared = shared

    def commit(self, change: Change) -> "asyncio.Future[Outcome]":
        return self._committer.commit(change)

    def generation(self) -> int:
        return self._shared[words.BUCKETS]

    def buckets(self) -> list[Bucket]:
        return self._ask(self._reader.buckets)

    def find_all(self, places: Sequence[tuple[int, str]], *, bodies: bool = True) -> dict[tuple[int, str], Found]:
        return self._ask(self._reader.find_all, places, bodies)

    def find_version(self, bucket: int, key: str, version_id: str) -> Found | None:
        return self._ask(self._reader.find_version, bucket, key, version_id)

    def find_file(self, bucket: int, file_id: str) -> Version | None:
        return self._ask(self._reader.find_file, bucket, file_id)

    def list_keys(self, bucket: int, query: ListQuery, now_ms: int) -> Listing:
        return self._ask(self._reader.list_keys, bucket, query, now_ms)

    def list_versions(self, bucket: int, query: VersionQuery, now_ms: int) -> VersionListing:
        return self._ask(self._versions.page, bucket, query, now_ms)

    def folders(self, bucket: int, query: ListQuery, now_ms: int) -> list[str]:
        return self._ask(self._reader.folders, bucket, query, now_ms)

    def page(self, bucket: int, query: PageQuery, now_ms: int) -> tuple[list[Version], int]:
        return self._ask(self._reader.page, bucket, query, now_ms)

    def versions(self, bucket: int, key: str, *, trash: bool = False) -> Sequence[Version]:
        return self._ask(self._reader.versions, bucket, key, trash)

    def trash(self, bucket: int, prefix: str, after: str, limit: int) -> Sequence[Version]:
        return self._ask(self._reader.trash, bucket, prefix, after, limit)

    def usage(self, scope: str, name: str) -> Usage:
        return self._ask(self._reader.usage, scope, name)

    def usages(self, scope: str) -> dict[str, Usage]:
        return self._ask(self._reader.usages, scope)

    def changes(self, after: int, limit: int) -> list[ChangeRecord]:
        return self._ask(self._reader.changes, after, limit)

    def events(self, after: int, limit: int) -> list[Event]:
        return self._ask(self._feed.page, after, limit)

    def feed_end(self) -> int:
        return self._ask(self._feed.end)

    def feed_stamp(self) -> int:
        return self._shared[words.SETTLED_ROWS]

    def upload(self, upload_id: str) -> Upload | None:
        return self._ask(self._unfinished.upload, upload_id)

    def parts(self, upload_id: str, after: int, limit: int) -> Sequence[Part]:
        return self._ask(self._unfinished.parts, upload_id, after, limit)

    def uploads(self, bucket: int, prefix: str, after: tuple[str, str], limit: int) -> Sequence[Upload]:
        return self._ask(self._unfinished.uploads, bucket, prefix, after, limit)

    def open_totals(self) -> tuple[int, int]:
        return self._ask(self._unfinished.open_totals)

    def _ask(self, question: Callable[..., Result], *values: object) -> Result:
        """The reader's answer. Raises ServiceUnavailable when the catalog cannot be read, and tells the others why."""
        try:
            return question(*values)
        except DAMAGED:
            self._shared[words.VOLUME] = words.SUSPECT
            raise unavailable(self._shared) from None
        except apsw.Error as error:
            raise ServiceUnavailable(f"The catalog cannot be read: {type(error).__name__}") from None
