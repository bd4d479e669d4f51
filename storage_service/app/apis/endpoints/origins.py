"""Origins of buckets: read-through move-in from an old server. For admins."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from storage_service.app.apis.documented import problems
from storage_service.app.apis.door import BucketName, Call, Caller, DoorRoute, Json
from storage_service.app.apis.resolve import allow
from storage_service.app.core.errors import NoSuchOrigin
from storage_service.app.core.objects import Bucket, now_ms
from storage_service.app.core.origins import CONFIG, check_origin, ended, render_origin
from storage_service.app.schemas.origins import OriginObjects, OriginOut, OriginSet, origin_record

MOST_OBJECTS = 1000

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["origins"])


@router.put(
    "/api/v1/buckets/{bucket}/origin",
    operation_id="origins.set",
    summary="Let a bucket take what is missing from an old server",
    response_model=OriginOut,
    responses=problems(400, 401, 403, 404, 422, 503),
)
@allow("admin")
async def set_origin(call: Call, bucket: BucketName, body: OriginSet) -> Response:
    """An object that is not here is fetched from there, kept, and served. From now on deletes leave a marker."""
    found = await _bucket(call, bucket)
    origin = check_origin(body.origin(found))
    secret = await asyncio.to_thread(call.context.origins.seal, found.uuid, body.secret_key)
    config = {CONFIG: render_origin(origin._replace(secret=secret), now_ms())}
    return Json(origin_record(await call.store.update_bucket(found, {"config": config}, call.actor)))


@router.get(
    "/api/v1/buckets/{bucket}/origin",
    operation_id="origins.get",
    summary="A bucket's origin",
    response_model=OriginOut,
    responses=problems(401, 403, 404),
)
@allow("admin")
async def get(call: Call, bucket: BucketName) -> Response:
    return Json(origin_record(_with_origin(await _bucket(call, bucket))))


@router.delete(
    "/api/v1/buckets/{bucket}/origin",
    operation_id="origins.end",
    summary="Cut a bucket off from its origin",
    response_model=OriginOut,
    responses=problems(401, 403, 404, 503),
)
@allow("admin")
async def end(call: Call, bucket: BucketName) -> Response:
    """It is asked no more, and its secret is forgotten. What has not arrived by now does not."""
    found = _with_origin(await _bucket(call, bucket))
    config = {CONFIG: ended(found.options.config[CONFIG], now_ms())}
    return Json(origin_record(await call.store.update_bucket(found, {"config": config}, call.actor)))


@router.get(
    "/api/v1/buckets/{bucket}/origin/objects",
    operation_id="origins.objects",
    summary="What the origin has, and what became of it here",
    response_model=OriginObjects,
    responses=problems(401, 403, 404, 422, 503),
)
@allow("admin")
async def objects(
    call: Call,
    bucket: BucketName,
    after: Annotated[str, Query(max_length=1024, description="Keys behind this one.")] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_OBJECTS)] = MOST_OBJECTS,
) -> Response:
    """A page in the order of keys. Reading an object that is `missing` makes it arrive."""
    found = _with_origin(await _bucket(call, bucket))
    page = await call.store.compare_origin(found, after, limit)
    following = page[-1].key if len(page) == limit else None
    return Json({"objects": [one._asdict() for one in page], "next": following})


async def _bucket(call: Caller, name: str) -> Bucket:
    call.check()
    return await call.store.bucket(name)


def _with_origin(bucket: Bucket) -> Bucket:
    if CONFIG not in bucket.options.config:
        raise NoSuchOrigin("The bucket has no origin", bucket=bucket.name)
    return bucket
