"""The text of requests, and when one may be repeated. Pure: no input, no output."""

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

import httpx

from storage_service.client.errors import ClientError, InvalidRequest, RateLimited, ServiceUnavailable
from storage_service.client.models import FileInfo, Prefix, SignedLink
from storage_service.client.options import PutOptions, check_options
from storage_service.client.source import Progress, Source

DOT_SEGMENT = re.compile(r"(?:\A|/)\.{1,2}(?:/|\Z)")
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
# Failures before the request left: whatever it asked has not been done.
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


Sort = (
    Literal["name", "size", "created_at", "updated_at", "type"]
    | Literal["-name", "-size", "-created_at", "-updated_at", "-type"]
)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `repeatable`: done twice it does the same."""

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    source: Source | None = None
    progress: Progress | None = None
    repeatable: bool = True


def path_of(*words: str, key: str | None = None) -> str:
    """`/files/info/bucket/key`: words are quoted whole, slashes of the key stay.

    Raises: InvalidRequest for an empty name: without it the path would be another's.
    """
    if key == "" or "" in words:
        raise InvalidRequest("The name of a bucket or a key is empty")
    start = "".join(f"/{quote(word, safe='')}" for word in words)
    return start if key is None else f"{start}/{quote_key(key)}"


def quote_key(key: str) -> str:
    """The key for a URL path. Where clients would resolve a segment `.` or `..`, dots and slashes are encoded."""
    if DOT_SEGMENT.search(key):
        return quote(key, safe="").replace(".", "%2E")
    return quote(key, safe="/")


def put_headers(options: PutOptions) -> dict[str, str]:
    """Headers of an upload. Raises: InvalidRequest for a time without zone, TypeError for an unknown option."""
    check_options("put", options, PutOptions)
    headers: dict[str, str] = {}
    for option, name in PLAIN_HEADERS.items():
        if value := options.get(option):
            headers[name] = str(value)
    if metadata := options.get("metadata"):
        headers["x-metadata"] = json.dumps(metadata)
    if tags := options.get("tags"):
        headers["x-tags"] = json.dumps(tags)
    if expires_at := options.get("expires_at"):
        if expires_at.tzinfo is None:
            raise InvalidRequest("expires_at has no time zone")
        headers["x-expires-at"] = expires_at.isoformat()
    return headers | write_conditions(options)


PLAIN_HEADERS = {
    "content_type": "content-type",
    "cache_control": "cache-control",
    "content_disposition": "content-disposition",
    "content_encoding": "content-encoding",
    "content_language": "content-language",
}


def write_conditions(options: PutOptions) -> dict[str, str]:
    """If-Match and If-None-Match; without either, and without `upsert`, the key must be new."""
    headers = {}
    if tag := options.get("if_match"):
        headers["if-match"] = quoted_tag(tag)
    if tag := options.get("if_none_match"):
        headers["if-none-match"] = quoted_tag(tag)
    if not headers and not options.get("upsert"):
        headers["if-none-match"] = "*"
    return headers


def is_conditional(options: PutOptions) -> bool:
    """Whether doing it twice fails the second time."""
    return not options.get("upsert") or bool(options.get("if_match") or options.get("if_none_match"))


def must_be_new(options: PutOptions) -> bool:
    return not options.get("upsert") and not options.get("if_match") and not options.get("if_none_match")


def quoted_tag(tag: str) -> str:
    return tag if tag == "*" or tag.startswith('"') else f'"{tag}"'


def range_header(wanted: tuple[int, int | None]) -> str:
    """Of a half-open span of bytes; a negative start alone counts from the end. Raises: InvalidRequest."""
    start, end = wanted
    if start < 0 and end is None:
        return f"bytes={start}"
    if start < 0 or (end is not None and end <= start):
        raise InvalidRequest(f"({start}, {end}) names no bytes")
    return f"bytes={start}-{'' if end is None else end - 1}"


def may_repeat(call: Call, error: ClientError | httpx.TransportError) -> bool:
    """Whether sending it again is safe and may help."""
    if call.source is not None and not call.source.rewindable:
        return False
    if isinstance(error, UNSENT):
        return True
    if isinstance(error, RateLimited):  # refused before anything was done
        return True
    return call.repeatable and isinstance(error, httpx.TransportError | ServiceUnavailable)


def pause_seconds(attempt: int, error: Exception, jitter: float | None = None) -> float:
    """How long to wait before attempt `attempt` + 1 (from 0): exponential with full jitter, Retry-After at least.

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
    """
    ceiling: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt)
    chosen = ceiling * (random.random() if jitter is None else jitter)  # noqa: S311 - spreads load # nosec B311
    asked = getattr(error, "retry_after_seconds", None)
    return chosen if asked is None else min(LONGEST_PAUSE_SECONDS, asked) + chosen


def spans_of(size: int, part_bytes: int) -> Sequence[tuple[int, int]]:
    """The whole in parts, half-open, in order."""
    return [(start, min(start + part_bytes, size)) for start in range(0, size, part_bytes)]


def merged(files: Sequence[FileInfo], prefixes: Sequence[Prefix]) -> list[FileInfo | Prefix]:
    """Files and prefixes of a page in one byte order."""
    entries: list[FileInfo | Prefix] = [*files, *prefixes]
    return sorted(entries, key=lambda entry: _name(entry).encode()) if prefixes else entries


def _name(entry: FileInfo | Prefix) -> str:
    return entry.key if isinstance(entry, FileInfo) else entry.name


def signed_link(record: Mapping[str, Any]) -> SignedLink:
    url = record.get("download_url") or record["upload_url"]
    return SignedLink(url, record["method"], datetime.fromisoformat(record["expires_at"]))
