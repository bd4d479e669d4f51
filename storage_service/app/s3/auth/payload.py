"""How a request's body is protected, from its headers. Pure."""

import re
from collections.abc import Mapping

from storage_service.app.core.errors import AccessDenied, InvalidArgument, MissingContentLength
from storage_service.app.s3.auth.caller import ChunkSeed, Payload

UNSIGNED = b"UNSIGNED-PAYLOAD"
SIGNED_CHUNKS = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_CHUNKS_TRAILER = b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"
HASH = re.compile(rb"[0-9a-f]{64}")
LENGTH = re.compile(rb"[0-9]{1,15}")
TRAILER_NAME = re.compile(rb"x-amz-checksum-[a-z0-9]{1,32}")
MOST_TRAILERS = 8


def payload_of(content_sha256: bytes, headers: Mapping[bytes, bytes], seed: ChunkSeed | None) -> Payload:
    """`content_sha256` is x-amz-content-sha256; `seed` is there when the head was signed with version 4.

    Raises: InvalidArgument, MissingContentLength, AccessDenied (signed chunks without a signature).
    """
    if HASH.fullmatch(content_sha256):
        return Payload("plain", sha256=content_sha256.decode())
    if content_sha256 in (UNSIGNED, b""):
        return Payload("unsigned")
    if content_sha256 == UNSIGNED_CHUNKS_TRAILER:
        return Payload("chunked", decoded_length=_decoded_length(headers), trailers=_trailers(headers))
    if content_sha256 not in (SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER):
        raise InvalidArgument(
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER,"
            " STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
        )
    if seed is None:
        raise AccessDenied("Signed chunks need a request signed with AWS4-HMAC-SHA256")
    trailing = content_sha256 == SIGNED_CHUNKS_TRAILER
    names = _trailers(headers) if trailing else frozenset[str]()
    return Payload(
        "chunked", decoded_length=_decoded_length(headers), trailers=names, signed_trailers=trailing, seed=seed
    )


def _decoded_length(headers: Mapping[bytes, bytes]) -> int:
    sent = headers.get(b"x-amz-decoded-content-length")
    if sent is None:
        raise MissingContentLength("A chunked body needs x-amz-decoded-content-length")
    if not LENGTH.fullmatch(sent):
        raise InvalidArgument("x-amz-decoded-content-length is not a number of bytes")
    return int(sent)


def _trailers(headers: Mapping[bytes, bytes]) -> frozenset[str]:
    names = [name.strip().lower() for name in headers.get(b"x-amz-trailer", b"").split(b",")]
    found = frozenset(name.decode("latin-1") for name in names if name)
    if len(found) > MOST_TRAILERS or not all(TRAILER_NAME.fullmatch(name) for name in names if name):
        raise InvalidArgument("x-amz-trailer names no checksum")
    return found
