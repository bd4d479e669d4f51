"""Digests announced in headers: Content-MD5, x-checksum-*, and those of RFC 9530."""

import base64
import binascii
import re

from storage_service.app.core.digests import Wanted
from storage_service.app.core.errors import InvalidArgument
from storage_service.app.edge.request import Request

NAMES = frozenset(
    {
        b"content-md5",
        b"x-checksum-sha256",
        b"x-checksum-crc64nvme",
        b"content-digest",
        b"repr-digest",
    }
)
MD5_BYTES, CRC64_BYTES, SHA256_BYTES = 16, 8, 32
# A member of a structured-field dictionary with a byte sequence. Source: RFC 8941 §3.2, §3.3.5.
MEMBER = re.compile(r"(?P<name>[a-z*][a-z0-9_.*-]*)=:(?P<value>[A-Za-z0-9+/=]*):(?:;[^,]*)?", re.ASCII)
HEX_SHA256 = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)


def parse_wanted(request: Request) -> Wanted | None:
    """What the body must hash to; None when nothing was announced.

    Of RFC 9530 only sha-256 counts (its `md5` is deprecated and is ignored, as unknown algorithms
    are). A whole body is sent, so Repr-Digest and Content-Digest mean the same bytes. Raises:
    InvalidArgument if malformed or contradictory.
    """
    if NAMES.isdisjoint(request.headers):
        return None
    md5 = request.header(b"content-md5")
    crc = request.header(b"x-checksum-crc64nvme")
    return Wanted(
        md5=None if md5 is None else _base64(md5, MD5_BYTES, "Content-MD5"),
        crc64nvme=None if crc is None else _base64(crc, CRC64_BYTES, "x-checksum-crc64nvme"),
        sha256=_sha256(request),
    )


def _sha256(request: Request) -> bytes | None:
    plain = request.header(b"x-checksum-sha256")
    found = [] if plain is None else [_hex_or_base64(plain)]
    for name in (b"content-digest", b"repr-digest"):
        if value := ", ".join(request.headers_all(name)):
            found += _members(value, name.decode())
    if len(set(found)) > 1:
        raise InvalidArgument("The SHA-256 digests contradict each other")
    return found[0] if found else None


def _members(value: str, header: str) -> list[bytes]:
    members = [MEMBER.fullmatch(text.strip(" \t")) for text in value.split(",")]
    named = {m["name"]: m["value"] for m in members if m}  # of duplicates the last (RFC 8941 §3.2)
    if None in members:
        raise InvalidArgument(f"{header} is malformed")
    return [_base64(named["sha-256"], SHA256_BYTES, header)] if "sha-256" in named else []


def _hex_or_base64(value: str) -> bytes:
    if HEX_SHA256.fullmatch(value):
        return bytes.fromhex(value)
    return _base64(value, SHA256_BYTES, "x-checksum-sha256")


def _base64(value: str, size: int, header: str) -> bytes:
    try:
        raw = base64.b64decode(value.strip(" \t"), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != size:
        raise InvalidArgument(f"{header} is not base64 of {size} bytes")
    return raw
