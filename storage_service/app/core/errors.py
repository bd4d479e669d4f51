"""Everything that can go wrong, as one closed family.

A class is named by its S3 code; ours where S3 has none. An error carries the words a client may read and the
bucket and key it is about; never a path, a status or a secret. `edge.status` is the one table of statuses.
"""

import re
from typing import ClassVar

# Where a word of a name begins: NoSuchKey, MalformedXML, CRCMismatch.
WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class StorageError(Exception):
    """What a client is told. `detail` is one sentence; `code` is the class's name in snake case, for our own doors."""

    code: ClassVar[str] = "storage_error"

    def __init_subclass__(cls) -> None:
        if "code" not in vars(cls) and StorageError in cls.__bases__:
            cls.code = WORDS.sub("_", cls.__name__).lower()

    def __init__(self, detail: str = "", *, bucket: str = "", key: str = "") -> None:
        super().__init__(detail or self.__class__.__name__)
        self.detail = detail or self.__class__.__name__
        self.bucket = bucket
        self.key = key


# Requests that say something wrong.
class InvalidArgument(StorageError): ...


class InvalidBucketName(StorageError): ...


class InvalidKey(StorageError): ...


class ValidationFailed(StorageError):
    """A body or query that does not fit its model; `errors` has one entry a fault (contract §8: 422)."""

    def __init__(self, detail: str, errors: list[dict[str, object]] | None = None) -> None:
        super().__init__(detail)
        self.errors = errors or []


class IncompleteBody(StorageError): ...


class BadDigest(StorageError): ...


class EntityTooLarge(StorageError): ...


class MissingContentLength(StorageError): ...


class UnsupportedType(StorageError):
    """The bucket's allowed types do not hold this one."""

    code = "unsupported_media_type"


class InvalidPart(StorageError):
    """A listed part was never uploaded, or with other bytes."""


class InvalidPartOrder(StorageError): ...


class EntityTooSmall(StorageError):
    """A part below the least size that is not the last."""


class OffsetMismatch(StorageError):
    """A piece of a resumable upload that does not begin where the last one ended; `offset` is where."""

    def __init__(self, detail: str = "The piece does not begin at the upload's offset", *, offset: int = 0) -> None:
        super().__init__(detail)
        self.offset = offset


class UploadLocked(StorageError):
    """Another request is writing to this upload and did not yield (423)."""


class InvalidRange(StorageError):
    """No byte of the object lies in the asked range; `size` is the object's length in bytes."""

    def __init__(self, detail: str = "The requested range is not satisfiable", *, size: int = 0) -> None:
        super().__init__(detail)
        self.size = size


class MethodNotAllowed(StorageError): ...


class RouteNotFound(StorageError):
    code = "not_found"


# What S3 requests get wrong, under AWS's names.
class InvalidURI(StorageError):
    """A path that is not UTF-8."""


class KeyTooLong(InvalidKey):
    """Over 1,024 bytes: S3 has a code of its own for it."""

    code = "key_too_long"


class InvalidDigest(StorageError):
    """A checksum header that is not base64 of the right length."""


class IllegalLocationConstraint(StorageError): ...


class InvalidStorageClass(StorageError): ...


class MetadataTooLarge(StorageError): ...


class MalformedPostRequest(StorageError):
    """A form that is not the multipart/form-data of an S3 upload."""


class BucketAlreadyOwnedByYou(StorageError): ...


# Who may do what.
class Unauthenticated(StorageError):
    """No credential, or one that does not hold (401)."""


class AccessDenied(StorageError):
    """A known principal that may not do this (403)."""


class LinkExpired(StorageError): ...


class LinkUsed(StorageError):
    """A once-only link that has been used."""


# Signatures and access keys of S3 requests, under AWS's names.
class InvalidAccessKeyId(StorageError):
    """No such key, or one that is revoked or past its time."""


class SignatureDoesNotMatch(StorageError): ...


class RequestTimeTooSkewed(StorageError):
    """Signed by a clock that differs from ours by more than 15 minutes."""


class AuthorizationHeaderMalformed(StorageError): ...


class AuthorizationQueryParametersError(StorageError):
    """A presigned URL whose X-Amz parameters cannot be meant."""


class InvalidToken(StorageError):
    """A session token; this service gives none out."""


class XAmzContentSHA256Mismatch(StorageError):
    """The body is not the one that was signed."""


class InvalidPolicyDocument(StorageError):
    """The policy of a POST form cannot be read."""


class MalformedTrailerError(StorageError):
    """What follows a chunked body is not what its head announced."""


class NoSuchAccessKey(StorageError): ...


class AccessKeyExists(StorageError):
    """The id is taken, by a revoked key too: an id never changes its owner."""


# What is not there, or in the way.
class NoSuchBucket(StorageError): ...


class NoSuchKey(StorageError): ...


class NoSuchVersion(StorageError): ...


class NoSuchUpload(StorageError):
    """Never begun, aborted, expired, or of a bucket that is gone."""


class BucketAlreadyExists(StorageError): ...


class BucketNotEmpty(StorageError): ...


class KeyAlreadyExists(StorageError):
    """Written with `overwrite=false` onto a key that is there (409)."""


class PreconditionFailed(StorageError): ...


class NothingToMatch(PreconditionFailed):
    """If-Match of a write to a key that is not there: S3 says 404, the JSON door makes no difference."""

    code = PreconditionFailed.code


class ConditionalRequestConflict(StorageError):
    """A conditional write that was allowed when it began, and whose object was deleted before it ended (409)."""


class NotModified(StorageError):
    """A conditional read whose answer is 304; `etag` and `at_ms` go into its headers."""

    def __init__(self, etag: str = "", at_ms: int = 0) -> None:
        super().__init__("Not modified")
        self.etag = etag
        self.at_ms = at_ms


class ObjectLocked(StorageError): ...


class FeedGone(StorageError):
    """The change feed no longer reaches back that far (410); `oldest` is the first sequence it still has."""

    def __init__(self, detail: str = "", *, oldest: int = 1) -> None:
        super().__init__(detail)
        self.oldest = oldest


# What a bucket's configuration says wrong, or does not say.
class MalformedXML(StorageError):
    """The body is not the XML document that S3 knows by this request."""


class InvalidRequest(StorageError): ...


class InvalidTag(StorageError): ...


class MalformedPolicy(StorageError): ...


class AccessControlListNotSupported(StorageError):
    """The bucket owns all it holds: its ACLs say nothing (400)."""


class InvalidBucketAclWithObjectOwnership(StorageError): ...


class UnresolvableGrantByEmailAddress(StorageError): ...


class InvalidRetentionPeriod(StorageError): ...


class AccessForbidden(StorageError):
    """A preflight that no CORS rule of the bucket answers (403)."""


class InvalidBucketState(StorageError): ...


class NoSuchBucketPolicy(StorageError): ...


class NoSuchCORSConfiguration(StorageError): ...


class NoSuchTagSet(StorageError): ...


class NoSuchLifecycleConfiguration(StorageError): ...


class NoSuchWebsiteConfiguration(StorageError): ...


class NoSuchPublicAccessBlockConfiguration(StorageError): ...


class OwnershipControlsNotFoundError(StorageError): ...


class ServerSideEncryptionConfigurationNotFoundError(StorageError): ...


class ObjectLockConfigurationNotFoundError(StorageError): ...


class NoSuchObjectLockConfiguration(StorageError): ...


class ReplicationConfigurationNotFoundError(StorageError): ...


class NotImplemented(StorageError):
    """A part of S3 that this service does not have; the words say why (501)."""


# What the service cannot do now.
class QuotaExceeded(StorageError): ...


class InsufficientStorage(StorageError):
    """The disk is full (507)."""


class SlowDown(StorageError):
    """Too much waits to be written, or too many requests run (503 with Retry-After)."""


class ServiceUnavailable(StorageError):
    """Rebuilding, read-only or draining (503); nothing was changed."""


class OutcomeUnknown(ServiceUnavailable):
    """The disk failed while a change was committed: it was made whole, or not at all. Whatever it would need has to
    stay until the next start has looked."""


class DamagedObject(StorageError):
    """The bytes or the sidecar on disk are not what was written; only this object is hurt."""


class BackendUnavailable(StorageError):
    """The SelfDB backend that knows users, or a bucket's origin, did not answer."""


class NoSuchOrigin(StorageError):
    """The bucket takes nothing from another server (any more)."""
