"""A file's bytes under another key, or back from the trash."""

from fastapi import APIRouter
from starlette.responses import Response

from storage_service.app.apis.documented import problems
from storage_service.app.apis.door import BucketName, Call, Caller, DoorRoute, Json, KeyOrId
from storage_service.app.apis.resolve import File, allow, in_words, no_such_file, no_such_version
from storage_service.app.core.changes import DeleteOptions
from storage_service.app.core.copying import Copying, attributes_of
from storage_service.app.core.errors import KeyAlreadyExists, NoSuchKey, NoSuchVersion
from storage_service.app.core.objects import Bucket, Version, WriteConditions, check_key
from storage_service.app.edge.conditions import write_conditions
from storage_service.app.schemas.files import FileOut, file_record
from storage_service.app.schemas.requests import CopyIn, RestoreIn

ERRORS = problems(400, 401, 403, 404, 409, 412, 413, 415, 422, 503, 507)

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["files"])


@router.post(
    "/files/copy",
    operation_id="files.copy",
    summary="Copy a file",
    status_code=201,
    response_model=FileOut,
    responses=ERRORS,
)
@allow("write_object")
async def copy(call: Call, body: CopyIn) -> Response:
    """Within a bucket or between two. No byte is copied where the disk can link. Conditions speak of the target."""
    return await transfer(call, body, move=False)


@router.post(
    "/files/move",
    operation_id="files.move",
    summary="Move or rename a file",
    status_code=201,
    response_model=FileOut,
    responses=ERRORS,
)
@allow("write_object")
async def move(call: Call, body: CopyIn) -> Response:
    """The file keeps its id. Target and source change in one commit."""
    return await transfer(call, body, move=True)


async def transfer(call: Caller, body: CopyIn, *, move: bool) -> Response:
    """Copy or move one file, as the caller may. Raises: what refuses it."""
    target = await call.bucket(body.target.bucket, "write_object", body.target.key)
    source = await _source(call, body, move=move)
    attributes = attributes_of(source.version)
    if not move:  # a copy is its maker's: the source's uploader gets no say in it
        attributes = attributes._replace(owner=call.principal.subject)
    if body.metadata is not None:
        attributes = attributes._replace(metadata=body.metadata)
    copying = Copying(
        source.bucket,
        source.key,
        target,
        check_key(body.target.key),
        source.version.version_id,  # what was authorised, even if it is overwritten now
        attributes,
        conditions=write_conditions(call.request, must_be_new=not body.overwrite),
        move=move,
    )
    return await _commit(call, copying)


async def _source(call: Caller, body: CopyIn, *, move: bool) -> File:
    """The source, which the caller may read, and for a move delete."""
    place = body.source
    source = await call.file(place.bucket, place.key, place.version_id, "read_object")
    if move:
        source = await call.file(place.bucket, place.key, place.version_id, "delete_object")
    if source.version.is_marker:
        raise NoSuchVersion("This version is a delete marker", bucket=source.bucket.name, key=place.key)
    return source


async def _commit(call: Caller, copying: Copying) -> Response:
    try:
        outcome = await call.store.copy_object(copying, call.actor)
    except NoSuchKey as error:
        raise in_words(error, copying.source, copying.source_key) from None
    except KeyAlreadyExists as error:
        raise in_words(error, copying.target, copying.target_key) from None
    version = outcome.version
    if version is None:
        raise no_such_file(copying.source, copying.source_key)
    headers = {"ETag": f'"{version.etag}"', "X-Version-Id": version.version_id}
    return Json(file_record(version, copying.target, call.context.names), 201, headers)


@router.post(
    "/files/restore/{bucket}/{key:key}",
    operation_id="files.restore",
    summary="Bring a deleted file or an older version back",
    status_code=201,
    response_model=FileOut,
    responses=ERRORS,
)
@allow("write_object_meta")
async def restore(call: Call, bucket: BucketName, key: KeyOrId, body: RestoreIn | None = None) -> Response:
    """The version named, else the newest that is not current, becomes the current one again."""
    found = await call.bucket(bucket, key=key)
    version = await _earlier(call, found, key, body.version_id if body else None)
    copying = Copying(
        found,
        key,
        found,
        key,
        version.version_id,
        attributes=attributes_of(version)._replace(expires_ms=None),  # or it would be gone again at once
        conditions=write_conditions(call.request),
    )
    return await _commit(call, copying)


async def bring_back(call: Caller, bucket: Bucket, key: str) -> None:
    """Undo a deletion, if nothing has taken the key's place. Raises: KeyAlreadyExists, and what refuses it."""
    await call.bucket(bucket.name, "write_object_meta", key)
    versions = await call.store.list_versions(bucket, key, trash=True)
    current = next((version for version in versions if version.gone_ms is None), None)
    if current is not None and not current.is_marker:
        raise in_words(KeyAlreadyExists(key=key), bucket, key)
    if current is not None:
        await call.store.delete_object(bucket, key, call.actor, DeleteOptions(current.version_id, purge=True))
        return
    version = await _earlier(call, bucket, key, None)
    attributes = attributes_of(version)._replace(expires_ms=None)
    conditions = WriteConditions(must_be_new=True)
    copying = Copying(bucket, key, bucket, key, version.version_id, attributes=attributes, conditions=conditions)
    await call.store.copy_object(copying, call.actor)


async def _earlier(call: Caller, bucket: Bucket, key: str, version_id: str | None) -> Version:
    versions = await call.store.list_versions(bucket, key, trash=True)
    if version_id is not None:
        for version in versions:
            if version.version_id == version_id and not version.is_marker:
                return version
        raise no_such_version(bucket, key, version_id)
    current = next((version for version in versions if version.gone_ms is None), None)
    for version in versions:
        if version is not current and not version.is_marker:
            return version
    raise no_such_file(bucket, key)
