"""Uploads that have begun and not ended, of every door: seen and ended."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from storage_service.app.apis.documented import problems
from storage_service.app.apis.door import BucketName, Call, DoorRoute, Json
from storage_service.app.apis.endpoints.listing import parse_cursor, render_cursor
from storage_service.app.apis.resolve import allow
from storage_service.app.core.objects import Bucket, Upload
from storage_service.app.core.pieces import UploadsQuery
from storage_service.app.edge.names import iso
from storage_service.app.schemas.bulk import UnfinishedUploadsOut

PAGE = 1000
BETWEEN = "\0"  # of key and id in a cursor: no key holds it

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["files"])


@router.get(
    "/api/v1/uploads/{bucket}",
    operation_id="uploads.list",
    summary="Uploads that are not finished",
    response_model=UnfinishedUploadsOut,
    responses=problems(400, 401, 403, 404, 422),
)
@allow("delete_object")
async def list_uploads(
    call: Call,
    bucket: BucketName,
    prefix: Annotated[str, Query(max_length=1024)] = "",
    cursor: Annotated[str, Query(max_length=4096)] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> Response:
    """Multipart and resumable ones, by key. What has come of them counts in the bucket's usage."""
    found = await call.bucket(bucket)
    after_key, _, after_id = parse_cursor(cursor).partition(BETWEEN)
    query = UploadsQuery(prefix, after_key=after_key, after_id=after_id, limit=limit)
    page = await call.context.uploads.list_uploads(found, query)
    onward = None if page.cursor is None else render_cursor(BETWEEN.join(page.cursor))
    return Json({"uploads": [_record(found, upload) for upload in page.uploads], "cursor": onward})


def _record(bucket: Bucket, upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "bucket": bucket.name,
        "key": upload.key,
        "kind": upload.kind,
        "size": upload.size,
        "length": upload.length,
        "created_at": iso(upload.at_ms),
        "expires_at": iso(upload.expires_ms),
    }


@router.delete(
    "/api/v1/uploads/{bucket}/{upload_id}",
    operation_id="uploads.abort",
    summary="End an unfinished upload",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 503),
)
@allow("delete_object")
async def abort(
    call: Call, bucket: BucketName, upload_id: Annotated[str, Path(description="As the list tells it.")]
) -> Response:
    """What has come of it is thrown away."""
    found = await call.bucket(bucket)
    await call.context.uploads.end(found, upload_id)
    return Response(status_code=204)
