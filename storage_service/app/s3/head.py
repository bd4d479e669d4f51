"""Headers of GET and HEAD of an object."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from storage_service.app.core.errors import InvalidArgument, InvalidRequest
from storage_service.app.core.objects import Bucket, Version
from storage_service.app.edge.mime import is_active
from storage_service.app.edge.names import http_date, iso
from storage_service.app.edge.request import Request
from storage_service.app.edge.respond import NOSNIFF, Header
from storage_service.app.s3.checksums import checksum_headers
from storage_service.app.s3.configuration.expiration import expiration_headers
from storage_service.app.s3.context import Call
from storage_service.app.s3.metadata import metadata_headers
from storage_service.app.s3.naming import etag_header, version_headers
from storage_service.app.s3.operation import asks

DEFAULT_TYPE = "binary/octet-stream"
RANGES: Header = (b"accept-ranges", b"bytes")
VISIBLE = re.compile(r"[\t -~\x80-\xff]+")
# Uploaded pages have no part in the origin of the console; under a host of their own they have one of their own.
APART: Header = (b"content-security-policy", b"sandbox allow-scripts allow-forms allow-popups allow-downloads")
STORED = (
    ("cache_control", b"cache-control"),
    ("content_disposition", b"content-disposition"),
    ("content_encoding", b"content-encoding"),
    ("content_language", b"content-language"),
    ("expires", b"expires"),
    ("website_redirect", b"x-amz-website-redirect-location"),
)
OVERRIDES = {
    "response-content-type": b"content-type",
    "response-content-language": b"content-language",
    "response-expires": b"expires",
    "response-cache-control": b"cache-control",
    "response-content-disposition": b"content-disposition",
    "response-content-encoding": b"content-encoding",
}


def render_head(call: Call, version: Version, bucket: Bucket, *, whole: bool = True) -> list[Header]:
    """All headers of a 200 but Content-Length; of a 206 (not `whole`) without checksums: they are the whole's."""
    doc = orjson.loads(version.doc)
    headers = [
        (b"content-type", sane(doc.get("content_type")) or DEFAULT_TYPE.encode()),
        etag_header(version),
        (b"last-modified", http_date(version.at_ms)),
        RANGES,
        *version_headers(version, bucket),
    ]
    for field, name in STORED:
        if field in doc and (value := sane(doc[field])):
            headers.append((name, value))
    if "metadata" in doc:
        headers += metadata_headers(doc["metadata"])
    if "tags" in doc:
        headers.append((b"x-amz-tagging-count", b"%d" % len(doc["tags"])))
    if "lock" in doc:
        headers += lock_headers(doc)
    if bucket.options.config:
        headers += expiration_headers(bucket, version)
    if whole and wants_checksum(call.request):
        headers += checksum_headers(doc)
    if asks(call.request):
        headers = with_overrides(call, headers)
    return headers + _guards(call, headers)


def _guards(call: Call, headers: list[Header]) -> list[Header]:
    """What keeps uploads out of the console's origin. A type that says nothing, as */*, has browsers guess a page."""
    if call.target.hosted:
        return []
    return [NOSNIFF, APART] if is_active(dict(headers)[b"content-type"].decode("latin-1")) else [NOSNIFF]


def wants_checksum(request: Request) -> bool:
    return request.headers.get(b"x-amz-checksum-mode", b"").upper() == b"ENABLED"


def lock_headers(doc: Mapping[str, Any]) -> list[Header]:
    """Retention and legal hold. Source: AWS "GetObject", response headers."""
    lock = doc.get("lock")
    if not lock:
        return []
    headers = [(b"x-amz-object-lock-legal-hold", b"ON" if lock.get("hold") else b"OFF")] if "hold" in lock else []
    if lock.get("mode"):
        headers.append((b"x-amz-object-lock-mode", str(lock["mode"]).encode()))
        headers.append((b"x-amz-object-lock-retain-until-date", iso(int(lock["until_ms"])).encode()))
    return headers


def with_overrides(call: Call, headers: list[Header]) -> list[Header]:
    """What a signed query wants the headers to say; one without a value says nothing.

    Raises: InvalidRequest where nobody signed, InvalidArgument for what no header can say.
    """
    asked = {OVERRIDES[name]: text for name, text in call.query.items() if name in OVERRIDES and text}
    if not asked:
        return headers
    if not call.caller.access_key:
        raise InvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
    kept = [header for header in headers if header[0] not in asked]
    return kept + [(name, _sayable(name, text)) for name, text in asked.items()]


def _sayable(name: bytes, text: str) -> bytes:
    value = sane(text)
    if value is None:
        raise InvalidArgument(f"Header value cannot be represented using ISO-8859-1: response-{name.decode()}")
    return value


def sane(value: object) -> bytes | None:
    """A text that can stand in a header; whatever wrote it, it must not end the line."""
    if not isinstance(value, str):
        return None
    try:
        return value.encode("latin-1") if VISIBLE.fullmatch(value) else None
    except UnicodeEncodeError:
        return None
