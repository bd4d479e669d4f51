"""A bucket's origin on the wire."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from storage_service.app.core.objects import Bucket
from storage_service.app.core.origins import CONFIG, Origin
from storage_service.app.edge.names import iso
from storage_service.app.schemas.fields import Wire


class OriginSet(Wire):
    """The old server of a bucket. Without an access key it is asked unsigned."""

    url: str = Field(max_length=1024, description="Its S3 address.", examples=["http://minio:9000"])
    bucket: str | None = Field(None, max_length=63, description="Its name there; the same if left out.")
    prefix: str = Field("", max_length=1024, description="What stands there before each key.")
    region: str = Field("us-east-1", max_length=64)
    access_key: str = Field("", max_length=128)
    secret_key: str = Field("", max_length=128, description="Kept encrypted, and never shown.")

    def origin(self, bucket: Bucket) -> Origin:
        """Without the secret."""
        name = self.bucket or bucket.name
        return Origin(bucket.uuid, self.url.rstrip("/"), name, self.prefix, self.region, self.access_key)


class OriginOut(Wire):
    """An origin without its secret. After the cut-over `ended_at` says since when it is not asked."""

    url: str
    bucket: str
    prefix: str
    region: str
    access_key: str
    since: datetime
    ended_at: datetime | None


class OriginObject(Wire):
    """An object there, and what became of it here."""

    key: str
    size: int
    etag: str
    state: Literal["arrived", "changed", "deleted", "missing"]


class OriginObjects(Wire):
    """A page; `next` is what the next one is asked with as `after`, null at the end."""

    objects: list[OriginObject]
    next: str | None


def origin_record(bucket: Bucket) -> dict[str, Any]:
    """Of a bucket that has one."""
    told = bucket.options.config[CONFIG]
    ended = told.get("ended_ms")
    return {
        **{name: told.get(name, "") for name in ("url", "bucket", "prefix", "region", "access_key")},
        "since": iso(told["since_ms"]),
        "ended_at": None if ended is None else iso(ended),
    }
