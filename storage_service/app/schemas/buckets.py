"""Buckets on the wire: generation A's three fields, then the superset of all clients (contract §4.3)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import Field, model_validator

from storage_service.app.core.objects import Bucket, Usage, Versioning
from storage_service.app.edge.names import iso
from storage_service.app.schemas.fields import Count, Name, TypeRules, Wire, no_default

# Wire name -> the core's. Two names of one thing must agree.
OPTIONS = {
    "is_public": "public",
    "public": "public",
    "public_list": "public_list",
    "description": "description",
    "versioning": "versioning",
    "quota_bytes": "quota_bytes",
    "quota_objects": "quota_objects",
    "max_object_bytes": "max_object_bytes",
    "file_size_limit": "max_object_bytes",
    "allowed_mime_types": "allowed_types",
}
SAME = (("is_public", "public"), ("max_object_bytes", "file_size_limit"))


class BucketFields(Wire):
    """What an owner may say of a bucket. Fields left out keep their value, null takes a limit away."""

    is_public: bool = Field(False, description="Whether anyone may read it.", json_schema_extra=no_default)
    public: bool = Field(False, description="Same as `is_public`.", json_schema_extra=no_default)
    public_list: bool = Field(
        True, description="Whether anyone may list it while it is public.", json_schema_extra=no_default
    )
    description: str | None = Field(None, max_length=2000)
    versioning: Versioning = Field(
        "off", description="Once on, it can only be suspended.", json_schema_extra=no_default
    )
    quota_bytes: Count | None = Field(None, description="All versions together, in bytes.")
    quota_objects: Count | None = Field(None, description="Current objects.")
    max_object_bytes: Count | None = Field(None, description="Largest object, in bytes.")
    file_size_limit: Count | None = Field(None, description="Same as `max_object_bytes`.")
    allowed_mime_types: TypeRules | None = Field(None, examples=[["image/*", "application/pdf"]])

    @model_validator(mode="after")
    def _agree(self) -> Self:
        for one, other in SAME:
            both = {one, other} <= self.model_fields_set
            if both and getattr(self, one) != getattr(self, other):
                raise ValueError(f"{one} and {other} say different things")
        return self

    def options(self) -> dict[str, Any]:
        """The fields that were sent, by the core's names."""
        found = {OPTIONS[name]: getattr(self, name) for name in OPTIONS if name in self.model_fields_set}
        if "allowed_types" in found:
            found["allowed_types"] = tuple(found["allowed_types"] or ())
        return found


class BucketCreate(BucketFields):
    """A new bucket. Without `is_public` the operator's default holds."""

    name: str = Field(
        max_length=255,  # the rule itself (3 to 63) stands in the core, with one sentence for all its faults
        description="3 to 63 of a-z, 0-9, `.` and `-`; begins and ends with a letter or digit.",
        examples=["photos"],
    )
    owner_id: Name | None = Field(None, description="Only for admins and the service: whose bucket it becomes.")


class BucketUpdate(BucketFields):
    """Changes to a bucket. It cannot be renamed."""

    name: str | None = Field(None, max_length=255, description="If sent, the name it has.")


class BucketOut(Wire):
    """A bucket with its counters. Sizes in bytes."""

    id: str
    name: str
    is_public: bool
    public: bool
    owner_id: str
    user_id: str
    description: str | None
    minio_bucket_name: str
    internal_bucket_name: str
    file_count: int
    total_size: int
    created_at: datetime
    updated_at: datetime
    public_list: bool
    versioning: Versioning
    quota_bytes: int | None
    quota_objects: int | None
    max_object_bytes: int | None
    file_size_limit: int | None
    allowed_mime_types: list[str] | None
    noncurrent_count: int
    noncurrent_size: int
    trash_count: int
    trash_size: int
    upload_size: int


def bucket_record(bucket: Bucket, usage: Usage) -> dict[str, Any]:
    """The bucket as `BucketOut`, ready for JSON."""
    options = bucket.options
    return {
        "id": bucket.uuid,
        "name": bucket.name,
        "is_public": options.public,
        "public": options.public,
        "owner_id": bucket.owner,
        "user_id": bucket.owner,
        "description": options.description,
        "minio_bucket_name": bucket.name,
        "internal_bucket_name": bucket.name,
        "file_count": usage.objects,
        "total_size": usage.bytes,
        "created_at": iso(bucket.created_ms),
        "updated_at": iso(bucket.updated_ms),
        "public_list": options.public_list,
        "versioning": options.versioning,
        "quota_bytes": options.quota_bytes,
        "quota_objects": options.quota_objects,
        "max_object_bytes": options.max_object_bytes,
        "file_size_limit": options.max_object_bytes,
        "allowed_mime_types": list(options.allowed_types) or None,
        **usage_record(usage),
    }


def usage_record(usage: Usage) -> Mapping[str, int]:
    """What is kept besides current objects."""
    return {
        "noncurrent_count": usage.noncurrent,
        "noncurrent_size": usage.noncurrent_bytes,
        "trash_count": usage.trash,
        "trash_size": usage.trash_bytes,
        "upload_size": usage.upload_bytes,
    }
