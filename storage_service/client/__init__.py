"""The Python client of the service: `Client`, and `AsyncClient` with the same methods to await. httpx only.

Never imports `app`: it knows the service by its HTTP interface alone. `_async` is the source, `_sync` is made from it
(`tools/make_sync_client.py`); what both share is pure.
"""

from storage_service.client._async.bucket import AsyncBucket
from storage_service.client._async.client import AsyncClient
from storage_service.client._async.object import AsyncObject
from storage_service.client._sync.bucket import Bucket
from storage_service.client._sync.client import Client
from storage_service.client._sync.object import Object
from storage_service.client.errors import (
    ChecksumMismatch,
    ClientError,
    Conflict,
    ConnectionFailed,
    InsufficientStorage,
    InvalidRequest,
    NotFound,
    NotModified,
    PartialFailure,
    PermissionDenied,
    PreconditionFailed,
    QuotaExceeded,
    RateLimited,
    ServerError,
    ServiceUnavailable,
    TooLarge,
    Unauthenticated,
)
from storage_service.client.inprocess import InProcess, Transport
from storage_service.client.models import (
    BucketInfo,
    Change,
    Event,
    FileInfo,
    Prefix,
    SignedLink,
    UploadPolicy,
    VersionInfo,
)

__all__ = [
    "AsyncBucket",
    "AsyncClient",
    "AsyncObject",
    "Bucket",
    "BucketInfo",
    "Change",
    "ChecksumMismatch",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionFailed",
    "Event",
    "FileInfo",
    "InProcess",
    "InsufficientStorage",
    "InvalidRequest",
    "NotFound",
    "NotModified",
    "Object",
    "PartialFailure",
    "PermissionDenied",
    "PreconditionFailed",
    "Prefix",
    "QuotaExceeded",
    "RateLimited",
    "ServerError",
    "ServiceUnavailable",
    "SignedLink",
    "TooLarge",
    "Transport",
    "Unauthenticated",
    "UploadPolicy",
    "VersionInfo",
]
