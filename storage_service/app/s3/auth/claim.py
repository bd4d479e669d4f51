"""What a request says of its version 4 signature: in the Authorization header or in the URL. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from storage_service.app.core.errors import (
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    InvalidArgument,
)
from storage_service.app.s3.auth.canonical import Pair
from storage_service.app.s3.auth.credential import KEPT, Credential, parse_credential, parse_quoted

SCHEME = "AWS4-HMAC-SHA256"
SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
SIGNED_HEADERS = re.compile(r"[!-:<-~]+(?:;[!-:<-~]+)*", re.ASCII)
# As nearly every client writes it.
PLAIN = re.compile(rf"{SCHEME} Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{{64}})", re.ASCII)
EXPIRES = re.compile(rb"[0-9]{1,10}")
KEPT_CHARS = 512  # longer lists of signed headers are read anew each time: see `credential`
MOST_EXPIRES_SECONDS = 7 * 24 * 3600  # Source: AWS "Authenticating Requests: Using Query Parameters"
IN_URL = (
    b"X-Amz-Algorithm",
    b"X-Amz-Credential",
    b"X-Amz-Date",
    b"X-Amz-Expires",
    b"X-Amz-SignedHeaders",
    b"X-Amz-Signature",
)


class Claim(NamedTuple):
    """`signed`: names of headers, sorted. `expires_seconds` after the stamp a URL ends; None of a header."""

    credential: Credential
    signed: tuple[bytes, ...]
    signature: str
    expires_seconds: int | None = None


def parse_signed_headers(text: str) -> tuple[bytes, ...] | None:
    """Their names, sorted; None if the list is none."""
    return _kept_names(text) if len(text) <= KEPT_CHARS else _names(text)


def _names(text: str) -> tuple[bytes, ...] | None:
    if not SIGNED_HEADERS.fullmatch(text):
        return None
    return tuple(sorted({name.encode() for name in text.lower().split(";")}))


_kept_names = lru_cache(KEPT)(_names)


def parse_authorization(text: str) -> Claim:
    """Of `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.

    Raises: InvalidArgument for another scheme, AuthorizationHeaderMalformed.
    """
    plain = PLAIN.fullmatch(text)
    if plain is not None:
        credential, signed = parse_credential(plain[1]), parse_signed_headers(plain[2])
        if credential is not None and signed is not None:
            return Claim(credential, signed, plain[3])
    scheme, _, rest = text.strip().partition(" ")
    if scheme != SCHEME:
        raise InvalidArgument("Unsupported Authorization Type")
    fields: dict[str, str] = {}
    for piece in rest.split(","):
        name, _, value = piece.strip().partition("=")
        if name in fields:
            raise AuthorizationHeaderMalformed(f"The authorization header is malformed; {name} stands twice in it")
        fields[name] = value.strip()
    return _claim_of(fields)


def _claim_of(fields: Mapping[str, str]) -> Claim:
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not fields.get(name):
            raise AuthorizationHeaderMalformed(f"The authorization header is malformed; {name} is missing")
    credential = parse_credential(fields["Credential"])
    if credential is None:
        raise AuthorizationHeaderMalformed(
            "The authorization header is malformed; the Credential is mal-formed; expecting"
            ' "<YOUR-AKID>/YYYYMMDD/REGION/s3/aws4_request"'
        )
    signed = parse_signed_headers(fields["SignedHeaders"])
    if signed is None or not SIGNATURE.fullmatch(fields["Signature"]):
        raise AuthorizationHeaderMalformed("The authorization header is malformed")
    return Claim(credential, signed, fields["Signature"])


def parse_url(pairs: list[Pair]) -> tuple[Claim, bytes]:
    """Of a presigned URL's parameters, and its stamp. Raises: AuthorizationQueryParametersError."""
    found = dict(pairs)
    if any(name not in found for name in IN_URL):
        raise AuthorizationQueryParametersError(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature,"
            " X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    _check_once(pairs, len(found))
    if found[b"X-Amz-Algorithm"] != SCHEME.encode():
        raise AuthorizationQueryParametersError('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
    credential = parse_quoted(found[b"X-Amz-Credential"])
    if credential is None:
        raise AuthorizationQueryParametersError(
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting"
            ' "<YOUR-AKID>/YYYYMMDD/REGION/s3/aws4_request".'
        )
    signed = parse_signed_headers(unquote(found[b"X-Amz-SignedHeaders"].decode()))
    signature = found[b"X-Amz-Signature"].decode()
    if signed is None or not SIGNATURE.fullmatch(signature):
        raise AuthorizationQueryParametersError("X-Amz-SignedHeaders or X-Amz-Signature cannot be read")
    return Claim(credential, signed, signature, _expires(found[b"X-Amz-Expires"])), found[b"X-Amz-Date"]


def _check_once(pairs: list[Pair], distinct: int) -> None:
    """Which of two credentials is meant? Neither."""
    if len(pairs) == distinct:
        return
    names = [name for name, _ in pairs if name in IN_URL]
    if len(names) != len(set(names)):
        raise AuthorizationQueryParametersError("An X-Amz parameter stands twice in the URL")


def _expires(text: bytes) -> int:
    if not EXPIRES.fullmatch(text):
        words = "X-Amz-Expires must be non-negative" if text.startswith(b"-") else "X-Amz-Expires should be a number"
        raise AuthorizationQueryParametersError(words)
    seconds = int(text)
    if seconds > MOST_EXPIRES_SECONDS:
        raise AuthorizationQueryParametersError(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than"
            f" {MOST_EXPIRES_SECONDS} seconds"
        )
    return seconds
