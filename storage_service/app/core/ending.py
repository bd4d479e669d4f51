"""What a delete does: a key's end, the end of one version, a marker. Part of `commit.decide`; pure."""

from storage_service.app.core import locking, sidecar
from storage_service.app.core.changes import DeleteObject, Outcome
from storage_service.app.core.decision import Decision, check_conditions, dead_other, is_visible, own_file_id
from storage_service.app.core.errors import NoSuchKey, NoSuchVersion
from storage_service.app.core.objects import DELETE_MARKER, NULL_VERSION, Bucket, Usage, Version
from storage_service.app.core.origins import remembers_deletes

NOTHING = "{}"  # the journal's document of an end that has no sidecar of its own


def delete(change: DeleteObject, decision: Decision) -> None:
    """Raises NoSuchBucket, NoSuchKey, NoSuchVersion, PreconditionFailed, ObjectLocked."""
    bucket = decision.open_bucket(change.bucket)
    head = decision.rows.head(change.bucket, change.key)
    if change.version_id is not None:
        _delete_version(change, change.version_id, bucket, head, decision)
        return
    check_conditions(change.conditions, head, decision.moment.now_ms)
    if not change.missing_ok and not is_visible(head, decision.moment.now_ms):
        raise NoSuchKey(key=change.key)  # past its expiry: to a reader it is not there
    if bucket.options.versioning != "off" or remembers_deletes(bucket):
        _mark(change, bucket, head, decision)
    elif head is not None:
        _end_head(change, bucket, head, decision)
    else:
        decision.writes.outcome = Outcome()


def _end_head(change: DeleteObject, bucket: Bucket, head: Version, decision: Decision) -> None:
    locking.check_removable(head, decision.moment.now_ms, bypass=change.bypass)
    sequence = decision.moment.next()
    decision.writes.dropped_heads.append((head.bucket, head.key))
    decision.writes.others.append(decision.bury(head, sequence, purge=change.purge))
    decision.count(bucket, Usage(-1, -head.size, trash=1, trash_bytes=head.size))
    _log_end(change, sequence, head, decision)


def _log_end(change: DeleteObject, sequence: int, ended: Version, decision: Decision) -> None:
    at = (sequence, change.at_ms)
    decision.log(ended, "delete", change.actor, NOTHING, at=at, victim=ended.version_id)
    decision.writes.outcome = Outcome(version=ended)


def _mark(change: DeleteObject, bucket: Bucket, head: Version | None, decision: Decision) -> None:
    """A delete in a versioned bucket: a marker becomes the newest version, and nothing is current."""
    sequence = decision.moment.next()
    newest = head or decision.rows.newest_other(change.bucket, change.key)
    marker = Version(
        change.bucket,
        change.key,
        change.marker_id,
        newest.file_id if newest else change.marker_id,
        0,
        "",
        change.at_ms,
        None,
        DELETE_MARKER | (0 if bucket.options.versioning == "on" else NULL_VERSION),
        sidecar.MARKER_DOC,
        sequence,
        sequence,
    )
    victim, delta = retire(bucket, head, marker, decision, purge=change.purge and bucket.options.versioning == "off")
    if head is not None:
        decision.writes.dropped_heads.append((head.bucket, head.key))
    decision.writes.others.append(marker)
    decision.count(bucket, delta.plus(Usage(noncurrent=1)))
    at = (sequence, change.at_ms)
    decision.log(marker, "delete", change.actor, sidecar.compose(marker, bucket.uuid), at=at, victim=victim)
    decision.writes.outcome = Outcome(version=marker)


def retire(
    bucket: Bucket, head: Version | None, version: Version, decision: Decision, *, purge: bool = False
) -> tuple[str | None, Usage]:
    """Make room for `version`: what was current becomes noncurrent, or dies. The dead one's id and the usage."""
    writes = decision.writes
    victim, delta = None, Usage()
    if head is not None and head.is_null and version.is_null:
        writes.others.append(decision.bury(head, version.sequence, purge=purge))
        return head.version_id, Usage(-1, -head.size, trash=1, trash_bytes=head.size)
    if head is not None:
        writes.others.append(head)
        delta = Usage(-1, -head.size, 1, head.size)
    if version.is_null and (bucket.options.versioning != "off" or remembers_deletes(bucket)):
        old = decision.rows.null_other(version.bucket, version.key)
        if old is not None:  # the null version lies under newer ones
            writes.dropped_others.append(old)
            writes.others.append(decision.bury(old, version.sequence))
            victim, delta = old.version_id, delta.plus(dead_other(old))
    return victim, delta


def _delete_version(
    change: DeleteObject, version_id: str, bucket: Bucket, head: Version | None, decision: Decision
) -> None:
    version = decision.rows.version(change.bucket, change.key, version_id)
    if version is None or version.gone_ms is not None:
        if not change.missing_ok:
            raise NoSuchVersion(key=change.key)
        decision.writes.outcome = Outcome()
        return
    check_conditions(change.conditions, head, decision.moment.now_ms, version)
    locking.check_removable(version, decision.moment.now_ms, bypass=change.bypass)
    sequence = decision.moment.next()
    is_head = head is not None and head.version_id == version.version_id
    if is_head:
        decision.writes.dropped_heads.append((version.bucket, version.key))
        delta = Usage(-1, -version.size, trash=1, trash_bytes=version.size)
    else:
        decision.writes.dropped_others.append(version)
        delta = dead_other(version)
    decision.writes.others.append(decision.bury(version, sequence, purge=change.purge))
    _log_end(change, sequence, version, decision)
    if is_head or head is None:
        delta = delta.plus(_promote(change, bucket, version, decision))
    if is_head and remembers_deletes(bucket) and not decision.writes.heads:
        delta = delta.plus(_remember(change, bucket, version, decision))
    decision.count(bucket, delta)


def _remember(change: DeleteObject, bucket: Bucket, ended: Version, decision: Decision) -> Usage:
    """A marker where the key's last version was ended: else its origin would bring it back."""
    sequence = decision.moment.next()
    flags = DELETE_MARKER | (0 if bucket.options.versioning == "on" else NULL_VERSION)
    marker = ended._replace(
        version_id=change.marker_id,
        size=0,
        etag="",
        at_ms=change.at_ms,
        mtime_ns=None,
        flags=flags,
        doc=sidecar.MARKER_DOC,
        sequence=sequence,
        meta_sequence=sequence,
        expires_ms=None,
    )
    decision.writes.others.append(marker)
    at = (sequence, change.at_ms)
    decision.log(marker, "delete", change.actor, sidecar.compose(marker, bucket.uuid), at=at, victim=None)
    return Usage(noncurrent=1)


def _promote(change: DeleteObject, bucket: Bucket, ended: Version, decision: Decision) -> Usage:
    """If the newest version was ended, the one below it becomes current, unless it is a marker."""
    heir = decision.rows.newest_other(change.bucket, change.key, besides=ended.version_id)
    if heir is None or heir.is_marker or heir.sequence > ended.sequence:
        return Usage()
    decision.writes.dropped_others.append(heir)
    if decision.rows.file_place(heir.file_id) not in {None, (change.bucket, change.key)}:
        heir = _renamed(change, bucket, heir, decision)
    decision.writes.heads.append(heir)
    return Usage(1, heir.size, -1, -heir.size)


def _renamed(change: DeleteObject, bucket: Bucket, heir: Version, decision: Decision) -> Version:
    """The heir with a file id of its own: the file moved away, and its id with it."""
    sequence = decision.moment.next()
    heir = heir._replace(file_id=own_file_id(heir.version_id, sequence), meta_sequence=sequence)
    at = (sequence, change.at_ms)
    decision.log(heir, "meta", change.actor, sidecar.compose(heir, bucket.uuid), at=at, victim=None)
    return heir
