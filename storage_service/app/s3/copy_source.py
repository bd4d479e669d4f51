"""`x-amz-copy-source` and what stands beside it: the one place that reads it. Source: AWS "CopyObject"."""

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from storage_service.app.core.downloads import Precheck
from storage_service.app.core.errors import (
    InvalidArgument,
    InvalidRange,
    InvalidRequest,
    MethodNotAllowed,
    NotModified,
    PreconditionFailed,
)
from storage_service.app.core.objects import Span, Version
from storage_service.app.edge.conditions import Conditions, check, parse_date
from storage_service.app.edge.request import Request, decode_path, parse_query
from storage_service.app.s3.naming import check_version_id

PREFIX = b"x-amz-copy-source-if-"
SSE_PREFIX = b"x-amz-copy-source-server-side-encryption"
SPAN = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})", re.ASCII)


class CopySource(NamedTuple):
    """What is to be copied, decoded. `version_id` None = the current one."""

    bucket: str
    key: str
    version_id: str | None = None


def parse_source(request: Request) -> CopySource:
    """Decoded once, and split before: an encoded `?` belongs to the key.

    Raises: InvalidArgument, InvalidRequest for a key to decrypt it with: nothing here is encrypted by such.
    """
    if any(name.startswith(SSE_PREFIX) for name in request.headers):
        raise InvalidRequest("The encryption parameters are not applicable to this object.")
    raw = request.headers.get(b"x-amz-copy-source", b"")
    path, mark, query = raw.partition(b"?versionId=")
    version_id = parse_query(b"versionId=" + query).get("versionId") if mark else None
    bucket, _, key = decode_path(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise InvalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    return CopySource(bucket, key, version_id if version_id is None else check_version_id(version_id))


def parse_span(request: Request) -> Callable[[Version], Span] | None:
    """`x-amz-copy-source-range`: both ends, inside the object. None = all of it. Raises: InvalidArgument."""
    text = request.header(b"x-amz-copy-source-range")
    if text is None:
        return None
    match = SPAN.fullmatch(text.strip())
    if match is None or int(match[1]) > int(match[2]):
        raise InvalidArgument("The x-amz-copy-source-range value must be of the form bytes=first-last")
    return partial(_span, int(match[1]), int(match[2]) + 1)


def _span(start: int, end: int, version: Version) -> Span:
    if end > version.size:
        raise InvalidRange("The range of the copy source is not inside the object", size=version.size)
    return Span(start, end)


def check_source(request: Request, prefix: bytes = PREFIX) -> Precheck:
    """Conditions on the source, of headers with this prefix; a delete marker cannot be copied."""
    found = {
        name[len(prefix) :]: value.decode("latin-1")
        for name, value in request.headers.items()
        if name.startswith(prefix)
    }
    conditions = Conditions(
        _tags(found.get(b"match")),
        _tags(found.get(b"none-match")),
        parse_date(found.get(b"modified-since")),
        parse_date(found.get(b"unmodified-since")),
    )
    return partial(_check, conditions)


def _check(conditions: Conditions, version: Version) -> None:
    if version.is_marker:
        raise MethodNotAllowed("The source of a copy request may not specifically refer to a delete marker")
    try:
        check(conditions, version.etag, version.at_ms, "GET")
    except NotModified:  # of a copy that is a refusal
        raise PreconditionFailed("At least one of the pre-conditions you specified did not hold") from None


def _tags(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(tag.strip().strip('"') for tag in text.split(","))
