"""Signature version 2 of a whole request, in the Authorization header or in the URL. Pure.

boto3, awscli 1, s3cmd and django-storages still presign with it by default. It signs neither the host nor all of the
query, so a URL may bear nothing unsigned that would change what is asked.
Source: AWS "Signing and authenticating REST requests (AWS signature version 2)".
"""

import base64
import hmac
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from storage_service.app.core.errors import AccessDenied, InvalidArgument, RequestTimeTooSkewed
from storage_service.app.edge.request import Request
from storage_service.app.s3.auth.canonical import Pair, canonical_path, parse_pairs
from storage_service.app.s3.auth.clock import SKEW_SECONDS, parse_date
from storage_service.app.s3.auth.names import Name

SCHEME = "AWS"
AUTHORIZATION = re.compile(r"AWS +([^\s:]+):([A-Za-z0-9+/]+={0,2})")
EXPIRES = re.compile(r"[0-9]{1,12}", re.ASCII)
IN_URL = frozenset({b"AWSAccessKeyId", b"Signature", b"Expires"})
# What botocore signs of a query. Source: botocore.auth.HmacV1Auth.QSAOfInterest.
SIGNED = frozenset(
    b"accelerate acl analytics cors defaultObjectAcl delete inventory lifecycle location logging metrics notification"
    b" object-lock partNumber policy replication requestPayment response-cache-control response-content-disposition"
    b" response-content-encoding response-content-language response-content-type response-expires restore select"
    b" select-type storageClass tagging torrent uploadId uploads versionId versioning versions website".split()
)
# What other clients sign besides.
ALSO_SIGNED = SIGNED | frozenset(
    b"attributes encryption legal-hold ownershipControls policyStatus publicAccessBlock rename renameObject"
    b" retention".split()
)
# What may stand in a URL unsigned: it narrows a list, or says nothing.
HARMLESS = frozenset(
    b"allow-unordered bucket-region continuation-token delimiter encoding-type fetch-owner key-marker list-type marker"
    b" max-buckets max-keys max-parts max-uploads metadata part-number-marker prefix start-after upload-id-marker"
    b" version-id-marker x-id".split()
)


class Signed(NamedTuple):
    """A request and what it says of its signature. `ends_at`: of a URL, seconds since 1970; `at`: of a header."""

    access_key: str
    signature: str
    method: bytes
    date: bytes  # as it was signed
    path: bytes  # with the bucket in front
    pieces: list[bytes]  # of the query, as sent
    headers: list[Pair]
    at: float | None = None
    ends_at: int | None = None


def read_header(request: Request, bucket: str, key: str, authorization: str) -> Signed:
    """Raises: InvalidArgument, AccessDenied."""
    found = AUTHORIZATION.fullmatch(authorization.strip())
    if found is None:
        raise InvalidArgument('Invalid Authorization header: expecting "AWS AccessKeyId:Signature"')
    amz_date = request.headers.get(b"x-amz-date")
    date = request.headers.get(b"date", b"")
    at = parse_date(date if amz_date is None else amz_date)
    if at is None:
        raise AccessDenied("AWS authentication requires a valid Date or x-amz-date header")
    made = _signed(request, bucket, key, (found[1], found[2]), date if amz_date is None else b"")
    return made._replace(at=at)


def read_url(request: Request, bucket: str, key: str) -> Signed:
    """Raises: AccessDenied."""
    pairs = parse_pairs(request.scope.get("query_string", b""))
    named = [(name, unquote_to_bytes(value).decode("latin-1")) for name, value in pairs if name in IN_URL]
    fields = dict(named)
    expires = fields.get(b"Expires", "")
    if len(fields) != len(IN_URL) or len(named) != len(fields) or not EXPIRES.fullmatch(expires):
        raise AccessDenied("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
    _check_query(name for name, _ in pairs)
    signature = fields[b"Signature"].replace(" ", "+")  # a plus that nobody encoded
    made = _signed(request, bucket, key, (fields[b"AWSAccessKeyId"], signature), expires.encode())
    return made._replace(ends_at=int(expires))


def _check_query(names: Iterable[bytes]) -> None:
    """Whoever holds a URL could add a parameter that it does not sign."""
    for name in names:
        if name not in ALSO_SIGNED and name not in HARMLESS and name not in IN_URL and not is_header(name):
            shown = name.decode("latin-1")
            raise AccessDenied(f"Signature version 2 does not cover the query parameter {shown}; sign with version 4")


def is_header(name: bytes) -> bool:
    """Whether a parameter of a URL stands for a header, as botocore and others write them."""
    lower = name.lower()
    return lower.startswith(b"x-amz-") or lower in (b"content-type", b"content-md5")


def _signed(request: Request, bucket: str, key: str, claim: tuple[str, str], date: bytes) -> Signed:
    raw, query = request.raw_path, request.scope.get("query_string", b"")
    hosted = bool(bucket) and request.path not in (f"/{bucket}", f"/{bucket}/{key}")
    path = b"/" + bucket.encode() + raw if hosted else raw
    headers = list(request.scope["headers"])
    return Signed(*claim, request.method.encode(), date, path, query.split(b"&"), headers)


def check_time(signed: Signed, now: float) -> None:
    """Raises: RequestTimeTooSkewed for a header, AccessDenied for a URL that ended."""
    if signed.at is not None and abs(now - signed.at) > SKEW_SECONDS:
        raise RequestTimeTooSkewed("The difference between the request time and the current time is too large.")
    if signed.ends_at is not None and now >= signed.ends_at:
        raise AccessDenied("Request has expired")


def verifies(secret: str, signed: Signed, hoisted: list[Pair], names: Iterable[Name]) -> bool:
    """Whether the request was signed with this secret, headers that stand in its URL included."""
    key = secret.encode()
    sent = {name for name, _ in signed.headers}
    # Never without those of the URL: whoever holds it could have added them.
    together = signed._replace(headers=signed.headers + [pair for pair in hoisted if pair[0] not in sent])
    given = signed.signature.encode("latin-1", "replace")
    return any(hmac.compare_digest(signature_of(key, text), given) for text in _texts(together, names))


def _texts(signed: Signed, names: Iterable[Name]) -> Iterator[bytes]:
    """What may have been signed, most likely first. Of a header botocore signs less; of a URL all must be covered."""
    more = any(piece.partition(b"=")[0] in ALSO_SIGNED - SIGNED for piece in signed.pieces)
    for path in _paths(signed.path, names):
        if not more or signed.ends_at is None:
            yield string_to_sign(signed, path, SIGNED)
        if more:
            yield string_to_sign(signed, path, ALSO_SIGNED)


def _paths(path: bytes, names: Iterable[Name]) -> Iterator[bytes]:
    spelled = dict.fromkeys((path, canonical_path(path)))
    if path.count(b"/") == 1:  # a bucket: botocore signs it with a slash at the end
        spelled[path + b"/"] = None
    for prefix in dict.fromkeys((b"", *(name.prefix for name in names))):
        for one in spelled:
            yield prefix + one


def string_to_sign(signed: Signed, path: bytes, covered: frozenset[bytes]) -> bytes:
    headers: dict[bytes, bytes] = {}
    for name, value in signed.headers:
        headers[name] = headers[name] + b"," + value.strip() if name in headers else value.strip()
    amz = [name + b":" + headers[name] for name in sorted(headers) if name.startswith(b"x-amz-")]
    first = [signed.method, headers.get(b"content-md5", b""), headers.get(b"content-type", b""), signed.date]
    return b"\n".join([*first, *amz, path + _sub_resources(signed.pieces, covered)])


def _sub_resources(pieces: list[bytes], covered: frozenset[bytes]) -> bytes:
    found = []
    for piece in pieces:
        name, equals, value = piece.partition(b"=")
        if name in covered:
            found.append((name, equals + unquote_to_bytes(value)))
    found.sort()
    return b"?" + b"&".join([name + value for name, value in found]) if found else b""


def signature_of(secret: bytes, text: bytes) -> bytes:
    """In base64."""
    return base64.b64encode(hmac.digest(secret, text, "sha1"))
