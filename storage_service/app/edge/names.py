"""Names and times as headers and JSON write them."""

import re
import time
from email.utils import formatdate
from functools import lru_cache
from typing import Literal
from urllib.parse import quote

Disposition = Literal["inline", "attachment"]

# Control characters, and marks that turn the direction of text (UAX #9 §2): `gpj.exe` must not
# read `exe.jpg`.
UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
NOT_PLAIN = re.compile(r'[^ -~]|["\\%]')  # `%` too: some browsers decode it there (RFC 6266, appendix D)
SEPARATORS = re.compile(r"[/\\]")
ATTR_CHARS = "!#$&+-.^_`|~"  # besides letters and digits. Source: RFC 5987 §3.2.1
PLAIN_KEY = re.compile(r"[A-Za-z0-9/_.~-]*", re.ASCII)
DOT_SEGMENT = re.compile(r"(?:\A|/)\.{1,2}(?:/|\Z)")


def content_disposition(kind: Disposition, filename: str) -> bytes:
    """Value of Content-Disposition for any file name: ASCII, and `filename*` where that differs.

    Source: RFC 6266 §4.3 and appendix D.
    """
    name = SEPARATORS.sub("_", UNSHOWN.sub("", filename)).strip()
    if name.strip(".") == "":
        name = "download"
    plain = NOT_PLAIN.sub("_", name)
    value = f'{kind}; filename="{plain}"'
    if plain != name:
        value += f"; filename*=UTF-8''{quote(name, safe=ATTR_CHARS)}"
    return value.encode("ascii")


def http_date(at_ms: int) -> bytes:
    """IMF-fixdate of milliseconds since 1970, to the second below. Source: RFC 9110 §5.6.7."""
    return _http_date(at_ms // 1000)


@lru_cache(maxsize=4096)
def _http_date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode("ascii")


def iso(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-21T03:25:00.123Z`."""
    second, millisecond = divmod(at_ms, 1000)
    return f"{_iso_second(second)}.{millisecond:03d}Z"


@lru_cache(maxsize=4096)
def _iso_second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def quote_key(key: str) -> str:
    """The key percent-encoded for a URL path; decoding gives the key back.

    Slashes stay, unless a segment is `.` or `..`: clients would resolve it, so then they are
    encoded too.
    """
    if PLAIN_KEY.fullmatch(key) and "." not in key:
        return key
    return quote(key, safe="" if DOT_SEGMENT.search(key) else "/")
