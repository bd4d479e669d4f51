"""The commonest presigned URL, checked in few steps: six parameters as every SDK writes them, the host alone signed.

It accepts what `sigv4` accepts and refuses nothing: whatever is not plainly right is asked there again, which knows the
other spellings, the other names of this service, and why a request is refused. Pure.

A link is asked for again, by everybody who has it and once for each range of a video. What a URL says and how a key
signs it never changes, so the last few are kept. Whose key it is, whether that holds, and the time are asked each time.
"""

import hmac
import re
from functools import lru_cache
from typing import NamedTuple

from storage_service.app.edge.request import Request
from storage_service.app.s3.auth.canonical import CANONICAL_PATH
from storage_service.app.s3.auth.claim import MOST_EXPIRES_SECONDS
from storage_service.app.s3.auth.clock import SKEW_SECONDS, parse_stamp
from storage_service.app.s3.auth.credential import Credential, parse_quoted
from storage_service.app.s3.auth.signing import sign, string_to_sign

# In the order that is also the canonical one; escapes of the credential's slashes alone.
PLAIN = re.compile(
    rb"(X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=((?:[A-Za-z0-9._~-]++|%2F)++)&X-Amz-Date=([0-9]{8}T[0-9]{6}Z)"
    rb"&X-Amz-Expires=([0-9]{1,6})&X-Amz-SignedHeaders=host)&X-Amz-Signature=([0-9a-f]{64})"
)
FIRST = b"X-Amz-Algorithm="
AMZ = b"x-amz-"
KEPT = 2048
MOST_KEPT_BYTES = 1024  # a longer URL is taken apart each time, or strangers could fill the memory


class Plain(NamedTuple):
    """What such a URL says. `at`: seconds since 1970; `canonical`: the request that was signed."""

    credential: Credential
    stamp: bytes
    at: float
    ends_at: float
    canonical: bytes
    signature: bytes


def read_plain(request: Request) -> Plain | None:
    """None of any other request."""
    sent: bytes = request.scope.get("query_string", b"")
    if not sent.startswith(FIRST):
        return None
    host = b""
    for name, value in request.scope["headers"]:
        if name == b"host":
            if host:
                return None
            host = value
        elif name.startswith(AMZ) or name == b"authorization":
            return None
    path = request.raw_path
    read = _read if len(path) + len(sent) + len(host) <= MOST_KEPT_BYTES else _read.__wrapped__
    return read(request.method, path, sent, host)


@lru_cache(KEPT)
def _read(method: str, path: bytes, sent: bytes, host: bytes) -> Plain | None:
    found = PLAIN.fullmatch(sent)
    if found is None or not path or not CANONICAL_PATH.fullmatch(path):
        return None
    query, credential_text, stamp, expires, signature = found.groups()
    credential, at, lasts = parse_quoted(credential_text), parse_stamp(stamp), int(expires)
    if credential is None or at is None or lasts > MOST_EXPIRES_SECONDS or credential.day != stamp[:8]:
        return None
    canonical = b"%s\n%s\n%s\nhost:%s\n\nhost\nUNSIGNED-PAYLOAD" % (method.encode(), path, query, host)
    return Plain(credential, stamp, at, at + lasts, canonical, signature)


def is_genuine(plain: Plain, key: bytes, now: float) -> bool:
    """Whether it was signed with this key, and holds now."""
    if not plain.at - SKEW_SECONDS <= now < plain.ends_at:
        return False
    make = _sign if len(plain.canonical) <= MOST_KEPT_BYTES else _sign.__wrapped__
    return hmac.compare_digest(make(key, plain.stamp, plain.credential.scope, plain.canonical), plain.signature)


@lru_cache(KEPT)
def _sign(key: bytes, stamp: bytes, scope: bytes, canonical: bytes) -> bytes:
    """In hex."""
    return sign(key, string_to_sign(stamp, scope, canonical)).encode()
