"""Conditional requests. Source: RFC 9110 §13."""

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

from storage_service.app.core.errors import InvalidArgument, NotModified, PreconditionFailed
from storage_service.app.core.objects import ANY_WRITE, Bucket, WriteConditions
from storage_service.app.core.storage import ObjectStore
from storage_service.app.edge.request import Request

NAMES = frozenset({b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"})
# An entity tag, or a bare word: S3 clients often leave the quotes out.
ETAG = re.compile(r'(?P<weak>W/)?"(?P<tag>[!#-~\x80-\xff]*)"|(?P<bare>[^\s",]+)')
ETAG_LIST = re.compile(r'(?:[\s,]|(?:W/)?"[!#-~\x80-\xff]*"(?=[\s,]|\Z)|[^\s",]+(?=[\s,]|\Z))*')
ANY = ("*",)
MAX_DATE = 64
SAFE = frozenset({"GET", "HEAD"})
# From here on it is worth a look whether a write will be refused, before so many bytes are sent in vain.
LOOK_FIRST_BYTES = 64 * 1024


class _Tag(NamedTuple):
    value: str
    weak: bool


@dataclass(frozen=True, slots=True)
class Conditions:
    """Of a read.

    ETags unquoted, `("*",)` = any; times in whole seconds since 1970; None = not asked.

    `if_match` has strong tags only (weak ones never match, so it may be empty), `if_none_match` all
    of them.
    """

    if_match: tuple[str, ...] | None = None
    if_none_match: tuple[str, ...] | None = None
    modified_since: int | None = None
    unmodified_since: int | None = None


def parse_conditions(request: Request) -> Conditions | None:
    """The request's conditions; None when none stands.

    Raises: InvalidArgument for a malformed list of ETags.
    """
    if NAMES.isdisjoint(request.headers):
        return None
    return Conditions(
        if_match=_strong(request),
        if_none_match=_weak(request),
        modified_since=parse_date(request.header(b"if-modified-since")),
        unmodified_since=parse_date(request.header(b"if-unmodified-since")),
    )


def check(conditions: Conditions | None, etag: str, at_ms: int, method: str) -> None:
    """Compares an existing object (ETag unquoted, `at_ms` = last modified) in the order of §13.2.2.

    Raises: PreconditionFailed; NotModified, for GET and HEAD only.
    """
    if conditions is None:
        return
    if conditions.if_match is not None:
        if not _matches(conditions.if_match, etag):
            raise PreconditionFailed("If-Match names another version")
    elif conditions.unmodified_since is not None and at_ms // 1000 > conditions.unmodified_since:
        raise PreconditionFailed("Modified since If-Unmodified-Since")
    if conditions.if_none_match is not None:
        if _matches(conditions.if_none_match, etag):
            if method in SAFE:
                raise NotModified(etag, at_ms)
            raise PreconditionFailed("If-None-Match names this version")
    elif method in SAFE and conditions.modified_since is not None and at_ms // 1000 <= conditions.modified_since:
        raise NotModified(etag, at_ms)


def if_range_holds(header: str | None, etag: str, at_ms: int) -> bool:
    """Whether Range counts (§13.1.5).

    It does without If-Range, with this very strong ETag, or with the exact Last-Modified date.
    """
    if header is None:
        return True
    match = ETAG.fullmatch(header.strip())
    if match and not match["weak"]:
        return (match["tag"] or match["bare"]) == etag
    return not match and parse_date(header) == at_ms // 1000


def write_conditions(request: Request, *, must_be_new: bool = False, file_id: str | None = None) -> WriteConditions:
    """If-Match and If-None-Match of a write, for the commit to check. Raises: InvalidArgument."""
    headers = request.headers
    if b"if-match" not in headers and b"if-none-match" not in headers:
        if not must_be_new and file_id is None:
            return ANY_WRITE
        return WriteConditions(must_be_new=must_be_new, file_id=file_id)
    return WriteConditions(_strong(request), _weak(request), must_be_new, file_id)


async def look_first(
    store: ObjectStore, request: Request, bucket: Bucket, key: str, conditions: WriteConditions
) -> bool:
    """Refuse a write before its body is read, if its conditions do not hold now; whether it was worth a look.

    The commit asks again, and decides. Raises: PreconditionFailed, KeyAlreadyExists, NoSuchKey.
    """
    if conditions is ANY_WRITE:
        return False
    length = request.content_length
    if length is not None and length < LOOK_FIRST_BYTES and not request.holds_body_back:
        return False
    await store.check_write(bucket, key, conditions)
    return True


def _matches(tags: tuple[str, ...], etag: str) -> bool:
    return tags == ANY or etag in tags


def _strong(request: Request) -> tuple[str, ...] | None:
    tags = _tags(request, b"if-match")
    return None if tags is None else tuple(tag.value for tag in tags if not tag.weak)


def _weak(request: Request) -> tuple[str, ...] | None:
    tags = _tags(request, b"if-none-match")
    return None if tags is None else tuple(tag.value for tag in tags)


def _tags(request: Request, name: bytes) -> list[_Tag] | None:
    if name not in request.headers:
        return None
    value = ", ".join(request.headers_all(name)).strip()
    if value == "*":
        return [_Tag("*", weak=False)]
    if not value or not ETAG_LIST.fullmatch(value):
        raise InvalidArgument(f"{name.decode()} is not a list of ETags")
    tags = [_Tag(m["tag"] or m["bare"] or "", bool(m["weak"])) for m in ETAG.finditer(value)]
    return [tag for tag in tags if tag.value != "*"]  # a quoted star is an ETag we never give


def parse_date(value: str | None) -> int | None:
    """Seconds since 1970 of an HTTP-date; None if absent or invalid: ignored (§13.1.3)."""
    return None if value is None or len(value) > MAX_DATE else _parse_date(value)


@lru_cache(maxsize=1024)
def _parse_date(value: str) -> int | None:
    try:
        date = parsedate_to_datetime(value)
        # The asctime form names no zone and means UTC (§5.6.7).
        return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
