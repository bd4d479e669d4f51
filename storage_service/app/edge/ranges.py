"""Byte ranges of downloads. Source: RFC 9110 §14."""

import re

from storage_service.app.core.errors import InvalidRange
from storage_service.app.core.objects import Span

ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.ASCII | re.IGNORECASE)
MAX_HEADER = 128  # two positions and spaces; int() of endless digits would be slow


def parse_range(header: str | None, size: int) -> Span | None:
    """The span of a single range of an object of `size` bytes; None = send the whole.

    Other units, several ranges and malformed text are ignored, as §14.2 allows. A suffix of an
    empty object is the whole object: 206 could not name it. Raises: InvalidRange when no byte of
    the object lies in the range.
    """
    if header is None or len(header) > MAX_HEADER:
        return None
    match = ONE_RANGE.fullmatch(header)
    if match is None:
        return None
    first, last = match[1], match[2]
    if not first:
        return _suffix(int(last), size) if last else None
    start, end = int(first), int(last) + 1 if last else size
    if last and end <= start:  # last before first: invalid, not unsatisfiable (§14.1.1)
        return None
    if start >= size:
        raise InvalidRange(size=size)
    return Span(start, min(end, size))


def _suffix(length: int, size: int) -> Span | None:
    if length == 0:
        raise InvalidRange(size=size)
    return Span(max(size - length, 0), size) if size else None


def content_range(span: Span, size: int) -> bytes:
    """Value of Content-Range for a 206."""
    return b"bytes %d-%d/%d" % (span.start, span.end - 1, size)
