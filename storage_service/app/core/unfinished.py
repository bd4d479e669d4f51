"""What becomes of an upload in pieces until it is complete: begun, grown, ended. Part of `commit.decide`; pure."""

from storage_service.app.core.changes import AppendUpload, CreateUpload, EndUpload, Outcome, PutPart, UploadChange
from storage_service.app.core.decision import Decision
from storage_service.app.core.errors import EntityTooLarge, LinkUsed, NoSuchUpload, OffsetMismatch, QuotaExceeded
from storage_service.app.core.objects import Bucket, Upload, Usage


def change_upload(change: UploadChange, decision: Decision) -> None:
    """Raises NoSuchBucket, NoSuchUpload, LinkUsed, OffsetMismatch, EntityTooLarge, QuotaExceeded."""
    match change:
        case CreateUpload():
            _create(change, decision)
        case PutPart():
            _put_part(change, decision)
        case AppendUpload():
            _append(change, decision)
        case EndUpload():
            _end(change, decision)


def _create(change: CreateUpload, decision: Decision) -> None:
    decision.open_bucket(change.upload.bucket)
    if change.once is not None:
        use_once(change.once, change.once_until_ms, decision)
    decision.writes.uploads.append(change.upload)
    decision.writes.outcome = Outcome(upload=change.upload)


def use_once(once: str, until_ms: int, decision: Decision) -> None:
    """Raises LinkUsed."""
    if decision.rows.is_used(once):
        raise LinkUsed("This link has been used")
    decision.writes.once.append((once, until_ms))


def _put_part(change: PutPart, decision: Decision) -> None:
    bucket, part = decision.open_bucket(change.bucket), change.part
    upload = open_upload(part.upload, change.bucket, decision)
    if upload.kind != "multipart":
        raise NoSuchUpload("This upload does not take parts", key=upload.key)
    replaced = decision.rows.part(part.upload, part.number)
    delta = part.size - (replaced.size if replaced else 0)
    if upload.size + delta > change.most_bytes:
        raise EntityTooLarge(f"The parts together would be larger than the {change.most_bytes} bytes allowed")
    grown = _grow(upload, delta, bucket, decision)
    decision.writes.uploads.append(grown._replace(expires_ms=change.expires_ms))
    decision.writes.parts.append(part)
    decision.writes.outcome = Outcome(upload=decision.writes.uploads[-1], replaced=replaced)


def _append(change: AppendUpload, decision: Decision) -> None:
    bucket = decision.open_bucket(change.bucket)
    upload = open_upload(change.upload, change.bucket, decision)
    if upload.kind == "multipart":
        raise NoSuchUpload("This upload takes parts", key=upload.key)
    if upload.size != change.offset:
        raise OffsetMismatch(offset=upload.size)
    if change.length is not None and change.offset + change.size > change.length:
        raise EntityTooLarge("More bytes than the upload's length", key=upload.key)
    grown = _grow(upload, change.size, bucket, decision)
    grown = grown._replace(digest=change.digest, length=change.length, expires_ms=change.expires_ms)
    decision.writes.uploads.append(grown)
    decision.writes.outcome = Outcome(upload=grown)


def _end(change: EndUpload, decision: Decision) -> None:
    """An upload of a deleted bucket no longer counts in usage."""
    upload = decision.rows.upload(change.upload)
    if upload is None or upload.phase != "open" or upload.bucket != change.bucket:
        raise NoSuchUpload("The upload does not exist, or it was completed or aborted")
    if change.stale_ms is not None and upload.expires_ms > change.stale_ms:
        raise NoSuchUpload("The upload goes on", key=upload.key)
    bucket = decision.rows.bucket(upload.bucket)
    if bucket is not None:
        decision.count(bucket, Usage(upload_bytes=-upload.size))
    decision.writes.uploads.append(upload._replace(phase="aborted", ended_ms=change.at_ms))
    decision.writes.outcome = Outcome(upload=decision.writes.uploads[-1])


def open_upload(upload_id: str, bucket: int, decision: Decision) -> Upload:
    """Raises NoSuchUpload unless it is this bucket's, under way, and not past its expiry."""
    upload = decision.rows.upload(upload_id)
    if (
        upload is None
        or upload.bucket != bucket
        or upload.phase != "open"
        or upload.expires_ms <= decision.moment.now_ms
    ):
        raise NoSuchUpload("The upload does not exist, or it was completed, aborted or expired")
    return upload


def _grow(upload: Upload, delta: int, bucket: Bucket, decision: Decision) -> Upload:
    """The upload with so many bytes more, counted and held against the quota."""
    quota = bucket.options.quota_bytes
    if quota is not None and delta > 0:
        used = decision.rows.usage("bucket", str(bucket.id))
        if used.bytes + used.noncurrent_bytes + used.upload_bytes + delta > quota:
            raise QuotaExceeded(f"Bucket quota of {quota} bytes would be exceeded", bucket=bucket.name)
    decision.count(bucket, Usage(upload_bytes=delta))
    return upload._replace(size=upload.size + delta, stamp=upload.stamp + 1)
