"""Buckets (contract §4.1)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from storage_service.app.apis.documented import problems
from storage_service.app.apis.door import BucketName, Call, Caller, DoorRoute, Json
from storage_service.app.apis.resolve import allow
from storage_service.app.core.errors import AccessDenied, InvalidBucketName, ValidationFailed
from storage_service.app.core.objects import Bucket, BucketOptions, Usage
from storage_service.app.core.security import may_see
from storage_service.app.schemas.buckets import BucketCreate, BucketOut, BucketUpdate, bucket_record

# Their URLs would be read as something else: `/files/resumable/...`, `/files/tags/...`, and `/storage/buckets`
# and `/storage/files` of generation C. Source: contract §4.2, design §1.
TAKEN_NAMES = frozenset({"resumable", "tags", "buckets", "files"})

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["buckets"])


@router.post(
    "/buckets",
    operation_id="buckets.create",
    summary="Make a bucket",
    status_code=201,
    response_model=BucketOut,
    responses=problems(400, 401, 403, 409, 422, 503),
)
@allow("create_bucket")
async def create(call: Call, body: BucketCreate) -> Response:
    """The caller owns it. Without `is_public` it is what the operator chose as default."""
    call.check()
    if body.name in TAKEN_NAMES:
        raise InvalidBucketName(f"The name '{body.name}' is taken by a route of this service", bucket=body.name)
    options = BucketOptions(**{"public": call.context.options.default_bucket_public, **body.options()})
    bucket = await call.store.create_bucket(body.name, _owner(call, body), options, call.actor)
    return Json(bucket_record(bucket, Usage()), 201, {"Location": f"/buckets/{bucket.name}"})


def _owner(call: Caller, body: BucketCreate) -> str:
    if body.owner_id is None or body.owner_id in call.principal.ids:
        return body.owner_id or call.principal.subject
    if not call.principal.admin:
        raise AccessDenied("Only admins make buckets for others", bucket=body.name)
    return body.owner_id


@router.get(
    "/buckets",
    operation_id="buckets.list",
    summary="List the buckets the caller may see",
    response_model=list[BucketOut],
    responses=problems(401, 422),
)
@allow("list_buckets")
async def list_all(
    call: Call,
    limit: Annotated[int | None, Query(ge=1, description="All, if left out.")] = None,
    offset: Annotated[int, Query(ge=0)] = 0,
    search: Annotated[str, Query(max_length=255, description="A part of the name; case is ignored.")] = "",
) -> Response:
    """Own and public ones, by name; all to admins. Without a credential the public ones."""
    call.check()
    wanted = search.lower()
    seen = [b for b in await call.store.list_buckets() if may_see(call.principal, b) and wanted in b.name]
    page = seen[offset:][:limit]
    usages = await call.store.usages("bucket") if page else {}
    records = [bucket_record(bucket, usages.get(str(bucket.id), Usage())) for bucket in page]
    return Json(records, headers={"X-Total-Count": str(len(seen))})


@router.get(
    "/buckets/{bucket}",
    operation_id="buckets.get",
    summary="One bucket with its counters",
    response_model=BucketOut,
    responses=problems(401, 403, 404),
)
@allow("read_bucket")
async def get(call: Call, bucket: BucketName) -> Response:
    return Json(await _record(call, await call.bucket(bucket)))


@router.put(
    "/buckets/{bucket}",
    operation_id="buckets.update",
    summary="Change a bucket's options",
    response_model=BucketOut,
    responses=problems(400, 401, 403, 404, 422, 503),
)
@router.patch("/buckets/{bucket}", include_in_schema=False)
@allow("update_bucket")
async def update(call: Call, bucket: BucketName, body: BucketUpdate) -> Response:
    """Options that are left out keep their value."""
    found = await call.bucket(bucket)
    if body.name not in (None, found.name):
        raise _fault("name", "A bucket cannot be renamed")
    options = body.options()
    if options:
        found = await call.store.update_bucket(found, options, call.actor)
    return Json(await _record(call, found))


@router.delete(
    "/buckets/{bucket}",
    operation_id="buckets.delete",
    summary="Delete a bucket",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 409, 422, 503),
)
@allow("delete_bucket")
async def delete(
    call: Call,
    bucket: BucketName,
    force: Annotated[bool, Query(description="Delete all it holds, too; it goes to the trash.")] = False,
) -> Response:
    """Refused while it holds files, unless `force` or the operator's choice says otherwise."""
    found = await call.bucket(bucket)
    cascade = force or call.context.options.bucket_delete == "cascade"
    if cascade:
        await call.bucket(bucket, "delete_object", key="")  # whom a policy lets end the bucket may not empty it
    await call.store.delete_bucket(found, call.actor, force=cascade)
    return Response(status_code=204)


async def _record(call: Caller, bucket: Bucket) -> dict[str, Any]:
    return bucket_record(bucket, await call.store.usage(bucket))


def _fault(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(message, [{"loc": ["body", field], "msg": message, "type": "value_error"}])
