"""Signature version 4 of a whole request, in headers or in the URL. Pure.

Source: AWS "Authenticating Requests (AWS Signature Version 4)".
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from storage_service.app.core.errors import (
    AccessDenied,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    InvalidRequest,
    RequestTimeTooSkewed,
)
from storage_service.app.edge.request import Request
from storage_service.app.s3.auth.canonical import (
    Pair,
    canonical_path,
    canonical_request,
    parse_pairs,
    render_pairs,
    trimmed,
)
from storage_service.app.s3.auth.claim import IN_URL, Claim, parse_authorization, parse_url
from storage_service.app.s3.auth.clock import SKEW_SECONDS, parse_date, parse_stamp, render_stamp
from storage_service.app.s3.auth.hoisted import hoisted_headers
from storage_service.app.s3.auth.names import Name
from storage_service.app.s3.auth.payload import UNSIGNED
from storage_service.app.s3.auth.signing import matches, sign, string_to_sign

AMZ = b"x-amz-"
CONTENT_SHA256 = b"x-amz-content-sha256"
# What a CDN adds behind the client's back; it asks for nothing.
ADDED = frozenset({b"x-amz-cf-id"})
# What servers and proxies on the way eat, with the value that was signed.
EATEN: Mapping[bytes, bytes] = {b"expect": b"100-continue"}


class Signed(NamedTuple):
    """A request and what it says of its signature. `at`: when it was signed, seconds since 1970."""

    claim: Claim
    stamp: bytes
    at: float
    method: bytes
    raw_path: bytes
    query: bytes  # canonical
    headers: list[Pair]  # the signed ones, by name
    payload_hash: bytes
    hoisted: list[Pair]  # headers that stand in the URL


def read_header(request: Request, authorization: str) -> Signed:
    """Raises: AuthorizationHeaderMalformed, AccessDenied, InvalidArgument, InvalidRequest."""
    claim = parse_authorization(authorization)
    stamp, at = _stamp_of(request)
    if claim.credential.day != stamp[:8]:
        raise AuthorizationHeaderMalformed(
            "The authorization header is malformed; Invalid credential date. Date is not the same as X-Amz-Date"
        )
    payload_hash = request.headers.get(CONTENT_SHA256)
    if payload_hash is None:
        raise InvalidRequest("Missing required header for this request: x-amz-content-sha256")
    query = render_pairs(parse_pairs(request.scope.get("query_string", b"")))
    return _signed(request, claim, (stamp, at), query, payload_hash)


def read_url(request: Request) -> Signed:
    """Raises: AuthorizationQueryParametersError, AccessDenied."""
    pairs = parse_pairs(request.scope.get("query_string", b""))
    claim, stamp = parse_url(pairs)
    at = parse_stamp(stamp)
    if at is None:
        raise AuthorizationQueryParametersError(
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
        )
    if claim.credential.day != stamp[:8]:
        raise AuthorizationQueryParametersError(
            f'Invalid credential date "{claim.credential.day.decode()}". This date is not the same as X-Amz-Date:'
            f' "{stamp[:8].decode()}".'
        )
    payload_hash = request.headers.get(CONTENT_SHA256) or dict(pairs).get(b"X-Amz-Content-Sha256", UNSIGNED)
    signed = _signed(request, claim, (stamp, at), render_pairs(pairs, without=b"X-Amz-Signature"), payload_hash)
    if len(pairs) == len(IN_URL):
        return signed
    return signed._replace(hoisted=[pair for pair in hoisted_headers(pairs) if pair[0] not in request.headers])


def _signed(request: Request, claim: Claim, when: tuple[bytes, float], query: bytes, payload_hash: bytes) -> Signed:
    headers = signed_headers(request, claim.signed)
    return Signed(claim, *when, request.method.encode(), request.raw_path, query, headers, payload_hash, [])


def signed_headers(request: Request, names: tuple[bytes, ...]) -> list[Pair]:
    """The signed headers with their values, in this order; several of a name joined by commas.

    Raises: AccessDenied if host or a header of ours is not signed: whoever holds a URL could add one.
    """
    found = request.headers
    for name in found:
        if name not in names and name.startswith(AMZ) and name not in ADDED:
            raise _unsigned(name)
    if b"host" not in names:
        raise _unsigned(b"host")
    if request.repeats_headers:
        found = _joined(request.scope["headers"])
    values = [found[name] if name in found else EATEN.get(name, b"") for name in names]
    whole = b"".join(values)  # looked through once: inner spaces are as rare as tabs
    trim = trimmed if b"  " in whole or b"\t" in whole else bytes.strip
    return list(zip(names, map(trim, values), strict=True))


def _joined(headers: Iterable[Pair]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = found[name] + b"," + trimmed(value) if name in found else trimmed(value)
    return found


def _unsigned(name: bytes) -> AccessDenied:
    shown = name.decode("latin-1")
    return AccessDenied(f"There were headers present in the request which were not signed: {shown}")


def _stamp_of(request: Request) -> tuple[bytes, float]:
    sent = request.headers.get(b"x-amz-date") or request.headers.get(b"date", b"")
    at = parse_date(sent)
    if at is None:
        raise AccessDenied("AWS authentication requires a valid Date or x-amz-date header")
    return (sent if sent.endswith(b"Z") else render_stamp(at)), at


def check_time(signed: Signed, now: float) -> None:
    """Raises: RequestTimeTooSkewed for a header, AccessDenied for a URL that ended or has not begun."""
    if signed.claim.expires_seconds is None:
        if abs(now - signed.at) > SKEW_SECONDS:
            raise RequestTimeTooSkewed("The difference between the request time and the current time is too large.")
    elif signed.at > now + SKEW_SECONDS:
        raise AccessDenied("Request is not yet valid")
    elif now >= signed.at + signed.claim.expires_seconds:
        raise AccessDenied("Request has expired")


def canonical_of(signed: Signed, name: Name | None = None) -> bytes:
    """The canonical request: as it came, or as if it had been sent to `name`."""
    if name is None:
        path = canonical_path(signed.raw_path)
        return canonical_request(signed.method, path, signed.query, signed.headers, signed.payload_hash)
    headers = [(b"host", name.host) if header[0] == b"host" else header for header in signed.headers]
    path = canonical_path(name.prefix + signed.raw_path)
    return canonical_request(signed.method, path, signed.query, headers, signed.payload_hash)


def is_signed_with(key: bytes, signed: Signed, canonical: bytes) -> bool:
    text = string_to_sign(signed.stamp, signed.claim.credential.scope, canonical)
    return matches(signed.claim.signature, sign(key, text))


def verifies(key: bytes, signed: Signed, names: Iterable[Name]) -> bool:
    """Whether the request was signed with this key, under the name it came by or one of `names`."""
    if is_signed_with(key, signed, canonical_of(signed)):
        return True
    if canonical_path(signed.raw_path) != signed.raw_path:  # some clients sign the path as they spell it
        spelled = canonical_request(signed.method, signed.raw_path, *signed[5:8])
        if is_signed_with(key, signed, spelled):
            return True
    return any(is_signed_with(key, signed, canonical_of(signed, name)) for name in names)
