"""Who may write to an upload: any credential of the other doors, or a signed upload link.

A link stands in `X-Signature` (as storage-js sends it) or in the query (`token`). It must have been valid when the
upload began; then the upload may be finished with it.
"""

import time

import orjson

from storage_service.app.core.errors import AccessDenied, NoSuchBucket, NoSuchUpload
from storage_service.app.core.gate import Passage, pass_gate
from storage_service.app.core.links import LinkGrant
from storage_service.app.core.objects import Bucket, Upload
from storage_service.app.core.pieces import parse_options
from storage_service.app.core.security import Principal
from storage_service.app.edge.request import Request
from storage_service.app.tus.context import Context


def link_of(context: Context, request: Request, at_seconds: float | None = None) -> LinkGrant | None:
    """The grant of the link the request bears; None where it bears none. Raises: AccessDenied, LinkExpired."""
    token = request.header(b"x-signature") or request.query.get("token")
    if not token:
        return None
    grant = context.links.verify(token, time.time() if at_seconds is None else at_seconds)
    if grant.method == "GET":
        raise AccessDenied("This link does not allow uploads", key=grant.key)
    return grant


async def principal_of(context: Context, request: Request, grant: LinkGrant | None) -> Principal:
    """Raises: Unauthenticated."""
    return grant.principal if grant is not None else await context.access.resolve(request.scope["headers"])


async def allow(context: Context, principal: Principal, bucket: Bucket, key: str) -> None:
    """Raises: Unauthenticated, AccessDenied."""
    await pass_gate(context.store, Passage(principal, "write_object", bucket, key, None, context.rules))


async def open_upload(context: Context, request: Request, upload_id: str) -> tuple[Bucket, Upload]:
    """The upload and its bucket, if the caller may write there. Raises: NoSuchUpload, Unauthenticated, AccessDenied."""
    upload = await context.resumables.find(upload_id)
    grant = link_of(context, request, min(time.time(), upload.at_ms / 1000))
    principal = await principal_of(context, request, grant)
    bucket = await _bucket(context, upload)
    key = upload.key or (grant.key if grant is not None else "")  # a piece of a link's upload has no key of its own
    await allow(context, principal, bucket, key)
    return bucket, upload


async def _bucket(context: Context, upload: Upload) -> Bucket:
    """By the id it had when the upload began: never a namesake. Raises: NoSuchUpload."""
    try:
        bucket = await context.store.bucket(str(note_of(upload).get("bucket")))
    except NoSuchBucket:
        raise NoSuchUpload("The upload's bucket was deleted") from None
    if bucket.id != upload.bucket:
        raise NoSuchUpload("The upload's bucket was deleted")
    return bucket


def note_of(upload: Upload) -> dict[str, str]:
    """What this door keeps of the request that began the upload: `bucket` (id), `metadata` and `concat` as sent."""
    note: dict[str, str] = orjson.loads(parse_options(upload.doc).note or "{}")
    return note
