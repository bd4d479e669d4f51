"""What is said of files, and their end: info, metadata, tags, delete (contract §4.2)."""

import asyncio
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from pydantic import ValidationError
from starlette.responses import Response

from storage_service.app.apis.documented import problems, with_headers
from storage_service.app.apis.door import BucketName, Call, Caller, DoorRoute, Json, KeyOrId
from storage_service.app.apis.resolve import File, allow, conditions_with, in_words
from storage_service.app.core.changes import DeleteOptions, PatchOptions
from storage_service.app.core.copying import attributes_of
from storage_service.app.core.errors import (
    AccessDenied,
    NoSuchKey,
    NoSuchVersion,
    StorageError,
    ValidationFailed,
)
from storage_service.app.core.objects import Version, WriteConditions
from storage_service.app.edge.conditions import write_conditions
from storage_service.app.edge.status import status_of
from storage_service.app.schemas.answers import BulkDeleteOut, TagsOut
from storage_service.app.schemas.files import FileOut, file_record
from storage_service.app.schemas.requests import BulkDeleteIn, MetadataIn, TagsIn

AT_ONCE = 32  # deletes of one bulk request in flight: they share commits, and leave room for others

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["files"])

VersionId = Annotated[str | None, Query(max_length=64, description="One version instead of the current one.")]
ETAG = with_headers(200, "The file", ETag="Of the content, quoted", X_Version_Id="The version")


@router.get(
    "/files/info/{bucket}/{key:key}",
    operation_id="files.info",
    summary="What is known of a file",
    response_model=FileOut,
    responses=problems(401, 403, 404) | ETAG,
)
@allow("read_object_meta")
async def info(call: Call, bucket: BucketName, key: KeyOrId, version_id: VersionId = None) -> Response:
    """Everything but its bytes."""
    file = await call.file(bucket, key, version_id)
    if file.version.is_marker:
        raise NoSuchVersion("This version is a delete marker", bucket=file.bucket.name, key=key)
    return _answer(call, file)


@router.put(
    "/files/metadata/{bucket}/{key:key}",
    operation_id="files.replace_metadata",
    summary="Replace a file's metadata",
    response_model=FileOut,
    responses=problems(400, 401, 403, 404, 412, 422, 503) | ETAG,
)
@allow("write_object_meta")
async def replace_metadata(
    call: Call, bucket: BucketName, key: KeyOrId, body: MetadataIn, version_id: VersionId = None
) -> Response:
    """`metadata` becomes exactly what is sent. Other fields change only if they are sent. Honours If-Match."""
    file = await call.file(bucket, key, version_id)
    return await _patch(call, file, body.fields(), version_id)


@router.patch(
    "/files/metadata/{bucket}/{key:key}",
    operation_id="files.merge_metadata",
    summary="Change some of a file's metadata",
    response_model=FileOut,
    responses=problems(400, 401, 403, 404, 412, 422, 503) | ETAG,
)
@allow("write_object_meta")
async def merge_metadata(
    call: Call, bucket: BucketName, key: KeyOrId, body: MetadataIn, version_id: VersionId = None
) -> Response:
    """Names that are sent are set, null takes one out (RFC 7396). Honours If-Match."""
    file = await call.file(bucket, key, version_id)
    fields = body.fields()
    if "metadata" in fields:
        _check_merged({**attributes_of(file.version).metadata, **fields["metadata"]})
    return await _patch(call, file, fields, version_id, merge=True)


def _check_merged(metadata: dict[str, Any]) -> None:
    """Many small merges must not grow past what one request may send."""
    try:
        MetadataIn(metadata=metadata)
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        fault: dict[str, object] = {"loc": ["body", "metadata"], "msg": message, "type": "value_error"}
        raise ValidationFailed(f"Merged metadata {message}", [fault]) from None


async def _patch(
    call: Caller, file: File, fields: dict[str, Any], version_id: str | None, *, merge: bool = False
) -> Response:
    conditions = conditions_with(file, write_conditions(call.request))
    options = PatchOptions(version_id, merge, conditions)
    try:
        version = await call.store.patch_object(file.bucket, file.key, fields, call.actor, options)
    except NoSuchKey as error:
        raise in_words(error, file.bucket, file.key) from None
    return _answer(call, File(file.bucket, version))


def _answer(call: Caller, file: File) -> Response:
    headers = {"ETag": f'"{file.version.etag}"', "X-Version-Id": file.version.version_id}
    return Json(file_record(file.version, file.bucket, call.context.names), headers=headers)


@router.get(
    "/files/tags/{bucket}/{key:key}",
    operation_id="files.get_tags",
    summary="A file's tags",
    response_model=TagsOut,
    responses=problems(401, 403, 404),
)
@allow("read_object_meta")
async def get_tags(call: Call, bucket: BucketName, key: KeyOrId, version_id: VersionId = None) -> Response:
    file = await call.file(bucket, key, version_id)
    return Json(_tags(file.version))


@router.put(
    "/files/tags/{bucket}/{key:key}",
    operation_id="files.set_tags",
    summary="Replace a file's tags",
    response_model=TagsOut,
    responses=problems(400, 401, 403, 404, 412, 422, 503),
)
@allow("write_object_meta")
async def set_tags(
    call: Call, bucket: BucketName, key: KeyOrId, body: TagsIn, version_id: VersionId = None
) -> Response:
    file = await call.file(bucket, key, version_id)
    await _patch(call, file, {"tags": body.tags}, version_id)
    return Json({"tags": body.tags})


@router.delete(
    "/files/tags/{bucket}/{key:key}",
    operation_id="files.delete_tags",
    summary="Take all tags off a file",
    status_code=204,
    response_class=Response,
    responses=problems(400, 401, 403, 404, 412, 503),
)
@allow("write_object_meta")
async def delete_tags(call: Call, bucket: BucketName, key: KeyOrId, version_id: VersionId = None) -> Response:
    file = await call.file(bucket, key, version_id)
    await _patch(call, file, {"tags": {}}, version_id)
    return Response(status_code=204)


def _tags(version: Version) -> dict[str, Any]:
    return {"tags": orjson.loads(version.doc).get("tags") or {}}


@router.post(
    "/files/delete",
    operation_id="files.delete_many",
    summary="Delete up to 1,000 files of a bucket",
    response_model=BulkDeleteOut,
    responses=problems(400, 401, 403, 404, 422, 503),
)
@allow("delete_object")
async def delete_many(call: Call, body: BulkDeleteIn) -> Response:
    """One result per key, in the order sent: 204, or the error that key met. The others go on."""
    try:
        await call.bucket(body.bucket)
    except AccessDenied:
        if not call.principal.ids:  # a user may still have uploaded some of them
            raise
    keys = list(dict.fromkeys(body.keys))
    results: list[dict[str, Any]] = []
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        results += await asyncio.gather(*(_delete_one(call, body, key) for key in some))
    return Json({"deleted": sum(result["status"] == 204 for result in results), "results": results})  # noqa: PLR2004


async def _delete_one(call: Caller, body: BulkDeleteIn, key: str) -> dict[str, Any]:
    try:
        file = await call.file(body.bucket, key)
        await _end(call, file, DeleteOptions(conditions=conditions_with(file, WriteConditions()), purge=body.purge))
    except StorageError as error:
        return {"key": key, "status": status_of(error), "code": error.code, "detail": error.detail}
    return {"key": key, "status": 204}


@router.delete(
    "/files/{bucket}/{key:key}",
    operation_id="files.delete",
    summary="Delete a file",
    status_code=204,
    response_class=Response,
    responses=problems(400, 401, 403, 404, 412, 503)
    | with_headers(204, "It is gone", X_Version_Id="What was ended, or the delete marker", X_Delete_Marker="true"),
)
@allow("delete_object")
async def delete(
    call: Call,
    bucket: BucketName,
    key: KeyOrId,
    version_id: VersionId = None,
    purge: Annotated[bool, Query(description="Skip the trash.")] = False,
) -> Response:
    """It goes to the trash; where versions are kept, a delete marker takes its place. Honours If-Match."""
    file = await call.file(bucket, key, version_id)
    conditions = conditions_with(file, write_conditions(call.request))
    ended = await _end(call, file, DeleteOptions(version_id, conditions, purge))
    headers = {} if ended is None else {"X-Version-Id": ended.version_id}
    if ended is not None and ended.is_marker and version_id is None:
        headers["X-Delete-Marker"] = "true"
    return Response(status_code=204, headers=headers)


async def _end(call: Caller, file: File, options: DeleteOptions) -> Version | None:
    try:
        outcome = await call.store.delete_object(file.bucket, file.key, call.actor, options)
    except NoSuchKey as error:
        raise in_words(error, file.bucket, file.key) from None
    return outcome.version
