"""What listeners are told: one event for each settled change, in the order of the change feed. Pure."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import orjson

from storage_service.app.core.objects import Bucket, Version

EventKind = Literal[
    "object.created",
    "object.updated",
    "object.deleted",
    "object.restored",
    "object.expired",
    "bucket.created",
    "bucket.updated",
    "bucket.deleted",
]
EXPIRY = "expiry"  # the actor of what ends by its own time


class FeedRow(NamedTuple):
    """A settled row of the journal. `bucket` is the bucket's row, deleted or not; None where even that is gone."""

    sequence: int
    at_ms: int
    bucket: Bucket | None
    key: str | None
    version_id: str | None
    op: str
    actor: str
    victim: str | None


class Circumstances(NamedTuple):
    """What the catalog still knows about a change to a key. `version`: the one it names; `head`: the key's now;
    `before`: the newest version older than it; `source`: what it was copied from."""

    version: Version | None = None
    head: Version | None = None
    before: Version | None = None
    source: Version | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One change. The fields of a version are None for buckets, and where that version has been removed since."""

    sequence: int
    at_ms: int
    kind: EventKind
    bucket: int
    bucket_name: str
    bucket_uuid: str
    bucket_owner: str
    key: str | None = None
    version_id: str | None = None
    file_id: str | None = None
    size: int | None = None
    etag: str | None = None
    content_type: str | None = None
    owner: str | None = None


def event_of(change: FeedRow, around: Circumstances) -> Event:
    """The change as listeners are told of it."""
    bucket = change.bucket
    version = around.version
    shown = None if version is None or version.is_marker else version
    doc = {} if shown is None else orjson.loads(shown.doc)
    return Event(
        change.sequence,
        change.at_ms,
        bucket_kind(change) if change.key is None else object_kind(change, around),
        0 if bucket is None else bucket.id,
        "" if bucket is None else bucket.name,
        "" if bucket is None else bucket.uuid,
        "" if bucket is None else bucket.owner,
        change.key,
        change.version_id,
        None if version is None else version.file_id,
        None if shown is None else shown.size,
        None if shown is None else shown.etag,
        doc.get("content_type"),
        doc.get("owner"),
    )


def bucket_kind(change: FeedRow) -> EventKind:
    """A bucket's first row in the journal bears the instant of its creation."""
    if change.op == "bucket-delete":
        return "bucket.deleted"
    bucket = change.bucket
    return "bucket.created" if bucket is not None and bucket.created_ms == change.at_ms else "bucket.updated"


def object_kind(change: FeedRow, around: Circumstances) -> EventKind:
    """What a reader of the key sees happen, as far as the catalog still knows."""
    if change.op == "delete":
        return _end_kind(change, around)
    if change.op == "put" and not _was_there(change, around.before):
        source = around.source
        is_back = source is not None and (source.bucket, source.key) == (_number(change), change.key)
        return "object.restored" if is_back else "object.created"
    return "object.updated"


def _end_kind(change: FeedRow, around: Circumstances) -> EventKind:
    """A version that was ended by its id leaves what lies below it; a marker that was ended brings that back."""
    head, version = around.head, around.version
    if change.actor == EXPIRY:
        return "object.expired"
    is_new = version is not None and version.sequence == change.sequence  # a marker that this change made
    if is_new or head is None or head.sequence > change.sequence:
        return "object.deleted"
    return "object.restored" if version is not None and version.is_marker else "object.updated"


def _was_there(change: FeedRow, before: Version | None) -> bool:
    """Whether the key had a current version when the change was made. One that a put ended at once is its victim."""
    if change.victim is not None:
        return True
    if before is None or before.is_marker:
        return False
    return before.gone_sequence is None or before.gone_sequence >= change.sequence


def _number(change: FeedRow) -> int | None:
    return None if change.bucket is None else change.bucket.id
