"""What a change does: conditions, lock, quota, versions -> writes. Pure: it reads rows and raises, and touches nothing.

A catalog calls `decide` under its lock, with the rows as they are at that moment, and applies what comes back.
"""

from dataclasses import replace
from typing import Any, Protocol, assert_never

import orjson

from storage_service.app.core import sidecar
from storage_service.app.core.changes import (
    BucketRow,
    Change,
    CopyVersion,
    CreateBucket,
    DeleteBucket,
    DeleteObject,
    Entry,
    Outcome,
    PatchObject,
    PutVersion,
    UpdateBucket,
    UseOnce,
    Writes,
)
from storage_service.app.core.errors import (
    BucketAlreadyExists,
    BucketNotEmpty,
    InvalidArgument,
    KeyAlreadyExists,
    LinkUsed,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    PreconditionFailed,
    QuotaExceeded,
    ServiceUnavailable,
)
from storage_service.app.core.objects import (
    DELETE_MARKER,
    NULL_VERSION,
    Bucket,
    Usage,
    Version,
    WriteConditions,
)


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
    def usage(self, scope: str, name: str) -> Usage: ...
    def has_objects(self, bucket: int) -> bool: ...
    def has_body(self, sequence: int) -> bool: ...
    def is_used(self, once: str) -> bool: ...


class Moment:
    """When a change is decided: wall clock, the next sequence, and how long the dead are kept (milliseconds)."""

    __slots__ = ("grace_ms", "now_ms", "sequence", "trash_ms")

    def __init__(self, now_ms: int, sequence: int, *, grace_ms: int, trash_ms: int) -> None:
        self.now_ms = now_ms
        self.sequence = sequence
        self.grace_ms = grace_ms
        self.trash_ms = trash_ms

    def next(self) -> int:
        self.sequence += 1
        return self.sequence


def decide(change: Change, rows: Rows, moment: Moment) -> Writes:
    """The writes of one change.

    Raises:
        StorageError: the change may not be made; nothing is to be written.
    """
    writes = Writes()
    match change:
        case PutVersion():
            _put(change, rows, moment, writes)
        case DeleteObject():
            _delete(change, rows, moment, writes)
        case PatchObject():
            _patch(change, rows, moment, writes)
        case CopyVersion():
            _copy(change, rows, moment, writes)
        case CreateBucket() | UpdateBucket() | DeleteBucket():
            _bucket(change, rows, moment, writes)
        case UseOnce():
            _use(change.once, change.until_ms, rows, writes)
        case _:
            assert_never(change)
    return writes


def _open_bucket(rows: Rows, number: int) -> Bucket:
    bucket = rows.bucket(number)
    if bucket is None:
        raise NoSuchBucket("The bucket was deleted")
    return bucket


def is_visible(version: Version | None, now_ms: int) -> bool:
    """Whether a reader sees it: alive, not a marker, not past its expiry."""
    return (
        version is not None
        and not version.is_marker
        and version.gone_ms is None
        and (version.expires_ms is None or version.expires_ms > now_ms)
    )


def check_conditions(conditions: WriteConditions, head: Version | None, now_ms: int) -> None:
    """Raises PreconditionFailed or KeyAlreadyExists if the current version is not as the writer expects."""
    current = head if is_visible(head, now_ms) else None
    if conditions.must_be_new and current is not None:
        raise KeyAlreadyExists(key=current.key)
    if conditions.if_match is not None and not _matches(conditions.if_match, current):
        raise PreconditionFailed("The object is not the one named by If-Match")
    if conditions.if_none_match is not None and _matches(conditions.if_none_match, current):
        raise PreconditionFailed("The object is one of those named by If-None-Match")
    if conditions.file_id is not None and (current is None or current.file_id != conditions.file_id):
        raise NoSuchKey("The file was replaced or deleted meanwhile")
    if conditions.version_id is not None and (head is None or head.version_id != conditions.version_id):
        raise PreconditionFailed("Another version is current")


def _matches(etags: tuple[str, ...], current: Version | None) -> bool:
    return current is not None and ("*" in etags or current.etag in etags)


def _put(change: PutVersion, rows: Rows, moment: Moment, writes: Writes) -> None:
    if change.once is not None:
        _use(change.once, change.once_until_ms, rows, writes)
    version = _place(change.draft, change.conditions, change.actor, rows, moment, writes)
    if change.body is not None:
        writes.bodies.append((version.sequence, change.body))


def _use(once: str, until_ms: int, rows: Rows, writes: Writes) -> None:
    if rows.is_used(once):
        raise LinkUsed("This link has been used")
    writes.once.append((once, until_ms))


def _place(  # noqa: PLR0913 (the one way a version becomes live; all of it is needed)
    draft: Version,
    conditions: WriteConditions,
    actor: str,
    rows: Rows,
    moment: Moment,
    writes: Writes,
    *,
    keep_id: bool = False,
) -> Version:
    """Make `draft` the current version of its key: the one way a version becomes live.

    The file id is the key's own, if it has one; `keep_id` takes the draft's (a file that is moved keeps its id).
    """
    bucket = _open_bucket(rows, draft.bucket)
    head = rows.head(draft.bucket, draft.key)
    check_conditions(conditions, head, moment.now_ms)
    sequence = moment.next()
    versioned = bucket.options.versioning == "on"
    version = Version(
        draft.bucket,
        draft.key,
        draft.version_id,
        draft.file_id if head is None or keep_id else head.file_id,
        draft.size,
        draft.etag,
        draft.at_ms,
        draft.mtime_ns,
        0 if versioned else NULL_VERSION,
        draft.doc,
        sequence,
        sequence,
        draft.expires_ms,
    )
    victim, delta = _retire(bucket, head, version, rows, moment, writes)
    _charge(bucket, delta.plus(Usage(1, version.size)), rows, writes)
    writes.heads.append(version)
    writes.log.append(
        Entry(
            sequence,
            version.at_ms,
            version.bucket,
            version.key,
            version.version_id,
            "put",
            actor,
            sidecar.compose(version, bucket.uuid),
            victim,
        )
    )
    writes.outcome = Outcome(version=version, created=not is_visible(head, moment.now_ms))
    return version


def _retire(
    bucket: Bucket, head: Version | None, version: Version, rows: Rows, moment: Moment, writes: Writes
) -> tuple[str | None, Usage]:
    """Make room for `version`: what was current becomes noncurrent, or dies. Returns the dead one's id and the usage."""
    victim, delta = None, Usage()
    if head is not None:
        dies = head.is_null and version.is_null
        if dies:
            writes.others.append(bury(head, version.sequence, moment))
            victim, delta = head.version_id, Usage(-1, -head.size, trash=1, trash_bytes=head.size)
        else:
            writes.others.append(head)
            delta = Usage(-1, -head.size, 1, head.size)
    if victim is None and version.is_null and bucket.options.versioning != "off":
        old = rows.null_other(version.bucket, version.key)
        if old is not None:  # the null version lies under newer ones
            writes.dropped_others.append(old)
            writes.others.append(bury(old, version.sequence, moment))
            victim, delta = old.version_id, delta.plus(_dead_other(old))
    return victim, delta


def bury(version: Version, sequence: int, moment: Moment, *, purge: bool = False) -> Version:
    """The version as a dead one: kept for the grace time, then for the trash's days unless it is purged."""
    due_ms = moment.now_ms + (moment.grace_ms if purge or version.is_marker else max(moment.grace_ms, moment.trash_ms))
    return version._replace(gone_ms=moment.now_ms, gone_sequence=sequence, due_ms=due_ms)


def _dead_other(version: Version) -> Usage:
    return Usage(noncurrent=-1, noncurrent_bytes=-version.size, trash=1, trash_bytes=version.size)


def _charge(bucket: Bucket, delta: Usage, rows: Rows, writes: Writes) -> None:
    """Add to the counters of bucket and owner; refuse what would go over the bucket's quota."""
    options = bucket.options
    name = str(bucket.id)
    if options.quota_bytes is not None or options.quota_objects is not None:
        after = rows.usage("bucket", name).plus(delta)
        for scope, of, earlier in writes.usage:  # a move has freed its source in this very change
            after = after.plus(earlier) if (scope, of) == ("bucket", name) else after
        grows = delta.bytes + delta.noncurrent_bytes > 0
        if options.quota_bytes is not None and grows and after.bytes + after.noncurrent_bytes > options.quota_bytes:
            raise QuotaExceeded(f"Bucket quota of {options.quota_bytes} bytes would be exceeded", bucket=bucket.name)
        if options.quota_objects is not None and delta.objects > 0 and after.objects > options.quota_objects:
            raise QuotaExceeded(
                f"Bucket quota of {options.quota_objects} objects would be exceeded", bucket=bucket.name
            )
    writes.usage.append(("bucket", name, delta))
    writes.usage.append(("owner", bucket.owner, delta))


def _delete(change: DeleteObject, rows: Rows, moment: Moment, writes: Writes) -> None:
    bucket = _open_bucket(rows, change.bucket)
    head = rows.head(change.bucket, change.key)
    check_conditions(change.conditions, head, moment.now_ms)
    if change.version_id is not None:
        _delete_version(change, bucket, head, rows, moment, writes)
    elif head is None and not (change.missing_ok and bucket.options.versioning != "off"):
        if not change.missing_ok:
            raise NoSuchKey(key=change.key)
        writes.outcome = Outcome()
    elif head is not None and not change.missing_ok and not is_visible(head, moment.now_ms):
        raise NoSuchKey(key=change.key)  # past its expiry: to a reader it is not there
    elif bucket.options.versioning == "off":
        assert head is not None  # noqa: S101 (the branches above leave no other case)
        _end_head(change, bucket, head, moment, writes)
    else:
        _mark(change, bucket, head, rows, moment, writes)


def _end_head(change: DeleteObject, bucket: Bucket, head: Version, moment: Moment, writes: Writes) -> None:
    sequence = moment.next()
    writes.dropped_heads.append((head.bucket, head.key))
    writes.others.append(bury(head, sequence, moment, purge=change.purge))
    _charge_nothing(bucket, Usage(-1, -head.size, trash=1, trash_bytes=head.size), writes)
    writes.log.append(_ending(change, sequence, head.version_id))
    writes.outcome = Outcome(version=head)


def _charge_nothing(bucket: Bucket, delta: Usage, writes: Writes) -> None:
    """Counters for what only shrinks or moves: no quota stands against a delete."""
    writes.usage.append(("bucket", str(bucket.id), delta))
    writes.usage.append(("owner", bucket.owner, delta))


def _ending(change: DeleteObject, sequence: int, victim: str) -> Entry:
    return Entry(sequence, change.at_ms, change.bucket, change.key, victim, "delete", change.actor, "{}", victim)


def _mark(
    change: DeleteObject, bucket: Bucket, head: Version | None, rows: Rows, moment: Moment, writes: Writes
) -> None:
    """A delete in a versioned bucket: a marker becomes the newest version, and nothing is current."""
    sequence = moment.next()
    flags = DELETE_MARKER | (NULL_VERSION if bucket.options.versioning == "suspended" else 0)
    newest = head or rows.newest_other(change.bucket, change.key)
    marker = Version(
        change.bucket,
        change.key,
        change.marker_id,
        newest.file_id if newest else change.marker_id,
        0,
        "",
        change.at_ms,
        None,
        flags,
        sidecar.MARKER_DOC,
        sequence,
        sequence,
    )
    victim, delta = _retire(bucket, head, marker, rows, moment, writes)
    if head is not None:
        writes.dropped_heads.append((head.bucket, head.key))
    writes.others.append(marker)
    _charge_nothing(bucket, delta.plus(Usage(noncurrent=1)), writes)
    doc = sidecar.compose(marker, bucket.uuid)
    writes.log.append(
        Entry(
            sequence,
            change.at_ms,
            change.bucket,
            change.key,
            marker.version_id,
            "delete",
            change.actor,
            doc,
            victim,
        )
    )
    writes.outcome = Outcome(version=marker)


def _delete_version(
    change: DeleteObject, bucket: Bucket, head: Version | None, rows: Rows, moment: Moment, writes: Writes
) -> None:
    version = rows.version(change.bucket, change.key, change.version_id or "")
    if version is None or version.gone_ms is not None:
        if change.missing_ok:
            writes.outcome = Outcome()
            return
        raise NoSuchVersion(key=change.key)
    sequence = moment.next()
    dead = bury(version, sequence, moment, purge=change.purge)
    if head is not None and head.version_id == version.version_id:
        writes.dropped_heads.append((head.bucket, head.key))
        delta = Usage(-1, -head.size, trash=1, trash_bytes=head.size)
    else:
        writes.dropped_others.append(version)
        delta = _dead_other(version)
    writes.others.append(dead)
    _charge_nothing(bucket, delta.plus(_promote(change, head, version, rows, writes)), writes)
    writes.log.append(_ending(change, sequence, version.version_id))
    writes.outcome = Outcome(version=version)


def _promote(change: DeleteObject, head: Version | None, ended: Version, rows: Rows, writes: Writes) -> Usage:
    """If the newest version was ended, the one below it becomes current, unless it is a marker."""
    if head is not None and head.version_id != ended.version_id:
        return Usage()
    heir = rows.newest_other(change.bucket, change.key, besides=ended.version_id)
    if heir is None or heir.is_marker or heir.sequence > ended.sequence:
        return Usage()
    writes.dropped_others.append(heir)
    writes.heads.append(heir)
    return Usage(1, heir.size, -1, -heir.size)


def _patch(change: PatchObject, rows: Rows, moment: Moment, writes: Writes) -> None:
    bucket = _open_bucket(rows, change.bucket)
    head = rows.head(change.bucket, change.key)
    check_conditions(change.conditions, head, moment.now_ms)
    version = head if change.version_id is None else rows.version(change.bucket, change.key, change.version_id)
    if version is None or not is_visible(version, moment.now_ms):
        raise NoSuchKey(key=change.key) if change.version_id is None else NoSuchVersion(key=change.key)
    sequence = moment.next()
    changed = version._replace(
        doc=_patched_doc(version.doc, change),
        meta_sequence=sequence,
        expires_ms=change.fields.get("expires_ms", version.expires_ms),
    )
    if head is not None and head.version_id == version.version_id:
        writes.heads.append(changed)
    else:
        writes.dropped_others.append(version)
        writes.others.append(changed)
    text = sidecar.compose(changed, bucket.uuid)
    writes.log.append(
        Entry(
            sequence,
            change.at_ms,
            change.bucket,
            change.key,
            changed.version_id,
            "meta",
            change.actor,
            text,
        )
    )
    writes.outcome = Outcome(version=changed)


def _patched_doc(text: str, change: PatchObject) -> str:
    doc: dict[str, Any] = orjson.loads(text)
    fields = {name: value for name, value in change.fields.items() if name != "expires_ms"}
    if change.merge and "metadata" in fields:  # RFC 7396: null takes a name out
        merged = {**doc.get("metadata", {}), **fields["metadata"]}
        fields["metadata"] = {name: value for name, value in merged.items() if value is not None}
    doc.update(fields)
    return orjson.dumps({name: value for name, value in doc.items() if value not in (None, {}, "")}).decode()


def _copy(change: CopyVersion, rows: Rows, moment: Moment, writes: Writes) -> None:
    seen = change.source
    source = rows.version(seen.bucket, seen.key, seen.version_id)
    if source is None:
        raise NoSuchKey("The source was deleted meanwhile", key=seen.key)
    in_journal = rows.has_body(source.sequence)
    if not change.linked and not in_journal:
        raise SourceSettled
    if change.move:
        _check_movable(change, rows)
        _end_source(change, rows, moment, writes)
    version = _place(change.draft, change.conditions, change.actor, rows, moment, writes, keep_id=change.move)
    if in_journal and not change.linked:
        writes.body_copies.append((source.sequence, version.sequence))


class SourceSettled(ServiceUnavailable):
    """The source's body left the journal between look-up and commit: link its blob and ask again."""


class BucketLeaving(ServiceUnavailable):
    """A deleted bucket's directory has not been put away yet: ask again shortly."""


def _check_movable(change: CopyVersion, rows: Rows) -> None:
    seen, draft = change.source, change.draft
    if (seen.bucket, seen.key) == (draft.bucket, draft.key):
        raise InvalidArgument("An object cannot be moved onto itself", key=seen.key)
    head = rows.head(seen.bucket, seen.key)
    if head is None or head.version_id != seen.version_id:
        raise PreconditionFailed("The source was overwritten meanwhile", key=seen.key)


def _end_source(change: CopyVersion, rows: Rows, moment: Moment, writes: Writes) -> None:
    seen, draft = change.source, change.draft
    ending = DeleteObject(
        seen.bucket, seen.key, change.actor, draft.at_ms, marker_id=sidecar_marker_id(draft.version_id)
    )
    _delete(ending, rows, moment, writes)


def sidecar_marker_id(version_id: str) -> str:
    """The id of the marker that a move leaves: the new version's with its last digit turned, so ids stay pure."""
    return version_id[:-1] + format(int(version_id[-1], 16) ^ 1, "x")


def _bucket(change: CreateBucket | UpdateBucket | DeleteBucket, rows: Rows, moment: Moment, writes: Writes) -> None:
    if isinstance(change, CreateBucket):
        if rows.bucket_named(change.name) is not None:
            raise BucketAlreadyExists(f"Bucket '{change.name}' already exists", bucket=change.name)
        if rows.is_leaving(change.name):
            raise BucketLeaving("A deleted bucket of this name is still being put away", bucket=change.name)
        made = Bucket(
            rows.next_bucket(), change.uuid, change.name, change.owner, 1, change.at_ms, change.at_ms, change.options
        )
        return _log_bucket(BucketRow(made), change.actor, change.at_ms, moment, writes)
    bucket = _open_bucket(rows, change.bucket)
    if isinstance(change, UpdateBucket):
        _check_versioning(bucket, change.options)
        options = replace(bucket.options, **change.options)
        after = replace(bucket, options=options, generation=bucket.generation + 1, updated_ms=change.at_ms)
        return _log_bucket(BucketRow(after), change.actor, change.at_ms, moment, writes)
    if not change.force and rows.has_objects(bucket.id):
        raise BucketNotEmpty("Cannot delete non-empty bucket", bucket=bucket.name)
    used = rows.usage("bucket", str(bucket.id))
    freed = Usage(*(-count for count in used[:5]), used.objects + used.noncurrent, used.bytes + used.noncurrent_bytes)
    _charge_nothing(bucket, freed, writes)
    return _log_bucket(
        BucketRow(replace(bucket, generation=bucket.generation + 1, updated_ms=change.at_ms), closed=True),
        change.actor,
        change.at_ms,
        moment,
        writes,
    )


def _check_versioning(bucket: Bucket, options: Any) -> None:
    wanted = options.get("versioning")
    if wanted == "off" and bucket.options.versioning != "off":
        raise InvalidArgument("Versioning cannot be turned off once it was on; suspend it", bucket=bucket.name)


def _log_bucket(row: BucketRow, actor: str, at_ms: int, moment: Moment, writes: Writes) -> None:
    sequence = moment.next()
    op = "bucket-delete" if row.closed else "bucket-put"
    doc = sidecar.render_bucket(row.bucket, sequence, at_ms if row.closed else None)
    writes.buckets.append(row)
    writes.log.append(Entry(sequence, at_ms, row.bucket.id, None, None, op, actor, doc))
    writes.outcome = Outcome(bucket=row.bucket)
