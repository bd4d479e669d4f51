"""DELETE of an object or of one of its versions."""

from email.utils import parsedate_to_datetime

from storage_service.app.core.changes import DeleteOptions, Outcome
from storage_service.app.core.errors import InvalidArgument, NotImplemented
from storage_service.app.core.objects import Bucket, WriteConditions
from storage_service.app.edge.conditions import write_conditions
from storage_service.app.edge.request import Request
from storage_service.app.edge.respond import Header, send_empty
from storage_service.app.s3.context import Call
from storage_service.app.s3.naming import asked_version, version_name


async def delete_object(call: Call) -> None:
    """204 for a key that is not there, too. Raises: PreconditionFailed, ObjectLocked, NotImplemented (MFA)."""
    refuse_mfa(call.request)
    version_id = asked_version(call)
    options = DeleteOptions(
        version_id=version_id,
        conditions=delete_conditions(call.request),
        missing_ok=True,
        bypass=await may_bypass(call),
    )
    outcome = await call.store.delete_object(call.bucket, call.key, call.actor, options)
    await send_empty(call.request.send, 204, deleted_headers(call.bucket, outcome, version_id))


def refuse_mfa(request: Request) -> None:
    """Raises: NotImplemented."""
    if b"x-amz-mfa" in request.headers:
        raise NotImplemented("MFA delete is not implemented: this service knows no second factor")


def asks_bypass(request: Request) -> bool:
    return request.headers.get(b"x-amz-bypass-governance-retention", b"").lower() == b"true"


async def may_bypass(call: Call, key: str | None = None) -> bool:
    """Whether locks in governance mode are to be passed over. Raises: AccessDenied where that is asked for in vain."""
    if not asks_bypass(call.request):
        return False
    await call.authorize_object("bypass_lock", call.bucket, key or call.key, None, "BypassGovernanceRetention")
    return True


def delete_conditions(request: Request) -> WriteConditions:
    """If-Match, and the two of S3's own for deletes. Raises: InvalidArgument."""
    headers = request.headers
    modified, size = headers.get(b"x-amz-if-match-last-modified-time"), headers.get(b"x-amz-if-match-size")
    conditions = write_conditions(request)
    if modified is None and size is None:
        return conditions
    return conditions._replace(
        at_second=None if modified is None else parse_second(modified.decode("latin-1")),
        size=None if size is None else parse_size(size.decode("latin-1")),
    )


def parse_second(text: str) -> int:
    """Seconds since 1970 of an HTTP-date. Raises: InvalidArgument."""
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        raise InvalidArgument("x-amz-if-match-last-modified-time is not a date") from None


def parse_size(text: str) -> int:
    """Raises: InvalidArgument."""
    if not text.isascii() or not text.isdigit() or len(text) > 19:  # noqa: PLR2004 - digits of 2^63
        raise InvalidArgument("x-amz-if-match-size is not a number of bytes")
    return int(text)


def deleted_headers(bucket: Bucket, outcome: Outcome, version_id: str | None) -> list[Header]:
    """Which marker was made, or which version ended."""
    if bucket.options.versioning == "off" and version_id is None:
        return []
    ended = outcome.version
    headers: list[Header] = []
    if ended is not None and ended.is_marker:
        headers.append((b"x-amz-delete-marker", b"true"))
    name = version_id if version_id is not None else None if ended is None else version_name(ended)
    if name is not None:
        headers.append((b"x-amz-version-id", name.encode("latin-1", "replace")))
    return headers
