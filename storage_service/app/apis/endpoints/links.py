"""Signed links, and uploads announced beforehand. The token stands in the path (contract §5)."""

import time

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from storage_service.app.apis.context import Context
from storage_service.app.apis.documented import problems
from storage_service.app.apis.door import BucketName, Call, Caller, DoorRoute, Json, KeyOrId
from storage_service.app.apis.resolve import allow
from storage_service.app.core.errors import NoSuchKey
from storage_service.app.core.links import LinkGrant
from storage_service.app.core.objects import Bucket, check_key, new_id
from storage_service.app.edge.mime import check_type
from storage_service.app.edge.names import iso, quote_key
from storage_service.app.schemas.answers import DownloadLinkOut, InitiateOut, UploadLinkOut
from storage_service.app.schemas.requests import DownloadLinkIn, InitiateIn, UploadLinkIn

ERRORS = problems(400, 401, 403, 404, 413, 415, 422, 503, 507)

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["links"])


@router.post(
    "/files/presigned-url/upload/{bucket}/{key:key}",
    operation_id="links.upload",
    summary="A link that uploads to this key",
    response_model=UploadLinkOut,
    responses=ERRORS,
)
@allow("sign_upload")
async def sign_upload(call: Call, bucket: BucketName, key: KeyOrId, body: UploadLinkIn | None = None) -> Response:
    """Whoever has it may send the bytes, with no other credential."""
    wanted = body or UploadLinkIn()
    found = await call.bucket(bucket, key=key)
    grant = LinkGrant(
        found.uuid,
        check_key(key),
        wanted.method,
        _expiry(wanted.expires_in_seconds),
        max_bytes=wanted.max_bytes,
        content_type=_type(wanted.content_type),
        once=new_id() if wanted.once else None,
        uploader=call.principal.subject,
        overwrite=wanted.overwrite,
    )
    _admit(call, found, grant, wanted.max_bytes)
    url = _url(call.context, "upload-signed", found, grant)
    return Json({"upload_url": url, "method": grant.method, "expires_at": iso(grant.expires_at * 1000)})


@router.post(
    "/files/presigned-url/download/{bucket}/{key:key}",
    operation_id="links.download",
    summary="A link that downloads this file",
    response_model=DownloadLinkOut,
    responses=ERRORS,
)
@allow("sign_download")
async def sign_download(call: Call, bucket: BucketName, key: KeyOrId, body: DownloadLinkIn | None = None) -> Response:
    """Whoever has it may read the file, with no other credential."""
    wanted = body or DownloadLinkIn()
    file = await call.file(bucket, key)
    expiry = _expiry(wanted.expires_in_seconds)
    once = new_id() if wanted.once else None
    grant = LinkGrant(file.bucket.uuid, file.key, "GET", expiry, once=once, disposition=wanted.disposition)
    url = _url(call.context, "download-signed", file.bucket, grant)
    return Json({"download_url": url, "method": "GET", "expires_at": iso(expiry * 1000)})


@router.post(
    "/files/initiate-upload",
    operation_id="files.initiate_upload",
    summary="Announce an upload and get its link and file id",
    status_code=201,
    response_model=InitiateOut,
    responses=ERRORS,
)
@allow("sign_upload")
async def initiate_upload(call: Call, body: InitiateIn) -> Response:
    """Nothing is stored until the bytes arrive. The link carries the metadata; `fields` say it again in a form."""
    found = await call.bucket(body.bucket_id, key=body.filename)
    grant = LinkGrant(
        found.uuid,
        check_key(body.filename),
        "PUT",
        _expiry(body.expires_in_seconds),
        max_bytes=body.size,
        content_type=_type(body.content_type),
        uploader=call.principal.subject,
        file_id=await _file_id(call, found, body.filename),
        overwrite=body.overwrite,
        metadata=body.metadata or None,
    )
    _admit(call, found, grant, body.size)
    answer = {
        "upload_url": _url(call.context, "upload-signed", found, grant),
        "method": grant.method,
        "file_id": grant.file_id,
        "expires_at": iso(grant.expires_at * 1000),
        "fields": {} if body.metadata is None else {"metadata": orjson.dumps(body.metadata).decode()},
    }
    return Json(answer, 201)


async def _file_id(call: Caller, bucket: Bucket, key: str) -> str:
    """The id the file will have: its own if the key is there already, as an overwrite keeps it."""
    try:
        return (await call.store.head_object(bucket, key)).file_id
    except NoSuchKey:
        return new_id()


def _admit(call: Caller, bucket: Bucket, grant: LinkGrant, size: int | None) -> None:
    """Refuse a link whose upload would be refused."""
    call.store.admit(bucket, grant.key, size, grant.content_type)


def _type(content_type: str | None) -> str | None:
    return check_type(content_type) or None if content_type else None


def _expiry(seconds: int) -> int:
    return int(time.time()) + seconds


def _url(context: Context, verb: str, bucket: Bucket, grant: LinkGrant) -> str:
    token = context.links.sign(grant)
    return f"{context.names.public_url}/files/{verb}/{token}/{bucket.name}/{quote_key(grant.key)}"
