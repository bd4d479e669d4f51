"""The one table from errors to HTTP statuses, and the error body of JSON doors (contract §8)."""

from storage_service.app.core import errors
from storage_service.app.edge.names import http_date

STATUS: dict[type[errors.StorageError], int] = {
    errors.StorageError: 500,
    errors.InvalidArgument: 400,
    errors.InvalidBucketName: 422,  # contract §4.1
    errors.InvalidKey: 400,
    errors.ValidationFailed: 422,
    errors.IncompleteBody: 400,
    errors.BadDigest: 400,
    errors.EntityTooLarge: 413,
    errors.MissingContentLength: 411,
    errors.UnsupportedType: 415,
    errors.InvalidPart: 400,
    errors.InvalidPartOrder: 400,
    errors.EntityTooSmall: 400,
    errors.OffsetMismatch: 409,  # as tus has it
    errors.UploadLocked: 423,
    errors.InvalidRange: 416,
    errors.InvalidURI: 400,
    errors.KeyTooLong: 400,
    errors.InvalidDigest: 400,
    errors.IllegalLocationConstraint: 400,
    errors.InvalidStorageClass: 400,
    errors.MetadataTooLarge: 400,
    errors.MalformedPostRequest: 400,
    errors.BucketAlreadyOwnedByYou: 409,
    errors.MethodNotAllowed: 405,
    errors.RouteNotFound: 404,
    errors.Unauthenticated: 401,
    errors.AccessDenied: 403,
    errors.LinkExpired: 403,  # as S3 answers an expired presigned URL
    errors.LinkUsed: 403,
    errors.InvalidAccessKeyId: 403,
    errors.SignatureDoesNotMatch: 403,
    errors.RequestTimeTooSkewed: 403,
    errors.AuthorizationHeaderMalformed: 400,
    errors.AuthorizationQueryParametersError: 400,
    errors.InvalidToken: 400,
    errors.XAmzContentSHA256Mismatch: 400,
    errors.InvalidPolicyDocument: 400,
    errors.MalformedTrailerError: 400,
    errors.NoSuchAccessKey: 404,
    errors.AccessKeyExists: 409,
    errors.NoSuchBucket: 404,
    errors.NoSuchKey: 404,
    errors.NoSuchVersion: 404,
    errors.NoSuchUpload: 404,
    errors.BucketAlreadyExists: 409,
    errors.BucketNotEmpty: 409,
    errors.KeyAlreadyExists: 409,
    errors.PreconditionFailed: 412,
    errors.NothingToMatch: 412,
    errors.ConditionalRequestConflict: 409,
    errors.NotModified: 304,
    errors.ObjectLocked: 403,  # as S3 answers a write against object lock
    errors.FeedGone: 410,
    errors.QuotaExceeded: 403,  # as Ceph RGW; not 5xx, which clients retry
    errors.InsufficientStorage: 507,
    errors.SlowDown: 503,
    errors.ServiceUnavailable: 503,
    errors.OutcomeUnknown: 503,
    errors.MalformedXML: 400,
    errors.InvalidRequest: 400,
    errors.InvalidTag: 400,
    errors.MalformedPolicy: 400,
    errors.AccessControlListNotSupported: 400,
    errors.InvalidBucketAclWithObjectOwnership: 400,
    errors.UnresolvableGrantByEmailAddress: 400,
    errors.InvalidRetentionPeriod: 400,
    errors.AccessForbidden: 403,
    errors.InvalidBucketState: 409,
    errors.NoSuchBucketPolicy: 404,
    errors.NoSuchCORSConfiguration: 404,
    errors.NoSuchTagSet: 404,
    errors.NoSuchLifecycleConfiguration: 404,
    errors.NoSuchWebsiteConfiguration: 404,
    errors.NoSuchPublicAccessBlockConfiguration: 404,
    errors.OwnershipControlsNotFoundError: 404,
    errors.ServerSideEncryptionConfigurationNotFoundError: 404,
    errors.ObjectLockConfigurationNotFoundError: 404,
    errors.NoSuchObjectLockConfiguration: 404,
    errors.ReplicationConfigurationNotFoundError: 404,
    errors.NotImplemented: 501,
    errors.DamagedObject: 500,
    errors.BackendUnavailable: 503,
    errors.NoSuchOrigin: 404,
}
UNAUTHORIZED, UNPROCESSABLE = 401, 422
RETRIED = frozenset({429, 503})
INTERNAL_DETAIL = "Internal server error"
RETRY_AFTER = (b"retry-after", b"1")  # seconds


def status_of(error: BaseException) -> int:
    """The error's status; 500 for whatever is not of the family."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def problem(error: BaseException, request_id: str, instance: str) -> dict[str, object]:
    """The body for an error: RFC 9457's members and those clients of SelfDB read (contract §8).

    `detail` is a string; for 422 FastAPI's list of {loc, msg, type}, as generation A answers.
    """
    status = status_of(error)
    known = isinstance(error, errors.StorageError)
    code = error.code if isinstance(error, errors.StorageError) else "internal_error"
    message = error.detail if isinstance(error, errors.StorageError) else INTERNAL_DETAIL
    body: dict[str, object] = {
        "type": f"urn:storage-service:error:{code}" if known else "about:blank",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": message,
        "instance": instance,
        "code": code,
        "message": message,
        "status_code": status,
        "request_id": request_id,
    }
    if status == UNPROCESSABLE:
        body["detail"] = body["errors"] = faults(error, message)
    return body


def faults(error: BaseException, message: str) -> list[dict[str, object]]:
    """One entry a fault, at least one."""
    listed = error.errors if isinstance(error, errors.ValidationFailed) else []
    if listed:
        return listed
    field = "name" if isinstance(error, errors.InvalidBucketName) else None
    return [{"loc": ["body", field] if field else ["body"], "msg": message, "type": "value_error"}]


def problem_headers(error: BaseException) -> tuple[tuple[bytes, bytes], ...]:
    """Headers the status demands besides type and length."""
    if isinstance(error, errors.NotModified):
        etag = b'"%s"' % error.etag.encode("latin-1", "replace")
        return ((b"etag", etag), (b"last-modified", http_date(error.at_ms)))
    if isinstance(error, errors.InvalidRange):
        return ((b"content-range", b"bytes */%d" % error.size),)
    status = status_of(error)
    if status == UNAUTHORIZED:
        return ((b"www-authenticate", b"Bearer"),)
    return (RETRY_AFTER,) if status in RETRIED else ()
