"""What calls of the client give back: frozen values. Sizes in bytes, times aware in UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Self


@dataclass(frozen=True, slots=True)
class BucketInfo:
    """A bucket with its counters. `record` is all the service said of it."""

    id: str
    name: str
    public: bool
    owner_id: str
    file_count: int
    total_bytes: int
    created_at: datetime
    record: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Self:
        return cls(
            id=record["id"],
            name=record["name"],
            public=record["is_public"],
            owner_id=record["owner_id"],
            file_count=record["file_count"],
            total_bytes=record["total_size"],
            created_at=datetime.fromisoformat(record["created_at"]),
            record=record,
        )


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file without its bytes. `sha256` in hexadecimal, `crc64nvme` in base64, None where not known.

    `record` is all the service said of it.
    """

    id: str
    key: str
    bucket: str
    size: int
    content_type: str
    etag: str
    version_id: str
    owner_id: str
    url: str
    updated_at: datetime
    expires_at: datetime | None
    sha256: str | None
    crc64nvme: str | None
    metadata: Mapping[str, Any]
    tags: Mapping[str, str]
    record: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Self:
        return cls(
            id=record["id"],
            key=record["object_name"],
            bucket=record["bucket_name"],
            size=record["size"],
            content_type=record["content_type"],
            etag=record["etag"],
            version_id=record["version_id"],
            owner_id=record["owner_id"],
            url=record["url"],
            updated_at=datetime.fromisoformat(record["updated_at"]),
            expires_at=_moment(record.get("expires_at")),
            sha256=record["checksums"]["sha256"],
            crc64nvme=record["checksums"]["crc64nvme"],
            metadata=record["metadata"],
            tags=record["tags"],
            record=record,
        )


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One version of a key; a delete marker has no bytes."""

    key: str
    version_id: str
    size: int
    etag: str
    is_latest: bool
    is_delete_marker: bool
    in_trash: bool
    created_at: datetime

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Self:
        return cls(
            key=record["key"],
            version_id=record["version_id"],
            size=record["size"],
            etag=record["etag"],
            is_latest=record["is_latest"],
            is_delete_marker=record["is_delete_marker"],
            in_trash=record["in_trash"],
            created_at=datetime.fromisoformat(record["created_at"]),
        )


@dataclass(frozen=True, slots=True)
class Prefix:
    """What keys have in common up to a delimiter: a directory, as people see it."""

    name: str


@dataclass(frozen=True, slots=True)
class SignedLink:
    """A link that is its own credential until `expires_at`."""

    url: str
    method: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class UploadPolicy:
    """What a signed upload link allows. `once`: it holds for a single upload."""

    expires: timedelta = timedelta(hours=1)
    max_bytes: int | None = None
    content_type: str | None = None
    once: bool = False
    overwrite: bool = True
    method: Literal["PUT", "POST"] = "PUT"

    def record(self) -> dict[str, Any]:
        return {
            "expires_in_seconds": int(self.expires.total_seconds()),
            "max_bytes": self.max_bytes,
            "content_type": self.content_type,
            "once": self.once,
            "overwrite": self.overwrite,
            "method": self.method,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the change feed. `sequence` is where to go on from; `key` is None of buckets."""

    sequence: int
    at: datetime
    op: str
    bucket: str
    key: str | None
    version_id: str | None
    actor: str

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Self:
        return cls(
            sequence=record["sequence"],
            at=datetime.fromisoformat(record["at"]),
            op=record["op"],
            bucket=record["bucket"],
            key=record["key"],
            version_id=record["version_id"],
            actor=record["actor"],
        )


@dataclass(frozen=True, slots=True)
class Event:
    """A change as it happened: `object.created`, `bucket.deleted` ... `id` is where to go on from.

    Of buckets `key` and what follows it are None. A `reset` says that what came before is no longer known: list again.
    """

    id: int
    event: str
    bucket: str
    key: str | None
    version_id: str | None
    size: int | None
    etag: str | None
    at: datetime | None
    record: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Self:
        return cls(
            id=record["id"],
            event=record["event"],
            bucket=record.get("bucket", ""),
            key=record.get("key"),
            version_id=record.get("version_id"),
            size=record.get("size"),
            etag=record.get("etag"),
            at=_moment(record.get("at")),
            record=record,
        )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
