"""What every change is decided with: the rows it may read, the moment, its writes so far, and the rules all share."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from storage_service.app.core.changes import Entry, Writes
from storage_service.app.core.errors import (
    KeyAlreadyExists,
    NoSuchBucket,
    NoSuchKey,
    NothingToMatch,
    PreconditionFailed,
    QuotaExceeded,
)
from storage_service.app.core.objects import Bucket, Part, Upload, Usage, Version, WriteConditions


class Rows(Protocol):
    """What a change may read, as it is under the catalog's lock."""

    def bucket(self, number: int) -> Bucket | None: ...
    def bucket_named(self, name: str) -> Bucket | None: ...
    def is_leaving(self, name: str) -> bool:
        """Whether a deleted bucket of this name still has its directory."""

    def next_bucket(self) -> int: ...
    def head(self, bucket: int, key: str) -> Version | None: ...
    def version(self, bucket: int, key: str, version_id: str) -> Version | None: ...
    def newest_other(self, bucket: int, key: str, besides: str = "") -> Version | None:
        """The newest living version that is not the head, `besides` left out."""

    def null_other(self, bucket: int, key: str) -> Version | None: ...
    def file_place(self, file_id: str) -> tuple[int, str] | None:
        """Bucket and key of the current version with this file id."""

    def usage(self, scope: str, name: str) -> Usage: ...
    def has_objects(self, bucket: int) -> bool: ...
    def has_body(self, sequence: int) -> bool: ...
    def is_used(self, once: str) -> bool: ...
    def upload(self, upload_id: str) -> Upload | None: ...
    def part(self, upload_id: str, number: int) -> Part | None: ...


class Keeping(NamedTuple):
    """How long the dead are kept, in milliseconds: all for the grace time, what can be brought back for the trash's."""

    grace_ms: int
    trash_ms: int

    @property
    def longest_ms(self) -> int:
        return max(self)


class Moment:
    """When a change is decided: wall clock in milliseconds, the last sequence given, and how long the dead are kept."""

    __slots__ = ("keeping", "now_ms", "sequence")

    def __init__(self, now_ms: int, sequence: int, keeping: Keeping) -> None:
        self.now_ms = now_ms
        self.sequence = sequence
        self.keeping = keeping

    def next(self) -> int:
        self.sequence += 1
        return self.sequence


@dataclass(slots=True)
class Decision:
    """One change on its way."""

    rows: Rows
    moment: Moment
    writes: Writes = field(default_factory=Writes)

    def open_bucket(self, number: int) -> Bucket:
        """Raises NoSuchBucket."""
        bucket = self.rows.bucket(number)
        if bucket is None:
            raise NoSuchBucket("The bucket was deleted")
        return bucket

    def log(self, version: Version, op: str, actor: str, doc: str, *, at: tuple[int, int], victim: str | None) -> None:
        """A journal row about a version; `at` is (sequence, milliseconds)."""
        sequence, at_ms = at
        self.writes.log.append(
            Entry(sequence, at_ms, version.bucket, version.key, version.version_id, op, actor, doc, victim)
        )

    def bury(self, version: Version, sequence: int, *, purge: bool = False) -> Version:
        """The version as a dead one: kept for the grace time, then for the trash's days unless it is purged."""
        now_ms, keeping = self.moment.now_ms, self.moment.keeping
        kept_ms = keeping.grace_ms if purge or version.is_marker else keeping.longest_ms
        return version._replace(gone_ms=now_ms, gone_sequence=sequence, due_ms=now_ms + kept_ms)

    def count(self, bucket: Bucket, delta: Usage) -> None:
        """Add to the counters of bucket and owner. No quota stands against what only shrinks or moves."""
        self.writes.usage.append(("bucket", str(bucket.id), delta))
        self.writes.usage.append(("owner", bucket.owner, delta))

    def charge(self, bucket: Bucket, delta: Usage) -> None:
        """The same for what grows. Raises QuotaExceeded if it would go over the bucket's quota."""
        options = bucket.options
        if options.quota_bytes is not None or options.quota_objects is not None:
            name, whole = str(bucket.id), delta
            for scope, of, earlier in self.writes.usage:  # a move has freed its source in this very change
                whole = whole.plus(earlier) if (scope, of) == ("bucket", name) else whole
            _check_quota(bucket, whole, self.rows.usage("bucket", name).plus(whole))
        self.count(bucket, delta)


def _check_quota(bucket: Bucket, delta: Usage, after: Usage) -> None:
    most_bytes, most_objects = bucket.options.quota_bytes, bucket.options.quota_objects
    grows = delta.bytes + delta.noncurrent_bytes > 0
    if most_bytes is not None and grows and after.bytes + after.noncurrent_bytes > most_bytes:
        raise QuotaExceeded(f"Bucket quota of {most_bytes} bytes would be exceeded", bucket=bucket.name)
    if most_objects is not None and delta.objects > 0 and after.objects > most_objects:
        raise QuotaExceeded(f"Bucket quota of {most_objects} objects would be exceeded", bucket=bucket.name)


def own_file_id(version_id: str, sequence: int) -> str:
    """A file id for a version whose own is borne by another file. With the sequence in it nobody can have it yet."""
    return f"{version_id[:24]}{sequence:012x}"


def dead_other(version: Version) -> Usage:
    """What changes when a noncurrent version or a marker dies. The trash counts every dead row, markers too."""
    return Usage(noncurrent=-1, noncurrent_bytes=-version.size, trash=1, trash_bytes=version.size)


def is_visible(version: Version | None, now_ms: int) -> bool:
    """Whether a reader sees it: alive, not a marker, not past its expiry."""
    return (
        version is not None
        and not version.is_marker
        and version.gone_ms is None
        and (version.expires_ms is None or version.expires_ms > now_ms)
    )


def check_conditions(
    conditions: WriteConditions, head: Version | None, now_ms: int, named: Version | None = None
) -> None:
    """Raises PreconditionFailed or KeyAlreadyExists if the current version is not as the writer expects. ETags speak of
    the version that is `named`, where one is."""
    current = head if is_visible(head, now_ms) else None
    meant = current if named is None else named if is_visible(named, now_ms) else None
    if conditions.must_be_new and current is not None:
        raise KeyAlreadyExists(key=current.key)
    if conditions.if_match is not None and meant is None:
        raise NothingToMatch("There is no object that If-Match could name")
    if conditions.if_match is not None and not _matches(conditions.if_match, meant):
        raise PreconditionFailed("The object is not the one named by If-Match")
    if conditions.if_none_match is not None and _matches(conditions.if_none_match, meant):
        raise PreconditionFailed("The object is one of those named by If-None-Match")
    if conditions.at_second is not None and (meant is None or meant.at_ms // 1000 != conditions.at_second):
        raise PreconditionFailed("The object was written at another time")
    if conditions.size is not None and (meant is None or meant.size != conditions.size):
        raise PreconditionFailed("The object has another size")
    if conditions.file_id is not None and (current is None or current.file_id != conditions.file_id):
        raise NoSuchKey("The file was replaced or deleted meanwhile")
    if conditions.version_id is not None and (head is None or head.version_id != conditions.version_id):
        raise PreconditionFailed("Another version is current")


def _matches(etags: tuple[str, ...], version: Version | None) -> bool:
    return version is not None and ("*" in etags or version.etag in etags)
