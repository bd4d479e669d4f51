"""Lists of a bucket's files: pages by cursor in key order, pages by offset sorted and searched (contract §4.2)."""

import json
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

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
MAX_PREFIX_HEADER_BYTES = 4096  # common servers and clients take 8 KiB for all headers together
LAST = chr(0x10FFFF)
CURSOR = re.compile(r"(?P<run>[0-9]{1,4}):(?P<key>.*)", re.ASCII | re.DOTALL)

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["files"])


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
    start_after: str = Field("", max_length=1024, description="Only keys behind this one. `cursor` wins.")
    prefix: str = Field("", max_length=1024, description="Only keys that begin with this.")
    delimiter: str = Field("", max_length=32, description="Roll keys up to this into common prefixes.")
    search: str = Field("", max_length=1024, description="A part of the key; case is ignored.")
    sort: Literal["name", "size", "created_at", "updated_at", "type"] = "name"
    order: Literal["asc", "desc"] = "asc"
    envelope: bool = Field(False, description="An object instead of a bare array.")
    total: bool = Field(False, description="Count them all, which makes it a page by offset.")

    @property
    def by_offset(self) -> bool:
        return bool(self.total or self.offset or self.search or self.sort != "name" or self.order != "asc")


@dataclass(frozen=True, slots=True)
class Page:
    """What was found. `next` holds the query fields that lead on."""

    versions: Sequence[Version]
    prefixes: Sequence[str] = ()
    next: Mapping[str, str | int] | None = None
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
        Server_Timing="`list;dur=` and how many milliseconds it took us",
    ),
)
@allow("list_objects")
async def list_files(call: Call, bucket: BucketName, wanted: Annotated[Wanted, Query()]) -> Response:
    """By cursor in the byte order of keys, or by offset, sorted and searched."""
    began = time.perf_counter()
    found = await call.bucket(bucket)
    if not wanted.by_offset:
        page = await _by_cursor(call, found, wanted)
    elif wanted.cursor or wanted.start_after:
        raise InvalidArgument("cursor and start_after go with name order only, without offset, search and total")
    elif wanted.delimiter and wanted.search:
        raise InvalidArgument("A search goes through all that is below: it has no delimiter")
    else:
        page = await _by_offset(call, found, wanted)
    answer = _answer(call, found, wanted, page)
    answer.headers["Server-Timing"] = f"list;dur={(time.perf_counter() - began) * 1000:.2f}"
    return answer


async def _by_cursor(call: Caller, bucket: Bucket, wanted: Wanted) -> Page:
    after = parse_cursor(wanted.cursor) or wanted.start_after
    query = ListQuery(wanted.prefix, wanted.delimiter, after, min(wanted.limit, PAGE))
    listing = await call.store.list_objects(bucket, query)
    onward = {"cursor": render_cursor(listing.cursor)} if listing.cursor else None
    return Page(listing.versions, listing.prefixes, onward)


async def _by_offset(call: Caller, bucket: Bucket, wanted: Wanted) -> Page:
    limit = min(wanted.limit, PAGE)
    descending = wanted.order == "desc"
    query = PageQuery(wanted.prefix, wanted.search, wanted.sort, descending, wanted.offset, limit, wanted.delimiter)
    versions, total = await call.store.page_objects(bucket, query)
    folders: list[str] = []
    if wanted.delimiter and not wanted.offset:  # once, with the first page
        folders = await call.store.list_folders(bucket, ListQuery(wanted.prefix, wanted.delimiter, limit=PAGE))
        folders = folders[::-1] if descending and wanted.sort == "name" else folders
    after = wanted.offset + len(versions)
    onward = {"offset": after} if versions and after < total else None
    return Page(versions, folders, onward, total)


def _answer(call: Caller, bucket: Bucket, wanted: Wanted, page: Page) -> Response:
    headers = _headers(wanted, page)
    files = [file_record(version, bucket, call.context.names) for version in page.versions]
    if not wanted.envelope:
        return Json(files, headers=headers)
    cursor = page.next.get("cursor") if page.next else None
    return Json({"files": files, "prefixes": page.prefixes, "cursor": cursor, "total": page.total}, headers=headers)


def _headers(wanted: Wanted, page: Page) -> dict[str, str]:
    headers: dict[str, str] = {}
    if page.next is not None:
        kept = wanted.model_dump(exclude={"cursor", "start_after", "offset"}, exclude_defaults=True)
        # Relative, so that it holds behind any proxy and under any of our names.
        headers["Link"] = f'<?{urlencode(_plain({**kept, **page.next}))}>; rel="next"'
    if page.next is not None and "cursor" in page.next:
        headers["X-Next-Cursor"] = str(page.next["cursor"])
    if page.total is not None:
        headers["X-Total-Count"] = str(page.total)
    if wanted.delimiter and not wanted.envelope:
        headers["X-Common-Prefixes"] = _prefix_header(page.prefixes)
    return headers


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: "true" if value is True else value for name, value in fields.items()}


def _prefix_header(prefixes: Sequence[str]) -> str:
    text = json.dumps(list(prefixes), separators=(",", ":"))  # ASCII, as a header must be
    if len(text) > MAX_PREFIX_HEADER_BYTES:
        raise InvalidArgument("So many prefixes do not fit into a header: ask with envelope=true, or a smaller limit")
    return text


def render_cursor(after: str) -> str:
    """An opaque word for a URL. The cursor behind a common prefix ends in a long run of the last character."""
    short = after.rstrip(LAST)
    return urlsafe_b64encode(f"{len(after) - len(short)}:{short}".encode()).rstrip(b"=").decode()


def parse_cursor(cursor: str) -> str:
    """The inverse; empty for the first page. Raises: InvalidArgument."""
    if not cursor:
        return ""
    try:
        text = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = ""
    match = CURSOR.fullmatch(text)
    if match is None:
        raise InvalidArgument("The cursor is not one of this service")
    return match["key"] + LAST * int(match["run"])


@router.get(
    "/files/versions/{bucket}/{key:key}",
    operation_id="files.versions",
    summary="All versions of a file, newest first",
    response_model=list[VersionOut],
    responses=problems(401, 403, 404),
)
@allow("read_object_meta")
async def list_versions(
    call: Call,
    bucket: BucketName,
    key: KeyOrId,
    trash: Annotated[bool, Query(description="Also what was deleted and can be brought back; for its owner.")] = False,
) -> Response:
    """Delete markers too."""
    found = await call.bucket(bucket)
    if trash:
        await call.bucket(bucket, "delete_object")
    name = await _key_of(call, found, key)
    await call.bucket(bucket, key=name)  # policies speak of keys
    versions = await call.store.list_versions(found, name, trash=trash)
    if not versions:
        raise no_such_file(found, key)
    newest = next((version for version in versions if version.gone_ms is None), None)
    return Json([version_record(version, latest=version is newest) for version in versions])


async def _key_of(call: Caller, bucket: Bucket, key: str) -> str:
    """The key itself, or that of the file with this id: a key all of whose versions are dead has no head."""
    if not is_uuid(key):
        return key
    try:
        return (await find_file(call.store, bucket, key)).key
    except NoSuchKey:
        return key


@router.get(
    "/api/v1/trash/{bucket}",
    operation_id="trash.list",
    summary="Deleted files that can be brought back",
    response_model=TrashOut,
    responses=problems(400, 401, 403, 404, 422),
)
@allow("delete_object")
async def list_trash(
    call: Call,
    bucket: BucketName,
    prefix: Annotated[str, Query(max_length=1024)] = "",
    cursor: Annotated[str, Query(max_length=4096)] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = PAGE,
) -> Response:
    """The newest kept version of each key that is no longer there, by key."""
    found = await call.bucket(bucket)
    most = min(limit, PAGE)
    versions = await call.store.list_trash(found, prefix, parse_cursor(cursor), most)
    onward = render_cursor(versions[-1].key) if len(versions) == most else None
    return Json({"files": [version_record(version) for version in versions], "cursor": onward})
