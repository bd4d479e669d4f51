"""What an upload says about its object besides its bytes: in headers, or in fields of a form.

`X-Metadata` (JSON, or base64 of JSON), `X-Tags` (JSON or `k=v&k2=v2`), `X-Expires-At` (RFC 3339 or
seconds since 1970), `X-Expires-In` (seconds); Cache-Control and the Content-… headers are kept.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from storage_service.app.core.errors import InvalidArgument
from storage_service.app.core.objects import Attributes, now_ms
from storage_service.app.edge.request import Request

# Stored and sent back with every download. Of a form only the first two: the others then speak of
# the form.
KEPT = {
    b"cache-control": "cache_control",
    b"content-language": "content_language",
    b"content-disposition": "content_disposition",
    b"content-encoding": "content_encoding",
}
KEPT_OF_FORM = {name: KEPT[name] for name in (b"cache-control", b"content-language")}
# Header and form field of the same meaning.
SAID = {
    b"x-metadata": "metadata",
    b"x-tags": "tags",
    b"x-expires-at": "expires_at",
    b"x-expires-in": "expires_in",
}
NAMES = frozenset(KEPT) | frozenset(SAID)
FIELDS = frozenset(SAID.values())

MAX_METADATA_BYTES = 16 * 1024  # it stands in the catalog's row, which every read fetches
MAX_KEPT_CHARS = 1024
# S3's limits. Source: AWS "Categorizing your objects using tags".
MAX_TAGS, MAX_TAG_NAME, MAX_TAG_VALUE = 10, 128, 256
MAX_EXPIRES_MS = 253_402_300_799_000  # the end of year 9999: RFC 3339 writes no later one
SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
VISIBLE = re.compile(r"[\t -~\x80-\xff]*")


def from_headers(request: Request, attributes: Attributes, *, form: bool = False) -> Attributes:
    """The attributes with what the headers add. Raises: InvalidArgument naming the header."""
    headers = request.headers
    if NAMES.isdisjoint(headers):
        return attributes
    changes: dict[str, Any] = {}
    for name, field in (KEPT_OF_FORM if form else KEPT).items():
        if value := headers.get(name):
            changes[field] = _kept(name, value.decode("latin-1"))
    said = {field: _text(headers[name]) for name, field in SAID.items() if name in headers}
    return replace(attributes, **changes, **parse_said(said))


def with_fields(attributes: Attributes, fields: Mapping[str, str]) -> Attributes:
    """The attributes with what a form's fields say; they win over headers. Raises: InvalidArgument."""
    return attributes if FIELDS.isdisjoint(fields) else replace(attributes, **parse_said(fields))


def parse_said(said: Mapping[str, str]) -> dict[str, Any]:
    """Fields of Attributes from texts by the names in `FIELDS`. Raises: InvalidArgument."""
    found: dict[str, Any] = {}
    if metadata := said.get("metadata"):
        found["metadata"] = parse_metadata(metadata)
    if tags := said.get("tags"):
        found["tags"] = parse_tags(tags)
    at, seconds = said.get("expires_at"), said.get("expires_in")
    if at and seconds:
        raise InvalidArgument("Only one of expires_at and expires_in may be given")
    if at or seconds:
        found["expires_ms"] = parse_expiry(at) if at else _expires_in(seconds or "")
    return found


def parse_metadata(text: str) -> dict[str, Any]:
    """A JSON object, plain or in base64. Raises: InvalidArgument."""
    if not text.lstrip().startswith("{"):
        text = _from_base64(text)
    return check_metadata(_json_object(text, "metadata"))


def check_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata itself. Raises: InvalidArgument past the limit."""
    if len(orjson.dumps(metadata)) > MAX_METADATA_BYTES:
        raise InvalidArgument(f"Metadata is larger than {MAX_METADATA_BYTES} bytes of JSON")
    return metadata


def parse_tags(text: str) -> dict[str, str]:
    """A JSON object of strings, or `k=v&k2=v2`. Raises: InvalidArgument."""
    if text.lstrip().startswith("{"):
        return check_tags(_json_object(text, "tags"))
    try:
        pairs = parse_qsl(text, True, True, errors="strict", max_num_fields=MAX_TAGS)
    except ValueError:
        raise InvalidArgument("tags are neither JSON nor k=v&k2=v2, or too many") from None
    return check_tags(dict(pairs))


def check_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """The tags themselves. Raises: InvalidArgument past S3's limits."""
    if len(tags) > MAX_TAGS:
        raise InvalidArgument(f"An object has at most {MAX_TAGS} tags")
    for name, value in tags.items():
        if not isinstance(value, str):
            raise InvalidArgument("The value of a tag is not a string")
        if not 1 <= len(name) <= MAX_TAG_NAME or len(value) > MAX_TAG_VALUE:
            raise InvalidArgument(
                f"A tag has a name of 1 to {MAX_TAG_NAME} and a value of up to {MAX_TAG_VALUE}"
                " characters"
            )
    return dict(tags)


def parse_expiry(text: str) -> int:
    """Milliseconds since 1970 of an instant in the future. Raises: InvalidArgument."""
    if SECONDS.fullmatch(text):
        return _future(int(text) * 1000)
    try:
        # The space is what a `+` of a zone becomes in a form.
        at = datetime.fromisoformat(text.strip().replace(" ", "+" if "T" in text else " "))
    except ValueError:
        raise InvalidArgument("expires_at is neither RFC 3339 nor seconds since 1970") from None
    if at.tzinfo is None:
        raise InvalidArgument("expires_at names no zone")
    return _future(int(at.timestamp() * 1000))


def _expires_in(text: str) -> int:
    if not SECONDS.fullmatch(text):
        raise InvalidArgument("expires_in is not a number of seconds")
    return _future(now_ms() + int(text) * 1000)


def _future(at_ms: int) -> int:
    if not now_ms() < at_ms <= MAX_EXPIRES_MS:
        raise InvalidArgument("The expiry lies in the past, or after the year 9999")
    return at_ms


def _text(value: bytes) -> str:
    """Clients that send JSON unencoded send UTF-8, whatever HTTP says."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _kept(name: bytes, value: str) -> str:
    if len(value) > MAX_KEPT_CHARS or not VISIBLE.fullmatch(value):
        raise InvalidArgument(f"{name.decode()} is too long or holds control characters")
    return value


def _from_base64(text: str) -> str:
    try:
        return b64decode(text, validate=True).decode()
    except ValueError:
        raise InvalidArgument("metadata is neither a JSON object nor base64 of one") from None


def _json_object(text: str, name: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidArgument(f"{name} is not a JSON object")
    return found
