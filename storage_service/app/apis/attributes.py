"""What an upload says about its object besides its bytes: in headers, or in fields of a form.

`X-Metadata` (JSON, or base64 of JSON), `X-Tags` (JSON or `k=v&k2=v2`), `X-Expires-At` (RFC 3339 or seconds since
1970), `X-Expires-In` (seconds); Cache-Control and the Content-… headers are kept as they are.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import TypeAdapter, ValidationError

from storage_service.app.core.errors import InvalidArgument
from storage_service.app.core.objects import Attributes, now_ms
from storage_service.app.edge.request import Request
from storage_service.app.schemas.fields import MAX_TAGS, FutureTime, HeaderText, Metadata, Tags
from storage_service.app.schemas.requests import milliseconds

# Stored, and sent back with every download. Of a form only some: the others then speak of the form.
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
SECONDS = re.compile(r"[0-9]{1,11}", re.ASCII)
MAX_EXPIRES_MS = 253_402_300_799_000  # the end of the year 9999: RFC 3339 writes no later one

Value = TypeVar("Value")

# The same bounds as in the bodies of other routes.
_METADATA: TypeAdapter[dict[str, Any]] = TypeAdapter(Metadata)
_TAGS: TypeAdapter[dict[str, str]] = TypeAdapter(Tags)
_INSTANT: TypeAdapter[datetime] = TypeAdapter(FutureTime)
_HEADER: TypeAdapter[str] = TypeAdapter(HeaderText)


def from_headers(request: Request, attributes: Attributes, *, form: bool = False) -> Attributes:
    """The attributes with what the headers add. Raises: InvalidArgument."""
    headers = request.headers
    if NAMES.isdisjoint(headers):
        return attributes
    changes: dict[str, Any] = {}
    for name, field in (KEPT_OF_FORM if form else KEPT).items():
        if value := headers.get(name):
            changes[field] = _checked(_HEADER, value.decode("latin-1"), name.decode())
    said = {field: _text(headers[name]) for name, field in SAID.items() if name in headers}
    return attributes._replace(**changes, **parse_said(said))


def with_fields(attributes: Attributes, fields: Mapping[str, str]) -> Attributes:
    """The attributes with what a form's fields say; they win over headers. Raises: InvalidArgument."""
    return attributes if FIELDS.isdisjoint(fields) else attributes._replace(**parse_said(fields))


def parse_said(said: Mapping[str, str]) -> dict[str, Any]:
    """Fields of Attributes from texts under the names in `FIELDS`; empty ones say nothing. Raises: InvalidArgument."""
    found: dict[str, Any] = {}
    if metadata := said.get("metadata"):
        found["metadata"] = parse_metadata(metadata)
    if tags := said.get("tags"):
        found["tags"] = parse_tags(tags)
    at, seconds = said.get("expires_at"), said.get("expires_in")
    if at and seconds:
        raise InvalidArgument("Only one of expires_at and expires_in may be given")
    if at:
        found["expires_ms"] = milliseconds(_checked(_INSTANT, at.strip(), "expires_at"))
    if seconds:
        found["expires_ms"] = parse_lifetime(seconds)
    return found


def parse_metadata(text: str) -> dict[str, Any]:
    """A JSON object, plain or in base64. Raises: InvalidArgument."""
    if not text.lstrip().startswith("{"):
        try:
            text = b64decode(text, validate=True).decode()
        except ValueError:
            raise InvalidArgument("metadata is neither a JSON object nor base64 of one") from None
    return _checked(_METADATA, _json(text, "metadata"), "metadata")


def parse_tags(text: str) -> dict[str, str]:
    """A JSON object of strings, or `k=v&k2=v2`. Raises: InvalidArgument."""
    if text.lstrip().startswith("{"):
        return _checked(_TAGS, _json(text, "tags"), "tags")
    try:
        pairs = parse_qsl(text, True, True, errors="strict", max_num_fields=MAX_TAGS)
    except ValueError:
        raise InvalidArgument("tags: neither JSON nor k=v&k2=v2, or too many") from None
    return _checked(_TAGS, dict(pairs), "tags")


def parse_lifetime(text: str) -> int:
    """Milliseconds since 1970, so many seconds from now. Raises: InvalidArgument."""
    if not SECONDS.fullmatch(text) or not int(text):
        raise InvalidArgument("expires_in is not a number of seconds")
    at_ms = now_ms() + int(text) * 1000
    if at_ms > MAX_EXPIRES_MS:
        raise InvalidArgument("expires_in reaches past the year 9999")
    return at_ms


def _checked(adapter: TypeAdapter[Value], value: object, name: str) -> Value:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        message = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise InvalidArgument(f"{name}: {message.removeprefix('Value error, ')}") from None


def _json(text: str, name: str) -> object:
    try:
        return orjson.loads(text)
    except ValueError:
        raise InvalidArgument(f"{name}: not JSON") from None


def _text(value: bytes) -> str:
    """Clients that send JSON unencoded send UTF-8, whatever HTTP says."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
