"""What the JSON door answers besides buckets and files. Times RFC 3339 in UTC, sizes in bytes."""

from datetime import datetime
from typing import Any

import orjson

from storage_service.app.core.events import Event, EventKind
from storage_service.app.core.objects import ChangeRecord, Usage, Version
from storage_service.app.edge.names import iso
from storage_service.app.schemas.buckets import usage_record
from storage_service.app.schemas.fields import Wire


class Fault(Wire):
    """One thing wrong with a request."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(Wire):
    """An error: RFC 9457's members and those clients read (contract §8)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    message: str
    status_code: int
    request_id: str


class ValidationProblem(Wire):
    """An error 422: `detail` and `errors` list what is wrong."""

    type: str
    title: str
    status: int
    detail: list[Fault]
    instance: str
    code: str
    message: str
    status_code: int
    request_id: str
    errors: list[Fault]


class VersionOut(Wire):
    version_id: str
    key: str
    size: int
    etag: str
    content_type: str | None
    owner_id: str
    created_at: datetime
    is_latest: bool
    is_delete_marker: bool
    in_trash: bool
    deleted_at: datetime | None
    purge_at: datetime | None
    expires_at: datetime | None


def version_record(version: Version, *, latest: bool = False) -> dict[str, Any]:
    doc = orjson.loads(version.doc)
    return {
        "version_id": version.version_id,
        "key": version.key,
        "size": version.size,
        "etag": version.etag,
        "content_type": doc.get("content_type"),
        "owner_id": doc.get("owner", ""),
        "created_at": iso(version.at_ms),
        "is_latest": latest,
        "is_delete_marker": version.is_marker,
        "in_trash": version.gone_ms is not None,
        "deleted_at": _moment(version.gone_ms),
        "purge_at": _moment(version.due_ms),
        "expires_at": _moment(version.expires_ms),
    }


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)


class TrashOut(Wire):
    files: list[VersionOut]
    cursor: str | None


class BulkDeleteResult(Wire):
    key: str
    status: int
    code: str | None = None
    detail: str | None = None


class BulkDeleteOut(Wire):
    deleted: int
    results: list[BulkDeleteResult]


class TagsOut(Wire):
    tags: dict[str, str]


class UploadLinkOut(Wire):
    upload_url: str
    method: str
    expires_at: datetime


class DownloadLinkOut(Wire):
    download_url: str
    method: str
    expires_at: datetime


class ArchiveLinkOut(Wire):
    """`files` and `size` (of the archive, in bytes) are those of this moment."""

    url: str
    method: str
    expires_at: datetime
    files: int
    size: int


class InitiateOut(Wire):
    upload_url: str
    method: str
    file_id: str
    expires_at: datetime
    fields: dict[str, str]


class WelcomeOut(Wire):
    message: str
    docs_url: str


class HealthOut(Wire):
    """`degraded` says why in `problems`."""

    status: str
    service: str
    version: str
    ready: bool
    problems: list[str]


class SettingOut(Wire):
    """`value` of a secret says only whether it is set."""

    name: str
    value: str
    is_default: bool
    description: str


class SettingsOut(Wire):
    settings: list[SettingOut]


class LiveOut(Wire):
    status: str


class ChangeOut(Wire):
    sequence: int
    at: datetime
    op: str
    bucket: str
    key: str | None
    version_id: str | None
    actor: str


class ChangesOut(Wire):
    """`last` is the next request's `after`."""

    changes: list[ChangeOut]
    last: int


def change_record(change: ChangeRecord) -> dict[str, Any]:
    return {
        "sequence": change.sequence,
        "at": iso(change.at_ms),
        "op": change.op,
        "bucket": change.bucket_name,
        "key": change.key,
        "version_id": change.version_id,
        "actor": change.actor,
    }


class EventOut(Wire):
    """`size`, `etag` and `content_type` are null where there are no such bytes, or no more."""

    id: int
    event: EventKind
    bucket: str
    bucket_id: str
    key: str | None
    version_id: str | None
    file_id: str | None
    size: int | None
    etag: str | None
    content_type: str | None
    at: datetime


def event_record(event: Event) -> dict[str, Any]:
    return {
        "id": event.sequence,
        "event": event.kind,
        "bucket": event.bucket_name,
        "bucket_id": event.bucket_uuid,
        "key": event.key,
        "version_id": event.version_id,
        "file_id": event.file_id,
        "size": event.size,
        "etag": event.etag,
        "content_type": event.content_type,
        "at": iso(event.at_ms),
    }


class Counters(Wire):
    file_count: int
    total_size: int
    noncurrent_count: int
    noncurrent_size: int
    trash_count: int
    trash_size: int
    upload_size: int


class BucketUsage(Counters):
    id: str
    name: str
    owner_id: str


class OwnerUsage(Counters):
    owner_id: str


class UsageOut(Wire):
    buckets: list[BucketUsage]
    owners: list[OwnerUsage]


def counters(usage: Usage) -> dict[str, Any]:
    return {"file_count": usage.objects, "total_size": usage.bytes, **usage_record(usage)}


class UsageSample(Counters):
    at: datetime


class UsageHistoryOut(Wire):
    """The oldest sample first; `bucket` is null for all together."""

    bucket: str | None
    bucket_id: str | None
    samples: list[UsageSample]


class DiskStatus(Wire):
    total_bytes: int
    free_bytes: int
    reserve_bytes: int
    total_inodes: int
    free_inodes: int


class SettleStatus(Wire):
    """What is committed and not yet written to files. Times are null where there is nothing."""

    rows: int
    limit_rows: int
    bytes: int
    set_aside_rows: int
    oldest_at: datetime | None
    last_pass_at: datetime | None


class UploadsStatus(Wire):
    open: int
    bytes: int


class ViewStatus(Wire):
    """Keys that cannot be shown as files, and foreign files where one should be."""

    hidden_keys: int
    foreign_files: int


class StatusOut(Wire):
    health: HealthOut
    disk: DiskStatus
    settle: SettleStatus
    view: ViewStatus
    uploads: UploadsStatus


class RequestSeenOut(Wire):
    """`code` is that of an error, `at_ms` when the answer ended."""

    at_ms: int
    worker: str
    client: str | None
    method: str
    path: str
    door: str
    operation: str
    status: int
    code: str | None
    milliseconds: float
    bytes_in: int
    bytes_out: int
