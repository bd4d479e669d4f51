"""Lists of a bucket's files: pages by cursor in key order, pages by offset sorted and searched (contract §4.2)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from storage_service.app.apis.documented import problems, with_headers
from storage_service.app.apis.door import BucketName, Call, Caller, DoorRoute, Json, KeyOrId
from storage_service.app.apis.resolve import allow, find_file, no_such_file
from storage_service.app.core.errors import InvalidArgument, NoSuchKey
from storage_service.app.core.objects import Bucket, ListQuery, PageQuery, Version, is_uuid
from storage_service.app.schemas.answers import TrashOut, VersionOut, version_record
from storage_service.app.schemas.files import FileOut, file_record

PAGE = 1000  # the most a page gives, and what it gives unasked: generation A's clients expect all there is
MAX_LIMIT = 2**31 - 1

router = APIRouter(route_class=DoorRoute, tags=["files"])


class Envelope(BaseModel):
    """A page with what otherwise stands in headers. `total` is null where counting would mean reading all."""

    files: list[FileOut]
    prefixes: list[str]
    cursor: str | None
    total: int | None


class Wanted(BaseModel):
    """The query of a list."""

    limit: int = Field(PAGE, ge=1, le=MAX_LIMIT, description="Files on a page; at most 1,000 are given.")
    offset: int = Field(0, ge=0, le=MAX_LIMIT, description="Files to skip. Not together with `cursor`.")
    cursor: str = Field("", max_length=4096, description="Where the page before ended, as its `Link` says.")
    prefix: str = Field("", max_length=1024, description="Only keys that begin with this.")
    delimiter: str = Field("", max_length=32, description="Roll keys up to this into common prefixes.")
    search: str = Field("", max_length=1024, description="A part of the key; ASCII case is ignored.")
    sort: Literal["name", "size", "created_at", "updated_at", "type"] = "name"
    order: Literal["asc", "desc"] = "asc"
    envelope: bool = Field(False, description="An object instead of a bare array.")

    @property
    def by_offset(self) -> bool:
        return bool(self.offset or self.search or self.sort != "name" or self.order != "asc")


class Page(BaseModel):
    """What was found. `next` holds the query fields that lead on."""

    versions: list[Version]
    prefixes: list[str] = []
    next: dict[str, str | int] | None = None
    total: int | None = None


@router.get(
    "/files/list/{bucket}",
    operation_id="files.list",
    summary="List the files of a bucket",
    response_model=list[FileOut] | Envelope,
    responses=problems(400, 401, 403, 404, 422)
    | with_headers(
        200,
        "A page of files",
        Link='`<...>; rel="next"` while there is more',
        X_Next_Cursor="The next page's `cursor`",
        X_Total_Count="How many there are in all, of pages by offset",
        X_Common_Prefixes="JSON array; with `delimiter`",
    ),
)
@allow("list_objects")
async def list_files(call: Call, bucket: BucketName, wanted: Annotated[Wanted, Query()]) -> Response:
    """By cursor in the byte order of keys, or by offset, sorted and searched."""
    found = await call.bucket(bucket)
    if not wanted.by_offset:
        page = await _by_cursor(call, found, wanted)
    elif wanted.cursor or wanted.delimiter:
        raise InvalidArgument("cursor and delimiter go with name order only, without offset and search")
    else:
        page = await _by_offset(call, found, wanted)
    return _answer(call, found, wanted, page)


async def _by_cursor(call: Caller, bucket: Bucket, wanted: Wanted) -> Page:
    query = ListQuery(wanted.prefix, wanted.delimiter, parse_cursor(wanted.cursor), min(wanted.limit, PAGE))
    listing = await call.store.list_objects(bucket, query)
    onward = {"cursor": render_cursor(listing.cursor)} if listing.cursor else None
    return Page.model_construct(versions=listing.versions, prefixes=list(listing.prefixes), next=onward, total=None)


async def _by_offset(call: Caller, bucket: Bucket, wanted: Wanted) -> Page:
    limit = min(wanted.limit, PAGE)
    query = PageQuery(wanted.prefix, wanted.search, wanted.sort, wanted.order == "desc", wanted.offset, limit)
    versions, total = await call.store.page_objects(bucket, query)
    after = wanted.offset + len(versions)
    onward = {"offset": after} if versions and after < total else None
    return Page.model_construct(versions=versions, prefixes=[], next=onward, total=total)


def _answer(call: Caller, bucket: Bucket, wanted: Wanted, page: Page) -> Response:
    files = [file_record(version, bucket, call.context.names) for version in page.versions]
    headers = _headers(wanted, page)
    if not wanted.envelope:
        return Json(files, headers=headers)
    cursor = page.next.get("cursor") if page.next else None
    return Json({"files": files, "prefixes": page.prefixes, "cursor": cursor, "total": page.total}, headers=headers)


def _headers(wanted: Wanted, page: Page) -> dict[str, str]:
    headers: dict[str, str] = {}
    if page.next is not None:
        kept = wanted.model_dump(exclude={"cursor", "offset"}, exclude_defaults=True)
        # Relative, so that it holds behind any proxy and under any of our names.
        headers["Link"] = f'<?{urlencode(_plain({**kept, **page.next}))}>; rel="next"'
    if page.next is not None and "cursor" in page.next:
        headers["X-Next-Cursor"] = str(page.next["cursor"])
    if page.total is not None:
        headers["X-Total-Count"] = str(page.total)
    if wanted.delimiter:
        headers["X-Common-Prefixes"] = _ascii_json(page.prefixes)
    return headers


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: "true" if value is True else value for name, value in fields.items()}
