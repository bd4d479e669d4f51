"""Bodies of the JSON door's file routes. Nulls are refused where a value is needed; lengths are bounded."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from storage_service.app.schemas.fields import (
    MAX_COUNT,
    MAX_NAME_CHARS,
    ContentType,
    Count,
    FutureTime,
    HeaderText,
    Metadata,
    Name,
    Tags,
    Wire,
    no_default,
)

MAX_LINK_SECONDS = 100 * 365 * 24 * 3600  # a lifetime; S3 presigned URLs hold seven days at most
DEFAULT_LINK_SECONDS = 3600  # contract §4.2
MAX_LISTED = 10_000  # keys of one archive's list
MAX_BULK_KEYS = 1000  # as S3's DeleteObjects

LinkSeconds = Annotated[int, Field(ge=1, le=MAX_LINK_SECONDS, description="How long the link holds.")]
# What a metadata request may change besides `metadata`; wire names are the sidecar's.
PLAIN_FIELDS = (
    "content_type",
    "cache_control",
    "content_disposition",
    "content_encoding",
    "content_language",
    "tags",
)


class MetadataIn(Wire):
    """Changes to what is said of a file. Fields left out keep their value; null takes one away."""

    metadata: Metadata = Field({}, json_schema_extra=no_default, examples=[{"author": "Ada"}])
    content_type: ContentType = Field("", min_length=1, json_schema_extra=no_default)
    cache_control: HeaderText | None = None
    content_disposition: HeaderText | None = None
    content_encoding: HeaderText | None = None
    content_language: HeaderText | None = None
    tags: Tags = Field({}, json_schema_extra=no_default)
    expires_at: FutureTime | None = Field(None, description="When the file ceases to be (RFC 3339 with zone).")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("names no field that can be changed")
        return self

    def fields(self) -> dict[str, Any]:
        """What was sent, by the sidecar's names; `expires_ms` in milliseconds since 1970."""
        sent = self.model_fields_set
        found = {name: getattr(self, name) for name in ("metadata", *PLAIN_FIELDS) if name in sent}
        if "expires_at" in sent:
            found["expires_ms"] = milliseconds(self.expires_at)
        return found


def milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


class SourcePlace(Wire):
    bucket: Name = Field(description="Name or id.")
    key: Name = Field(description="Key or id.")
    version_id: Name | None = None


class TargetPlace(Wire):
    bucket: Name = Field(description="Name or id.")
    key: Name


class CopyIn(Wire):
    """A copy or move. `metadata` replaces the source's; without it all is taken over."""

    source: SourcePlace
    target: TargetPlace
    overwrite: bool = False
    metadata: Metadata | None = None


class BulkDeleteIn(Wire):
    bucket: Name = Field(description="Name or id.")
    keys: list[Name] = Field(min_length=1, max_length=MAX_BULK_KEYS, description="Keys or ids.")
    purge: bool = Field(False, description="Skip the trash.")


class RestoreIn(Wire):
    version_id: Name | None = Field(None, description="Without it the newest version that is not current.")


class TagsIn(Wire):
    tags: Tags


class UploadLinkIn(Wire):
    """What the link shall allow."""

    expires_in_seconds: LinkSeconds = DEFAULT_LINK_SECONDS
    content_type: ContentType | None = None
    max_bytes: Count | None = None
    once: bool = Field(False, description="Whether it holds for one upload only.")
    method: Literal["PUT", "POST"] = "PUT"
    overwrite: bool = True


class DownloadLinkIn(Wire):
    expires_in_seconds: LinkSeconds = DEFAULT_LINK_SECONDS
    disposition: Literal["inline", "attachment"] | None = None
    once: bool = Field(False, description="Whether it holds for one download only.")


class ArchiveLinkIn(Wire):
    """Everything below `prefix`, or the named keys; `prefix` is then what they have in common and is left out of their
    names in the archive."""

    bucket: Name = Field(description="Name or id.")
    prefix: str = Field("", max_length=MAX_NAME_CHARS)
    keys: list[Name] | None = Field(
        None, min_length=1, max_length=MAX_LISTED, description="A key that ends in a slash: everything below it."
    )
    name: str | None = Field(None, min_length=1, max_length=200, description="The file name, without `.zip`.")
    expires_in_seconds: LinkSeconds = DEFAULT_LINK_SECONDS


class InitiateIn(Wire):
    """An upload announced by an SDK, which then sends the bytes to `upload_url`."""

    bucket_id: Name = Field(description="Name or id.")
    filename: Name = Field(description="The key to be.")
    content_type: ContentType | None = None
    metadata: Metadata | None = None
    size: Annotated[int, Field(ge=0, le=MAX_COUNT)] | None = Field(None, description="Bytes announced.")
    expires_in_seconds: LinkSeconds = DEFAULT_LINK_SECONDS
    overwrite: bool = True
