"""Keys and signatures of version 4. Pure.

Source: AWS "Signature Calculations for the Authorization Header".
"""

import hmac
from functools import lru_cache

from storage_service.app.s3.auth.canonical import digest

ALGORITHM = b"AWS4-HMAC-SHA256"
SERVICE = b"s3"
TERMINATOR = b"aws4_request"
KEPT_KEYS = 1024  # a key is good for a day, a region and an access key; four HMACs make another


@lru_cache(KEPT_KEYS)
def signing_key(secret: str, day: bytes, region: bytes) -> bytes:
    """What everything of a day is signed with."""
    key = hmac.digest(b"AWS4" + secret.encode(), day, "sha256")
    for step in (region, SERVICE, TERMINATOR):
        key = hmac.digest(key, step, "sha256")
    return key


def string_to_sign(stamp: bytes, scope: bytes, canonical: bytes) -> bytes:
    return b"\n".join((ALGORITHM, stamp, scope, digest(canonical)))


def sign(key: bytes, text: bytes) -> str:
    """In hex."""
    return hmac.digest(key, text, "sha256").hex()


def matches(given: str, computed: str) -> bool:
    return hmac.compare_digest(given.encode("latin-1", "replace"), computed.encode())
