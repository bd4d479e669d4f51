"""Many files as one download: a ZIP of a prefix or a list, with length, ranges and a link for those without a login."""

import asyncio
import time
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from storage_service.app.apis.archive import Archive, ArchiveStream
from storage_service.app.apis.documented import problems, with_headers
from storage_service.app.apis.door import BucketName, Call, Caller, DoorRoute, Json
from storage_service.app.apis.resolve import allow
from storage_service.app.apis.streaming import ByteStream
from storage_service.app.core.archive_links import ArchiveGrant
from storage_service.app.core.archives import Selection, pin
from storage_service.app.core.errors import AccessDenied, InvalidArgument, LinkExpired, NotModified, SlowDown
from storage_service.app.core.objects import Bucket, Span, Version, check_key
from storage_service.app.core.protection import Asked
from storage_service.app.core.security import Action, Principal, authorize
from storage_service.app.edge.conditions import check, if_range_holds, parse_conditions
from storage_service.app.edge.facts import facts_of
from storage_service.app.edge.names import content_disposition, http_date, iso, quote_key
from storage_service.app.edge.ranges import content_range, parse_range
from storage_service.app.edge.request import Request
from storage_service.app.schemas.answers import ArchiveLinkOut
from storage_service.app.schemas.requests import ArchiveLinkIn

BINARY = {"schema": {"type": "string", "format": "binary"}}
ZIP = {"application/octet-stream": BINARY, "application/zip": BINARY}  # generators of clients know the first only
SENT = {
    "description": "The archive",
    "content": ZIP,
    "headers": with_headers(200, "", ETag="Of these files in these versions", Accept_Ranges="bytes")[200]["headers"],
}
ANSWERS = problems(400, 401, 403, 404, 412, 416, 422, 503) | {
    200: SENT,
    206: {"description": "The range that was asked for", "content": ZIP},
    304: {"description": "The files are those of If-None-Match"},
}

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["files"])


class Wish(NamedTuple):
    """Which archive: of what, who may read a version, and what it is to be called."""

    bucket: Bucket
    selection: Selection
    principal: Principal | None  # None: a link's, one for each key
    grant: ArchiveGrant | None
    name: str


@router.get(
    "/files/zip/{bucket}",
    operation_id="files.zip",
    summary="All files below a prefix as one ZIP",
    response_class=Response,
    responses=ANSWERS,
)
@allow("list_objects")
async def download(
    call: Call,
    bucket: BucketName,
    prefix: Annotated[str, Query(max_length=1024, description="Only keys that begin so; left out of the names.")] = "",
    name: Annotated[str | None, Query(max_length=200, description="The file name, without `.zip`.")] = None,
) -> Response:
    """Stored, not compressed, so that its length is known and a broken download goes on where it stopped."""
    found = await call.bucket(bucket, key=prefix)
    selection = Selection(prefix)
    return await _answer(call, Wish(found, selection, call.principal, None, name or _name(found, prefix)))


@router.post(
    "/files/zip",
    operation_id="files.zip_link",
    summary="A link to a ZIP of a prefix or of named files",
    response_model=ArchiveLinkOut,
    responses=problems(400, 401, 403, 404, 422, 503, 507),
)
@allow("sign_download")
async def sign(call: Call, body: ArchiveLinkIn) -> Response:
    """Whoever has it may download the archive as the files are then, with no other credential."""
    bucket = await call.bucket(body.bucket, "list_objects", body.prefix)
    selection = _selection(body)
    archive = await _archive(call, Wish(bucket, selection, call.principal, None, ""), "sign_download")
    expires_at = int(time.time()) + body.expires_in_seconds
    listed = None
    if selection.keys is not None:
        listed = await asyncio.to_thread(call.context.archives.lists.keep, selection.keys, expires_at * 1000)
    grant = ArchiveGrant(bucket.uuid, body.prefix, expires_at, listed, call.principal.subject)
    token = call.context.archives.signer.sign(grant)
    name = quote_key((body.name or _name(bucket, body.prefix)).replace("/", "_"))
    return Json(
        {
            "url": f"{call.context.names.public_url}/files/zip-signed/{token}/{name}.zip",
            "method": "GET",
            "expires_at": iso(expires_at * 1000),
            "files": len(archive.entries),
            "size": archive.size,
        }
    )


@router.get(
    "/files/zip-signed/{token}/{name}",
    operation_id="files.zip_signed",
    summary="The ZIP that a link stands for",
    response_class=Response,
    responses=ANSWERS,
)
@allow(None)
async def download_signed(
    call: Call,
    token: Annotated[str, Path(description="Made by `POST /files/zip`.")],
    name: Annotated[str, Path(description="How the download is called.")],
) -> Response:
    """The link is the credential: headers have no say."""
    archives = call.context.archives
    grant = archives.signer.verify(token, time.time())
    keys = None
    if grant.listed is not None:
        keys = await asyncio.to_thread(archives.lists.find, grant.listed)
        if keys is None:
            raise LinkExpired("This link has expired")
    bucket = await call.store.bucket(grant.bucket)
    wish = Wish(bucket, Selection(grant.prefix, keys), None, grant, name.removesuffix(".zip"))
    return await _answer(call, wish)


def _selection(body: ArchiveLinkIn) -> Selection:
    if body.keys is None:
        return Selection(body.prefix)
    for key in body.keys:
        if not check_key(key).startswith(body.prefix):
            raise InvalidArgument(f"The key '{key}' does not begin with the prefix", key=key)
    return Selection(body.prefix, tuple(dict.fromkeys(body.keys)))


def _name(bucket: Bucket, prefix: str) -> str:
    """The folder's, else the bucket's."""
    return prefix.rstrip("/").rpartition("/")[2] or bucket.name


async def _answer(call: Caller, wish: Wish) -> Response:
    """The archive, or the range of it that was asked for. Raises: NotModified, PreconditionFailed, InvalidRange."""
    room = call.context.archives.room
    if room.locked():
        raise SlowDown("Too many archives at once")
    await room.acquire()
    try:
        archive = await _archive(call, wish, "read_object")
        return _sent(call, archive, wish, room)
    except BaseException:
        room.release()
        raise


def _sent(call: Caller, archive: Archive, wish: Wish, room: asyncio.Semaphore) -> Response:
    request = call.request
    headers = {
        "ETag": f'"{archive.etag}"',
        "Last-Modified": http_date(archive.at_ms).decode(),
        "Cache-Control": "private, no-cache",
    }
    try:
        check(parse_conditions(request), archive.etag, archive.at_ms, request.scope["method"])
    except NotModified:
        room.release()
        return Response(status_code=304, headers=headers)
    span = _range(request, archive)
    sent = span or Span(0, archive.size)
    if span is not None:
        headers["Content-Range"] = content_range(span, archive.size).decode()
    headers |= {
        "Content-Type": "application/zip",
        "Content-Length": str(sent.end - sent.start),
        "Accept-Ranges": "bytes",
        "Content-Disposition": content_disposition("attachment", f"{wish.name}.zip").decode(),
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    stream = ArchiveStream(archive, sent, call.store, call.context.archives.crcs)
    return ByteStream(200 if span is None else 206, headers, stream.chunks(), room.release)


def _range(request: Request, archive: Archive) -> Span | None:
    header = request.header(b"range")
    if header is None or not if_range_holds(request.header(b"if-range"), archive.etag, archive.at_ms):
        return None
    return parse_range(header, archive.size)


async def _archive(call: Caller, wish: Wish, action: Action) -> Archive:
    """Raises: NoSuchKey, AccessDenied, Unauthenticated, InvalidArgument."""
    pinned = await pin(call.store, wish.bucket, wish.selection, _Gate(call, wish, action))
    base = wish.selection.prefix
    # Names and offsets of 100,000 files take half a second: on a thread, that nobody else waits.
    return await asyncio.to_thread(Archive, wish.bucket, pinned, base[: base.rfind("/") + 1])


class _Gate:
    """Lets versions pass that the caller may read, and refuses the archive for one that they may not."""

    def __init__(self, call: Caller, wish: Wish, action: Action) -> None:
        self._wish = wish
        self._action = action
        self._rules = call.context.rules
        self._facts = facts_of(call.request)
        limits = None if wish.principal is None else wish.principal.limits
        self._is_one_for_all = not wish.bucket.options.config and limits is None
        self._has_passed = False

    def __call__(self, version: Version) -> None:
        """Raises: AccessDenied, Unauthenticated."""
        bucket, principal = self._wish.bucket, self._wish.principal
        if principal is None:
            if self._wish.grant is None:
                raise AccessDenied("This link is not valid")
            principal = self._wish.grant.principal(version.key)
        if not self._is_one_for_all:
            asked = Asked(facts=self._facts, version=version, looked=True)
            authorize(principal, self._action, bucket, version.key, self._rules, asked)
        elif not self._has_passed:
            authorize(principal, self._action, bucket, version.key, self._rules)
            self._has_passed = True
