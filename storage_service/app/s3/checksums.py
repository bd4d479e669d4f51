"""Checksums that S3 clients announce: `Content-MD5`, `x-amz-checksum-*` in the head or behind the body.

Source: AWS "Checking object integrity in Amazon S3".
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple

from storage_service.app.core.checksums import ALGORITHMS, KINDS, Algorithm
from storage_service.app.core.errors import BadDigest, InvalidDigest, InvalidRequest, XAmzContentSHA256Mismatch
from storage_service.app.core.objects import Digests
from storage_service.app.edge.request import Request

MD5_BYTES = 16
PREFIX = "x-amz-checksum-"
HEADERS: dict[bytes, Algorithm] = {f"{PREFIX}{name.lower()}".encode(): name for name in ALGORITHMS}
# Of the same prefix, and no checksum.
OTHERS = frozenset({b"x-amz-checksum-mode", b"x-amz-checksum-type", b"x-amz-checksum-algorithm"})
ANNOUNCED = (b"x-amz-sdk-checksum-algorithm", b"x-amz-checksum-algorithm")


class Announced(NamedTuple):
    """`value` is raw bytes; None of a trailing one until the body has ended."""

    algorithm: Algorithm | None = None
    value: bytes | None = None
    trails: bool = False
    md5: bytes | None = None


NOTHING = Announced()


def announced(request: Request, trailers: frozenset[str]) -> Announced:
    """What the head says of the body's checksums.

    Raises: InvalidDigest for Content-MD5, InvalidRequest for the others.
    """
    headers = request.headers
    md5 = parse_md5(headers[b"content-md5"]) if b"content-md5" in headers else None
    named = [name for name in headers if name.startswith(b"x-amz-checksum-") and name not in OTHERS]
    if len(named) + len(trailers) > 1:
        raise InvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    if named:
        algorithm = algorithm_of(named[0].decode("latin-1"))
        return Announced(algorithm, parse_value(algorithm, headers[named[0]].decode("latin-1")), md5=md5)
    if trailers:
        return Announced(algorithm_of(next(iter(trailers))), trails=True, md5=md5)
    return NOTHING if md5 is None else Announced(md5=md5)


def check_declared(request: Request, found: Announced) -> None:
    """Of a body that must bear the checksum whose algorithm it names. Raises: InvalidRequest."""
    said = request.header(b"x-amz-sdk-checksum-algorithm")
    if said is None:
        return
    algorithm = algorithm_named(said)
    if found.algorithm is None:
        raise InvalidRequest(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer"
            " headers were found."
        )
    if algorithm != found.algorithm:
        raise InvalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")


def algorithm_named(text: str) -> Algorithm:
    """Raises: InvalidRequest."""
    for name in ALGORITHMS:
        if name == text.strip().upper():
            return name
    raise InvalidRequest(f"Checksum algorithm provided is unsupported. Please try again with any of {list(ALGORITHMS)}")


def algorithm_of(header: str) -> Algorithm:
    """Of `x-amz-checksum-crc32`. Raises: InvalidRequest."""
    return algorithm_named(header.lower().removeprefix(PREFIX))


def parse_value(algorithm: Algorithm, text: str) -> bytes:
    """Raises: BadDigest: what is no checksum matches no body."""
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KINDS[algorithm].size:
        raise BadDigest(f"Value for {PREFIX}{algorithm.lower()} header is invalid.")
    return raw


def parse_md5(text: bytes) -> bytes:
    """Raises: InvalidDigest."""
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != MD5_BYTES:
        raise InvalidDigest("The Content-MD5 you specified is not valid")
    return raw


def check(found: Announced, digests: Digests, trailers: Mapping[str, str], sha256: str | None) -> None:
    """Compare what was announced with what came. `sha256` is the signed one, in hex.

    Raises: BadDigest, XAmzContentSHA256Mismatch, InvalidRequest (a malformed trailer).
    """
    if sha256 is not None and (digests.sha256 is None or not hmac.compare_digest(digests.sha256, sha256)):
        raise XAmzContentSHA256Mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
    if found.md5 is not None and found.md5.hex() != digests.md5:
        raise BadDigest("The Content-MD5 you specified did not match what we received.")
    if found.algorithm is None:
        return
    value = found.value
    if found.trails:
        sent = trailers.get(f"{PREFIX}{found.algorithm.lower()}")
        if sent is None:
            raise InvalidRequest("The body ended without the checksum that x-amz-trailer announced")
        value = parse_value(found.algorithm, sent)
    if value is None or base64.b64encode(value).decode() != digests.checksums.get(found.algorithm):
        raise BadDigest(f"The {found.algorithm} you specified did not match the calculated checksum.")


def checksums_of(doc: Mapping[str, Any]) -> Mapping[str, str]:
    """What a version's doc says by algorithm: the writer's choice, else CRC64NVME, which we always compute."""
    chosen: Mapping[str, str] | None = doc.get("checksums")
    if chosen:
        return chosen
    crc = doc.get("crc64nvme")
    return {"CRC64NVME": crc} if crc else {}


def type_of(value: str) -> str:
    """A composite checksum has the number of its parts behind a dash."""
    return "COMPOSITE" if "-" in value else "FULL_OBJECT"


def checksum_headers(doc: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """For `x-amz-checksum-mode: ENABLED`, and for the answer to a write."""
    found = [(f"{PREFIX}{name.lower()}".encode(), value.encode()) for name, value in checksums_of(doc).items()]
    if found:
        found.append((b"x-amz-checksum-type", type_of(found[0][1].decode()).encode()))
    return found
