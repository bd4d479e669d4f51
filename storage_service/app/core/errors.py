"""Everything that can go wrong, as one closed family.

A class is named by its S3 code; ours where S3 has none. An error carries the words a client may read and the
bucket and key it is about; never a path, a status or a secret. `edge.status` is the one table of statuses.
"""

from typing import ClassVar


class StorageError(Exception):
    """What a client is told. `detail` is one sentence; `code` is the class's name in snake case for our own doors."""

    code: ClassVar[str] = "storage_error"

    def __init__(self, detail: str = "", *, bucket: str = "", key: str = "") -> None:
        super().__init__(detail or self.__class__.__name__)
        self.detail = detail or self.__class__.__name__
        self.bucket = bucket
        self.key = key


# Requests that say something wrong.
class InvalidArgument(StorageError):
    code = "invalid_argument"


class InvalidBucketName(StorageError):
    code = "invalid_bucket_name"


class InvalidKey(StorageError):
    code = "invalid_key"


class ValidationFailed(StorageError):
    """A body or query that does not fit its model; `errors` has one entry a fault (contract §8: 422)."""

    code = "validation_failed"

    def __init__(self, detail: str, errors: list[dict[str, object]] | None = None) -> None:
        super().__init__(detail)
        self.errors = errors or []


class IncompleteBody(StorageError):
    code = "incomplete_body"


class BadDigest(StorageError):
    code = "bad_digest"


class EntityTooLarge(StorageError):
    code = "entity_too_large"


class MissingContentLength(StorageError):
    code = "missing_content_length"


class UnsupportedType(StorageError):
    """The bucket's allowed types do not hold this one."""

    code = "unsupported_media_type"


class InvalidRange(StorageError):
    """No byte of the object lies in the asked range; `size` is the object's length in bytes."""

    code = "invalid_range"

    def __init__(self, detail: str = "The requested range is not satisfiable", *, size: int = 0) -> None:
        super().__init__(detail)
        self.size = size


class MethodNotAllowed(StorageError):
    code = "method_not_allowed"


class RouteNotFound(StorageError):
    code = "not_found"


# Who may do what.
class Unauthenticated(StorageError):
    """No credential, or one that does not hold (401)."""

    code = "unauthenticated"


class AccessDenied(StorageError):
    """A known principal that may not do this (403)."""

    code = "access_denied"


class LinkExpired(StorageError):
    code = "link_expired"


class LinkUsed(StorageError):
    """A once-only link that has been used."""

    code = "link_used"


# What is not there, or in the way.
class NoSuchBucket(StorageError):
    code = "no_such_bucket"


class NoSuchKey(StorageError):
    code = "no_such_key"


class NoSuchVersion(StorageError):
    code = "no_such_version"


class BucketAlreadyExists(StorageError):
    code = "bucket_already_exists"


class BucketNotEmpty(StorageError):
    code = "bucket_not_empty"


class KeyAlreadyExists(StorageError):
    """Written with `overwrite=false` onto a key that is there (409)."""

    code = "key_already_exists"


class PreconditionFailed(StorageError):
    code = "precondition_failed"


class NotModified(StorageError):
    """A conditional read whose answer is 304; `etag` and `at_ms` go into its headers."""

    code = "not_modified"

    def __init__(self, etag: str = "", at_ms: int = 0) -> None:
        super().__init__("Not modified")
        self.etag = etag
        self.at_ms = at_ms


class ObjectLocked(StorageError):
    code = "object_locked"


class FeedGone(StorageError):
    """The change feed no longer reaches back that far (410)."""

    code = "feed_gone"


# What the service cannot do now.
class QuotaExceeded(StorageError):
    code = "quota_exceeded"


class InsufficientStorage(StorageError):
    """The disk is full (507)."""

    code = "insufficient_storage"


class SlowDown(StorageError):
    """Too much waits to be written, or too many requests run (503 with Retry-After)."""

    code = "slow_down"


class ServiceUnavailable(StorageError):
    """Rebuilding, read-only or draining (503); nothing was changed unless a commit's outcome is said to be unknown."""

    code = "service_unavailable"


class DamagedObject(StorageError):
    """The bytes or the sidecar on disk are not what was written; only this object is hurt."""

    code = "damaged_object"


class BackendUnavailable(StorageError):
    """The SelfDB backend that knows users did not answer."""

    code = "backend_unavailable"
