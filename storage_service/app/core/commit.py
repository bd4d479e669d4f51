"""What a change does: conditions, lock, quota, versions -> writes. Pure: it reads rows and raises, and touches nothing.

A catalog calls `decide` under its lock, with the rows as they are at that moment, and applies what comes back.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from storage_service.app.core import locking, sidecar
from storage_service.app.core.changes import (
    BucketRow,
    Change,
    CompleteUpload,
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
from storage_service.app.core.decision import Decision, Moment, Rows, check_conditions, is_visible
from storage_service.app.core.ending import delete, retire
from storage_service.app.core.errors import (
    BucketAlreadyExists,
    BucketNotEmpty,
    InvalidArgument,
    InvalidRequest,
    NoSuchKey,
    NoSuchVersion,
    PreconditionFailed,
    ServiceUnavailable,
    StorageError,
)
from storage_service.app.core.objects import NULL_VERSION, TAKEN_MS, Bucket, Usage, Version, WriteConditions
from storage_service.app.core.unfinished import change_upload, open_upload, use_once


class SourceSettled(ServiceUnavailable):
    """The source's body left the journal between look-up and commit: link its blob and ask again."""


class UploadChanged(ServiceUnavailable):
    """A part was put between the look-up and the commit of a completion: gather the parts again."""


class BucketLeaving(ServiceUnavailable):
    """A deleted bucket's directory has not been put away yet: ask again shortly."""


def is_undone(error: BaseException | None) -> bool:
    """Whether a commit that ended with this is known to have changed nothing: what was made for it may go. Of a failed
    COMMIT that is not known, and a row may name it after the next start."""
    return isinstance(error, StorageError) and not isinstance(error, ServiceUnavailable)


def decide(change: Change, rows: Rows, moment: Moment) -> Writes:
    """The writes of one change.

    Raises:
        StorageError: the change may not be made; nothing is to be written.
    """
    decision = Decision(rows, moment)
    match change:
        case PutVersion():
            _put(change, decision)
        case DeleteObject():
            delete(change, decision)
        case PatchObject():
            _patch(change, decision)
        case CopyVersion():
            _copy(change, decision)
        case CreateBucket():
            _create(change, decision)
        case UpdateBucket():
            _update(change, decision)
        case DeleteBucket():
            _close(change, decision)
        case UseOnce():
            use_once(change.once, change.until_ms, decision)
        case CompleteUpload():
            _complete(change, decision)
        case _:  # mypy holds that nothing else is left
            change_upload(change, decision)
    return decision.writes


# A new version ----------------------------------------------------------------------------------------------------


def _put(change: PutVersion, decision: Decision) -> None:
    if change.once is not None:
        use_once(change.once, change.once_until_ms, decision)
    draft = _with_free_id(change.draft, decision) if change.promised else change.draft
    version = _place(draft, change.conditions, change.actor, decision)
    if change.body is not None:
        decision.writes.bodies.append((version.sequence, change.body))


def _with_free_id(draft: Version, decision: Decision) -> Version:
    """The draft; with an id of its own if a file elsewhere bears the one it was to have."""
    taken = decision.rows.file_place(draft.file_id) not in {None, (draft.bucket, draft.key)}
    return draft._replace(file_id=draft.version_id) if taken else draft


def _place(
    draft: Version,
    conditions: WriteConditions,
    actor: str,
    decision: Decision,
    *,
    moved: bool = False,
    sequence: int | None = None,
) -> Version:
    """Make `draft` the current version of its key: the one way a version becomes live.

    The file id is the key's own, if it has one; one that was `moved` keeps the draft's. `sequence`: drawn already.
    """
    bucket = decision.open_bucket(draft.bucket)
    head = decision.rows.head(draft.bucket, draft.key)
    check_conditions(conditions, head, decision.moment.now_ms)
    if conditions.never_here and (head or decision.rows.newest_other(draft.bucket, draft.key)):
        raise PreconditionFailed("The key was written or deleted meanwhile", key=draft.key)
    sequence = sequence or decision.moment.next()
    version = Version(
        draft.bucket,
        draft.key,
        draft.version_id,
        draft.file_id if head is None or moved else head.file_id,
        draft.size,
        draft.etag,
        draft.at_ms,
        draft.mtime_ns,
        0 if bucket.options.versioning == "on" else NULL_VERSION,
        locking.with_default(draft.doc, bucket, draft.at_ms),
        sequence,
        sequence,
        draft.expires_ms,
    )
    victim, delta = retire(bucket, head, version, decision)
    decision.charge(bucket, delta.plus(Usage(1, version.size)))
    decision.writes.heads.append(version)
    at = (sequence, version.at_ms)
    decision.log(version, "put", actor, sidecar.compose(version, bucket.uuid), at=at, victim=victim)
    decision.writes.outcome = Outcome(version=version, created=not is_visible(head, decision.moment.now_ms))
    return version


def _complete(change: CompleteUpload, decision: Decision) -> None:
    """The upload becomes its key's current version. What it counted as an upload is free first."""
    draft = change.draft
    bucket = decision.open_bucket(draft.bucket)
    upload = open_upload(change.upload, draft.bucket, decision)
    if upload.stamp != change.stamp:
        raise UploadChanged("A part was uploaded meanwhile")
    decision.count(bucket, Usage(upload_bytes=-upload.size))
    if change.promised:
        draft = _with_free_id(draft, decision)
    version = _place(draft, change.conditions, change.actor, decision)
    result = {"etag": version.etag, "size": version.size, "flags": version.flags, "at_ms": version.at_ms}
    done = upload._replace(phase="done", size=version.size, ended_ms=decision.moment.now_ms)
    decision.writes.uploads.append(done._replace(result=orjson.dumps(result).decode()))


# Copy and move ----------------------------------------------------------------------------------------------------


def _copy(change: CopyVersion, decision: Decision) -> None:
    seen = change.source
    source = decision.rows.version(seen.bucket, seen.key, seen.version_id)
    if source is None or source.is_marker or source.due_ms == TAKEN_MS:
        raise NoSuchKey("The source was deleted meanwhile", key=seen.key)
    in_journal = decision.rows.has_body(source.sequence)
    if not change.linked and not in_journal:
        raise SourceSettled
    if change.move:
        version = _move(change, decision)
    else:
        version = _place(_copied(change, decision), change.conditions, change.actor, decision)
    if in_journal:  # also where a link is there: its bytes are not synced before the source is settled
        decision.writes.body_copies.append((source.sequence, version.sequence))


def _copied(change: CopyVersion, decision: Decision) -> Version:
    """The draft of a copy. A version brought back under its key is the same file still, unless another bears its id."""
    seen, draft = change.source, change.draft
    if (seen.bucket, seen.key) == (draft.bucket, draft.key):
        draft = draft._replace(file_id=seen.file_id)
    return _with_free_id(draft, decision)


def _move(change: CopyVersion, decision: Decision) -> Version:
    """The source ends first, so that its room is free; but it is settled last: half a move is two files, never none."""
    _check_movable(change, decision)
    seen, draft = change.source, change.draft
    sequence = decision.moment.next()
    marker_id = turned(draft.version_id)
    delete(DeleteObject(seen.bucket, seen.key, change.actor, draft.at_ms, marker_id=marker_id), decision)
    version = _place(draft, change.conditions, change.actor, decision, moved=True, sequence=sequence)
    decision.writes.log.sort(key=lambda entry: entry.sequence)
    return version


def _check_movable(change: CopyVersion, decision: Decision) -> None:
    seen, draft = change.source, change.draft
    if (seen.bucket, seen.key) == (draft.bucket, draft.key):
        raise InvalidArgument("An object cannot be moved onto itself", key=seen.key)
    head = decision.rows.head(seen.bucket, seen.key)
    if head is None or head.version_id != seen.version_id:
        raise PreconditionFailed("The source was overwritten meanwhile", key=seen.key)


def turned(version_id: str) -> str:
    """The id of the marker that a move leaves: the new version's with its last digit turned, so that ids stay pure."""
    return version_id[:-1] + format(int(version_id[-1], 16) ^ 1, "x")


# Metadata ---------------------------------------------------------------------------------------------------------


def _patch(change: PatchObject, decision: Decision) -> None:
    bucket, now_ms = decision.open_bucket(change.bucket), decision.moment.now_ms
    head = decision.rows.head(change.bucket, change.key)
    version = head
    if change.version_id is not None:
        version = decision.rows.version(change.bucket, change.key, change.version_id)
        if version is None or not is_visible(version, now_ms):
            raise NoSuchVersion(key=change.key)
    check_conditions(change.conditions, head, now_ms, version)
    if version is None or not is_visible(version, now_ms):
        raise NoSuchKey(key=change.key)
    fields = _unlocked_fields(change, version, bucket, now_ms)
    sequence = decision.moment.next()
    changed = version._replace(
        doc=_patched_doc(version.doc, change._replace(fields=fields)),
        meta_sequence=sequence,
        expires_ms=change.fields.get("expires_ms", version.expires_ms),
    )
    if head is not None and head.version_id == version.version_id:
        decision.writes.heads.append(changed)
    else:
        decision.writes.dropped_others.append(version)
        decision.writes.others.append(changed)
    at = (sequence, change.at_ms)
    decision.log(changed, "meta", change.actor, sidecar.compose(changed, bucket.uuid), at=at, victim=None)
    decision.writes.outcome = Outcome(version=changed)


def _unlocked_fields(change: PatchObject, version: Version, bucket: Bucket, now_ms: int) -> Mapping[str, Any]:
    """What is to change, with the whole lock if that is. Raises ObjectLocked, InvalidRequest."""
    fields = change.fields
    if fields.keys() - locking.OPEN_FIELDS:
        locking.check_removable(version, now_ms)
    if "lock" not in fields:
        return fields
    if not locking.is_locking(bucket):
        raise InvalidRequest("Bucket is missing Object Lock Configuration", bucket=bucket.name)
    return {**fields, "lock": locking.changed_lock(version, fields["lock"], now_ms, bypass=change.bypass)}


def _patched_doc(text: str, change: PatchObject) -> str:
    doc: dict[str, Any] = orjson.loads(text)
    fields = {name: value for name, value in change.fields.items() if name != "expires_ms"}
    if change.merge and "metadata" in fields:  # RFC 7396: null takes a name out
        merged = {**doc.get("metadata", {}), **fields["metadata"]}
        fields["metadata"] = {name: value for name, value in merged.items() if value is not None}
    doc.update(fields)
    return orjson.dumps({name: value for name, value in doc.items() if value not in (None, {}, "")}).decode()


# Buckets ----------------------------------------------------------------------------------------------------------


def _create(change: CreateBucket, decision: Decision) -> None:
    rows = decision.rows
    if rows.bucket_named(change.name) is not None:
        raise BucketAlreadyExists(f"Bucket '{change.name}' already exists", bucket=change.name)
    if rows.is_leaving(change.name):
        raise BucketLeaving("A deleted bucket of this name is still being put away", bucket=change.name)
    locking.check_options(None, change.options, change.name)
    number, at_ms = rows.next_bucket(), change.at_ms
    made = Bucket(number, change.uuid, change.name, change.owner, 1, at_ms, at_ms, change.options)
    _write_bucket(BucketRow(made), change.actor, at_ms, decision)


def _update(change: UpdateBucket, decision: Decision) -> None:
    bucket = decision.open_bucket(change.bucket)
    if change.options.get("versioning") == "off" and bucket.options.versioning != "off":
        raise InvalidArgument("Versioning cannot be turned off once it was on; suspend it", bucket=bucket.name)
    options = replace(bucket.options, **_merged(bucket, change.options))
    locking.check_options(bucket.options, options, bucket.name)
    after = replace(bucket, options=options, generation=bucket.generation + 1, updated_ms=change.at_ms)
    _write_bucket(BucketRow(after), change.actor, change.at_ms, decision)


def _merged(bucket: Bucket, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options with `config` merged by name into what the bucket has; None takes a name out."""
    if "config" not in options:
        return options
    config = {**bucket.options.config, **options["config"]}
    return {**options, "config": {name: value for name, value in config.items() if value is not None}}


def _close(change: DeleteBucket, decision: Decision) -> None:
    """All it holds counts as trash from now on; the rows stay as they are and go with the bucket."""
    bucket = decision.open_bucket(change.bucket)
    if (not change.force or locking.is_locking(bucket)) and decision.rows.has_objects(bucket.id):
        raise BucketNotEmpty("Cannot delete non-empty bucket", bucket=bucket.name)
    used = decision.rows.usage("bucket", str(bucket.id))
    decision.count(
        bucket,
        Usage(
            -used.objects,
            -used.bytes,
            -used.noncurrent,
            -used.noncurrent_bytes,
            -used.upload_bytes,
            trash=used.objects + used.noncurrent,
            trash_bytes=used.bytes + used.noncurrent_bytes,
        ),
    )
    after = replace(bucket, generation=bucket.generation + 1, updated_ms=change.at_ms)
    _write_bucket(BucketRow(after, closed=True), change.actor, change.at_ms, decision)


def _write_bucket(row: BucketRow, actor: str, at_ms: int, decision: Decision) -> None:
    sequence = decision.moment.next()
    op = "bucket-delete" if row.closed else "bucket-put"
    doc = sidecar.render_bucket(row.bucket, sequence, at_ms if row.closed else None)
    decision.writes.buckets.append(row)
    decision.writes.log.append(Entry(sequence, at_ms, row.bucket.id, None, None, op, actor, doc))
    decision.writes.outcome = Outcome(bucket=row.bucket)
