"""Headers of a download: type, disposition, caching, and what keeps uploaded bytes from running as our page."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from storage_service.app.core.objects import Bucket, Version
from storage_service.app.edge.mime import OCTET_STREAM, essence, is_inline_safe
from storage_service.app.edge.names import Disposition, content_disposition, http_date
from storage_service.app.edge.respond import Header


class Style(NamedTuple):
    """How a route shows an object. `inline`: safe types in place, all others as an attachment."""

    inline: bool
    public_cache: bytes  # Cache-Control of a public bucket's objects that carry none of their own
    private_cache: bytes
    retype: bool = False  # whether `?content_type=` may name another safe type


ATTACHMENT = Style(False, b"no-cache", b"private, no-cache")
VIEW = Style(True, b"max-age=3600", b"private, max-age=3600", retype=True)  # contract §4.2
# Short: the link is permanent, what stands behind it may change.
PERMANENT = Style(True, b"public, max-age=300", b"private, no-cache")
SIGNED_INLINE = Style(True, b"private, no-cache", b"private, no-cache")

RANGES: Header = (b"accept-ranges", b"bytes")
# Whatever is in it, it runs nothing and loads nothing; its own bytes and style are shown.
CSP_CLOSED: Header = (b"content-security-policy", b"sandbox; default-src 'none'")
_SHOWN = b"default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
CSP_SHOWN: Header = (b"content-security-policy", b"sandbox; " + _SHOWN)
# Browsers refuse to start their PDF viewer in a sandbox.
CSP_PDF: Header = (b"content-security-policy", _SHOWN + b"; object-src 'self'")

UNNAMED = frozenset({"", "1", "true"})  # `?download` alone asks for an attachment by its own name
VISIBLE = re.compile(r"[\t -~\x80-\xff]+")
KEPT = (("content_encoding", b"content-encoding"), ("content_language", b"content-language"))
CHECKSUMS = (("crc64nvme", b"x-checksum-crc64nvme"), ("sha256", b"x-checksum-sha256"))


class Shown(NamedTuple):
    """What a content type means for a browser."""

    header: Header
    is_safe: bool  # to be shown in place
    policy: Header  # if it is


def render_head(version: Version, bucket: Bucket, style: Style, query: Mapping[str, str]) -> list[Header]:
    """All headers of a 200 but Content-Length."""
    doc = orjson.loads(version.doc)
    retyped = _retyped(query.get("content_type")) if style.retype and query else None
    shown = _shown(retyped or doc.get("content_type") or OCTET_STREAM)
    inline = style.inline and shown.is_safe and "download" not in query
    headers = [
        shown.header,
        (b"content-disposition", _disposition(version.key, doc, inline, query.get("download"))),
        *_validators(version, _cache(doc, bucket, style)),
        RANGES,
        shown.policy if inline else CSP_CLOSED,
    ]
    for field, name in CHECKSUMS:
        if value := doc.get(field):
            headers.append((name, value.encode()))
    for field, name in KEPT:
        if field in doc and (value := _sane(doc[field])):
            headers.append((name, value.encode("latin-1")))
    return headers


def not_modified_headers(version: Version, bucket: Bucket, style: Style) -> list[Header]:
    """Headers of a 304: those that a cache keeps up to date (RFC 9110 §15.4.5)."""
    return _validators(version, _cache(orjson.loads(version.doc), bucket, style))


def _validators(version: Version, cache_control: bytes) -> list[Header]:
    return [
        (b"etag", b'"%s"' % version.etag.encode("latin-1", "replace")),
        (b"last-modified", http_date(version.at_ms)),
        (b"cache-control", cache_control),
        (b"x-version-id", version.version_id.encode()),
    ]


def _cache(doc: Mapping[str, Any], bucket: Bucket, style: Style) -> bytes:
    if stored := _sane(doc.get("cache_control")):
        return stored.encode("latin-1")
    return style.public_cache if bucket.options.public else style.private_cache


def _retyped(asked: str | None) -> str | None:
    """Another type to show it as, if that one is safe. The backend leaves `+` unescaped, so it may
    arrive as a space."""
    if not asked:
        return None
    kind = essence(asked).replace(" ", "+")
    return kind if is_inline_safe(kind) else None


def _disposition(key: str, doc: Mapping[str, Any], inline: bool, name: str | None) -> bytes:
    kind: Disposition = "inline" if inline else "attachment"
    stored = _sane(doc.get("content_disposition")) if name is None else None
    if stored:
        stored_kind = stored.partition(";")[0].strip().lower()
        # Its owner may ask for an attachment always, for inline only where the route allows it.
        if stored_kind in {"attachment", kind}:
            return stored.encode("latin-1")
    if name is None or name in UNNAMED:
        name = key.rpartition("/")[2] or key
    return content_disposition(kind, name)


@lru_cache(maxsize=1024)
def _shown(content_type: str) -> Shown:
    sane = _sane(content_type) or OCTET_STREAM
    policy = CSP_PDF if essence(sane) == "application/pdf" else CSP_SHOWN
    return Shown((b"content-type", sane.encode("latin-1")), is_inline_safe(sane), policy)


def _sane(value: object) -> str | None:
    """A stored text that can stand in a header; whatever wrote it, it must not end the line."""
    return value if isinstance(value, str) and VISIBLE.fullmatch(value) else None
