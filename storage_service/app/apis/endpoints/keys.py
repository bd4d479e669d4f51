"""S3 access keys: made, listed, revoked; and the signature doctor."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from storage_service.app.apis.documented import problems
from storage_service.app.apis.door import Call, Caller, DoorRoute, Json
from storage_service.app.apis.resolve import allow
from storage_service.app.core.errors import AccessDenied, NoSuchAccessKey
from storage_service.app.core.key_making import make_key, parse_scope, revoked
from storage_service.app.core.keys import AccessKey
from storage_service.app.schemas.keys import KeyCreate, KeyMade, KeyOut, KeysOut, SignatureReports, key_record
from storage_service.app.schemas.requests import milliseconds

UNCACHED = {"Cache-Control": "no-store"}

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["keys"])
KeyId = Annotated[str, Path(description="The access key.", examples=["2RZ1K9MXQ7V4T8WJ3HDN"])]


@router.post(
    "/api/v1/keys",
    operation_id="keys.create",
    summary="Make an S3 access key",
    status_code=201,
    response_model=KeyMade,
    responses=problems(400, 401, 403, 422, 503, 507),
)
@allow("manage_keys")
async def create(call: Call, body: KeyCreate) -> Response:
    """The caller's own, or that of another user if an admin makes it. Its secret is shown in this answer only."""
    call.check()
    owner, ids = _owner(call, body)
    scope = parse_scope(body.buckets, body.actions)
    expires_ms = milliseconds(body.expires_at)
    key = make_key(owner, ids, scope=scope, expires_ms=expires_ms, description=body.description)
    await asyncio.to_thread(call.context.keys.add, key)
    return Json({**key_record(key, {}), "secret_key": key.secret}, 201, UNCACHED)


def _owner(call: Caller, body: KeyCreate) -> tuple[str, frozenset[str]]:
    principal = call.principal
    if body.owner_id is None or body.owner_id == principal.subject:
        return principal.subject, principal.ids
    if body.owner_id in principal.ids:
        return body.owner_id, principal.ids
    if not principal.admin:
        raise AccessDenied("Only admins make keys for others")
    return body.owner_id, frozenset({body.owner_id})


@router.get(
    "/api/v1/keys",
    operation_id="keys.list",
    summary="List S3 access keys",
    response_model=KeysOut,
    responses=problems(401, 403, 422),
)
@allow("manage_keys")
async def list_all(
    call: Call,
    include_revoked: bool = False,
) -> Response:
    """Own ones, oldest first; everybody's to admins. Never with a secret."""
    call.check()
    found = [key for key in await asyncio.to_thread(call.context.keys.all) if _may_see(call, key)]
    used = await asyncio.to_thread(call.context.keys.last_used)
    shown = sorted((key for key in found if include_revoked or key.revoked_ms is None), key=lambda key: key.created_ms)
    return Json({"keys": [key_record(key, used) for key in shown]}, headers=UNCACHED)


@router.get(
    "/api/v1/keys/{access_key}",
    operation_id="keys.get",
    summary="One S3 access key",
    response_model=KeyOut,
    responses=problems(401, 403, 404),
)
@allow("manage_keys")
async def get(call: Call, access_key: KeyId) -> Response:
    key = await _key(call, access_key)
    return Json(key_record(key, await asyncio.to_thread(call.context.keys.last_used)), headers=UNCACHED)


@router.delete(
    "/api/v1/keys/{access_key}",
    operation_id="keys.revoke",
    summary="Revoke an S3 access key",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 503, 507),
)
@allow("manage_keys")
async def revoke(call: Call, access_key: KeyId) -> Response:
    """From the next request on it is refused by every worker, and its secret is gone. Its record stays."""
    key = await _key(call, access_key)
    await asyncio.to_thread(call.context.keys.replace, revoked(key))
    return Response(status_code=204)


async def _key(call: Caller, access_key: str) -> AccessKey:
    """One the caller may see; of another's it is not even told that it exists."""
    call.check()
    for key in await asyncio.to_thread(call.context.keys.all):
        if key.access_key == access_key and _may_see(call, key):
            return key
    raise NoSuchAccessKey("There is no such access key")


def _may_see(call: Caller, key: AccessKey) -> bool:
    return call.principal.admin or key.owner in call.principal.ids


@router.get(
    "/api/v1/signature-doctor",
    operation_id="keys.doctor",
    summary="Why S3 signatures were refused",
    response_model=SignatureReports,
    responses=problems(401, 403, 422),
)
@allow("admin")
async def doctor(
    call: Call,
    limit: Annotated[int, Query(ge=1, le=64)] = 10,
    request_id: Annotated[str | None, Query(max_length=128, description="As an S3 error tells it.")] = None,
) -> Response:
    """The last refused requests, newest first: which line differs, and what to change."""
    call.check()
    reports: list[dict[str, Any]] = await call.context.diagnose(limit if request_id is None else 64)
    if request_id is not None:
        reports = [report for report in reports if report["request_id"] == request_id]
    return Json({"requests": reports[:limit]}, headers=UNCACHED)
