"""Times in signed requests, as seconds since 1970. Pure."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

SKEW_SECONDS = 15 * 60  # how far a client's clock may be off. Source: AWS "RequestTimeTooSkewed"
STAMP = re.compile(rb"[0-9]{8}T[0-9]{6}Z")
MAX_DATE_CHARS = 64
KEPT = 1024  # requests of the same second say the same


def parse_stamp(text: bytes) -> float | None:
    """Of `20130524T000000Z`; None if it is no such time."""
    return _parse_stamp(text) if STAMP.fullmatch(text) else None


@lru_cache(KEPT)
def _parse_stamp(text: bytes) -> float | None:
    try:
        return datetime(
            int(text[:4]),
            int(text[4:6]),
            int(text[6:8]),
            int(text[9:11]),
            int(text[11:13]),
            int(text[13:15]),
            tzinfo=UTC,
        ).timestamp()
    except ValueError:
        return None


def render_stamp(at: float) -> bytes:
    """`20130524T000000Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ").encode()


def parse_date(text: bytes) -> float | None:
    """Of a Date header in any form clients use: RFC 1123, or a stamp. None if it is no time after 1970."""
    if (at := parse_stamp(text)) is not None:
        return at
    try:
        found = parsedate_to_datetime(text.decode("ascii")) if len(text) <= MAX_DATE_CHARS else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if found is None:
        return None
    at = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return at if at >= 0 else None
