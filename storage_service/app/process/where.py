"""Where an object lies: its blob, its sidecar and its name in the view. What `storage where` prints."""

import os
from typing import Any

from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.catalog.auditing import Auditor
from storage_service.app.backends.view import segments
from storage_service.app.core.objects import BlobName, Bucket, Version
from storage_service.app.keeping import make_blobs
from storage_service.app.process.admin import auditor_of, check_ready, open_store


def where(place: str, version_id: str | None = None) -> dict[str, Any] | None:
    """The paths of `bucket/key`, as plain values; None when there is no such object.

    Without `version_id` the current version is meant; where there is none, the newest that can be brought back.
    """
    name, _, key = place.removeprefix("/").partition("/")
    plan, layout = open_store()
    check_ready(layout)
    with auditor_of(layout) as auditor:
        bucket = next((found for found in auditor.buckets().values() if name in (found.name, found.uuid)), None)
        version = _find(auditor, bucket, key, version_id) if bucket else None
        if bucket is None or version is None:
            return None
        return _record(make_blobs(plan), bucket, version, waiting=auditor.is_owed(version.version_id))


def _find(auditor: Auditor, bucket: Bucket, key: str, version_id: str | None) -> Version | None:
    history = auditor.history(bucket.id, key)
    if version_id is not None:
        return next((version for version in history if version.version_id == version_id), None)
    with_bytes = [version for version in history if not version.is_marker]
    head = auditor.heads(bucket.id, [key]).get(key)
    return head or next(iter(with_bytes), None)


def _record(blobs: LocalBlobs, bucket: Bucket, version: Version, *, waiting: bool) -> dict[str, Any]:
    name = BlobName(bucket.name, version.version_id)
    in_journal = waiting and blobs.stat(name) is None
    return {
        "bucket": bucket.name,
        "bucket_id": bucket.uuid,
        "key": version.key,
        "version_id": version.version_id,
        "file_id": version.file_id,
        "size": version.size,
        "state": "journal" if waiting else "settled",
        "deleted": version.gone_ms is not None,
        "blob": None if in_journal or version.is_marker else blobs.path(name),
        "sidecar": None if waiting and blobs.disk.stat(blobs.sidecar_path(name)) is None else blobs.sidecar_path(name),
        **_view_of(blobs, bucket, version),
    }


def _view_of(blobs: LocalBlobs, bucket: Bucket, version: Version) -> dict[str, str | None]:
    """`view` is the path, or None; then `not_shown` says why."""
    path = f"{blobs.root}/{bucket.name}/{version.key}"
    blob = blobs.stat(BlobName(bucket.name, version.version_id))
    if segments(version.key) is None:
        return {"view": None, "not_shown": "this key cannot be a file name"}
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"view": None, "not_shown": "only the current version is shown, once it is settled"}
    same = blob is not None and (
        found.st_ino == blob.inode or (found.st_size, found.st_mtime_ns) == (version.size, version.mtime_ns)
    )
    if not same:
        return {"view": None, "not_shown": f"something else stands at {path}"}
    return {"view": path, "not_shown": None}
