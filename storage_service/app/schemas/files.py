"""File JSON: the superset every client reads (contract §4.3).

Rendered by plain functions, since hot routes make one per request; the models only document them.
"""

from datetime import datetime
from typing import Any, Protocol

import orjson
from pydantic import BaseModel, Field

from storage_service.app.core.objects import Bucket, Version
from storage_service.app.edge.names import iso, quote_key

OCTET_STREAM = "application/octet-stream"


class PublicNames(Protocol):
    """What permanent links begin with, without a trailing slash."""

    @property
    def base_url(self) -> str: ...
    @property
    def cdn_url(self) -> str | None: ...


def file_url(key: str, bucket: Bucket, names: PublicNames) -> str:
    """The permanent link; of a public bucket through the CDN, where there is one."""
    base = names.cdn_url if names.cdn_url and bucket.options.public else names.base_url
    return f"{base}/storage/{bucket.name}/{quote_key(key)}"


def file_record(version: Version, bucket: Bucket, names: PublicNames) -> dict[str, Any]:
    """JSON of one version, ready for orjson. Sizes in bytes, times RFC 3339 in UTC."""
    doc = orjson.loads(version.doc)
    content_type = doc.get("content_type") or OCTET_STREAM
    # Never null: the Swift client cannot decode that. Anonymous uploads belong to the bucket's owner.
    owner = doc.get("owner") or bucket.owner
    key, at = version.key, iso(version.at_ms)
    return {
        "id": version.file_id,
        "file_id": version.file_id,
        "filename": key,
        "name": key.rpartition("/")[2] or key,
        "object_name": key,
        "path": key,
        "bucket": bucket.name,
        "bucket_name": bucket.name,
        "bucket_id": bucket.uuid,
        "content_type": content_type,
        "mime_type": content_type,
        "size": version.size,
        "owner_id": owner,
        "user_id": owner,
        "metadata": doc.get("metadata") or {},
        "tags": doc.get("tags") or {},
        "url": file_url(key, bucket, names),
        "created_at": at,
        "updated_at": at,
        "expires_at": None if version.expires_ms is None else iso(version.expires_ms),
        "etag": version.etag,
        "version_id": version.version_id,
        "checksums": {"crc64nvme": doc.get("crc64nvme"), "sha256": doc.get("sha256")},
        "cache_control": doc.get("cache_control"),
        "content_disposition": doc.get("content_disposition"),
        "content_encoding": doc.get("content_encoding"),
        "content_language": doc.get("content_language"),
    }


def render_upload(record: dict[str, Any]) -> bytes:
    """JSON of what was just stored: the file, and again under `file`, where js-sdk 1.0 looks."""
    text = orjson.dumps(record)
    return b'%s,"file":%s}' % (text[:-1], text)


class Checksums(BaseModel):
    """Of the whole content; null where it was not computed."""

    crc64nvme: str | None = Field(description="Base64 of eight bytes, big-endian")
    sha256: str | None = Field(description="Hexadecimal")


class FileOut(BaseModel):
    """One file. Some values stand under several names: each generation of clients has its own."""

    id: str = Field(description="Stable id: survives overwrite and move")
    file_id: str = Field(description="The same as `id`")
    filename: str = Field(description="The key")
    name: str = Field(description="The key's last segment")
    object_name: str = Field(description="The key")
    path: str = Field(description="The key")
    bucket: str = Field(description="Name of the bucket")
    bucket_name: str = Field(description="Name of the bucket")
    bucket_id: str = Field(description="Stable id of the bucket")
    content_type: str
    mime_type: str = Field(description="The same as `content_type`")
    size: int = Field(description="Bytes")
    owner_id: str = Field(description="Who uploaded it; the bucket's owner where nobody did")
    user_id: str = Field(description="The same as `owner_id`")
    metadata: dict[str, Any]
    tags: dict[str, str]
    url: str = Field(description="Permanent link")
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = Field(description="From then on it is not found")
    etag: str = Field(description="Without quotes")
    version_id: str
    checksums: Checksums
    cache_control: str | None
    content_disposition: str | None
    content_encoding: str | None
    content_language: str | None


class UploadOut(FileOut):
    """The file that was stored, at the top level and under `file`."""

    file: FileOut
