"""What may be said in calls that take more than a few words. The service ignores unknown ones; these refuse them."""

from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

from storage_service.client.digests import Algorithm
from storage_service.client.source import Progress


class PutOptions(TypedDict, total=False):
    """What may be said of an upload; see `Bucket.put`."""

    content_type: str
    metadata: Mapping[str, Any]
    tags: Mapping[str, str]
    expires_at: datetime
    cache_control: str
    content_disposition: str
    content_encoding: str
    content_language: str
    if_match: str
    if_none_match: str
    upsert: bool
    checksum: Algorithm
    progress: Progress
    resumable: bool
    resume: MutableMapping[str, str]


class FileFields(TypedDict, total=False):
    """What may be changed of a file; None takes it away."""

    metadata: Mapping[str, Any]
    tags: Mapping[str, str]
    content_type: str
    cache_control: str | None
    content_disposition: str | None
    content_encoding: str | None
    content_language: str | None
    expires_at: datetime | None


class BucketOptions(TypedDict, total=False):
    """What may be said of a bucket; None takes a limit away."""

    public_list: bool
    description: str | None
    versioning: Literal["on", "off", "suspended"]
    quota_bytes: int | None
    quota_objects: int | None
    max_object_bytes: int | None
    allowed_mime_types: Sequence[str] | None


class NewBucket(BucketOptions, total=False):
    """`owner_id`: for admins and the service."""

    owner_id: str


class BucketChanges(BucketOptions, total=False):
    """Both words mean the same."""

    public: bool
    is_public: bool


class OriginOptions(TypedDict, total=False):
    """Of the old server: its bucket, if that has another name, and the key to read it with."""

    bucket: str
    prefix: str
    region: str
    access_key: str
    secret_key: str


def check_options(call: str, given: Mapping[str, Any], known: Any) -> None:
    """Raises: TypeError for a word that `known`, a TypedDict, does not have: as Python does where it sees them."""
    if unknown := given.keys() - known.__annotations__.keys():
        raise TypeError(f"{call}() got an unexpected keyword argument {min(unknown)!r}")
