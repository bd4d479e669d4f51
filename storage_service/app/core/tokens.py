"""Login tokens: a JWT of the shared SECRET_KEY becomes a Principal. Its clock is handed to it.

python-jose checks the signature, with one algorithm that we name. What surrounds it is ours: jose
takes tokens without `exp`, ignores `crit`, and lets deep JSON in a header escape as RecursionError.
"""

import hashlib
import math
import re
import time
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from cachetools import TLRUCache
from jose import jwk, jws
from jose.backends.base import Key
from jose.exceptions import JOSEError
from jose.utils import base64url_decode

from storage_service.app.core.errors import Unauthenticated
from storage_service.app.core.security import INVALID_CREDENTIALS, Principal

ALGORITHMS = ("HS256", "HS384", "HS512")
MAX_TOKEN_BYTES = 8192  # what a header line may hold in common servers; ours are under 1 KiB
MAX_ID_CHARS = 255
CLOCK_SKEW_SECONDS = 30  # for `iat` and `nbf`: issued by another machine; `exp` gets none
CACHED_TOKENS = 4096
ID_CLAIMS = ("sub", "user_id", "uid", "email")  # the first one present is the subject
# Three parts, so no JWE, and strict: jose's decoder would skip characters outside the alphabet.
COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)


class TokenVerifier:
    """Checks and makes tokens. A token seen before costs one hash and one look-up."""

    def __init__(
        self,
        secret: str,
        *,
        algorithm: str = "HS256",
        previous: str | None = None,
        issuer: str | None = None,
        admins: Iterable[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        """`previous` is accepted, never used to sign. `now` gives seconds since 1970.

        Raises: ValueError for an algorithm that is not HMAC, or a secret that is a key file.
        """
        if algorithm not in ALGORITHMS:
            raise ValueError(f"ALGORITHM must be one of {', '.join(ALGORITHMS)}")
        self._algorithm = algorithm
        self._keys = [_hmac_key(text, algorithm) for text in (secret, previous) if text]
        self._issuer = issuer
        self._admins = frozenset(admins)
        self._now = now
        self._cache: TLRUCache[bytes, Principal] = TLRUCache(
            CACHED_TOKENS, ttu=lambda _, principal, __: principal.expires_at or 0.0, timer=now
        )

    def verify(self, token: str) -> Principal:
        """The user whose token this is. Raises: Unauthenticated, with the same words every time."""
        if len(token) > MAX_TOKEN_BYTES or not token.isascii():
            raise Unauthenticated(INVALID_CREDENTIALS)
        # By digest: the cache then holds no secret, and its size does not depend on the callers.
        digest = hashlib.sha256(token.encode()).digest()
        try:
            return self._cache[digest]
        except KeyError:
            pass
        try:
            principal = self._principal(self._claims(token))
        except (JOSEError, ValueError, RecursionError):
            # One answer for every fault, so that probing tells nothing.
            raise Unauthenticated(INVALID_CREDENTIALS) from None
        self._cache[digest] = principal
        return principal

    def mint(self, subject: str, ttl_seconds: int, **claims: str | int | bool) -> str:
        """A token this verifier accepts for so long. Raises: ValueError for an unusable subject."""
        issued = int(self._now())
        payload: dict[str, Any] = claims | {
            "sub": _checked_id(subject),
            "iat": issued,
            "exp": issued + ttl_seconds,
        }
        if self._issuer is not None:
            payload.setdefault("iss", self._issuer)
        return jws.sign(payload, self._keys[0], algorithm=self._algorithm)

    def _claims(self, token: str) -> Mapping[str, Any]:
        """The claims of a token whose signature and times hold."""
        if COMPACT.fullmatch(token) is None:
            raise ValueError("not a compact JWS")
        header = orjson.loads(base64url_decode(token.partition(".")[0].encode()))
        # We know no extension, so any critical one is unknown. Source: RFC 7515 §4.1.11.
        if not isinstance(header, dict) or "crit" in header:
            raise ValueError("not a header we understand")
        claims = orjson.loads(self._signed_payload(token))
        if not isinstance(claims, dict):
            raise ValueError("claims are not an object")
        self._check_times(claims)
        if self._issuer is not None and claims.get("iss") != self._issuer:
            raise ValueError("another issuer")
        # A token made for somebody else. Source: RFC 7519 §4.1.3. B's refresh tokens are no login.
        if "aud" in claims or claims.get("token_type", "access") != "access":
            raise ValueError("not meant for this service")
        return claims

    def _signed_payload(self, token: str) -> bytes:
        """The payload, signed with the first key that fits. Raises: JOSEError of the last one."""
        fault = JOSEError("no key")
        for key in self._keys:
            try:
                # A list of one: `none`, RS256 and what the header wishes have no say.
                return bytes(jws.verify(token, key, [self._algorithm]))
            except JOSEError as error:
                fault = error
        raise fault

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._now()
        if _instant(claims.get("exp")) <= now:
            raise ValueError("expired")
        for name in ("nbf", "iat"):
            if name in claims and _instant(claims[name]) > now + CLOCK_SKEW_SECONDS:
                raise ValueError("not yet valid")

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        found = [_checked_id(claims[name]) for name in ID_CLAIMS if claims.get(name) is not None]
        if not found:
            raise ValueError("names nobody")
        ids = frozenset(found)
        return Principal(
            "user",
            subject=found[0],
            ids=ids,
            admin=_is_b_admin(claims) or not self._admins.isdisjoint(ids),
            expires_at=_instant(claims["exp"]),
        )


def check_hmac_secret(secret: str) -> None:
    """Refuse key files: all know a public key, and could sign with it. Source: RFC 8725 §2.1."""
    text = secret.strip()
    if (
        "-----BEGIN" in text
        or text.startswith(("ssh-", "ecdsa-sha2-"))
        or (text.startswith("{") and '"kty"' in text)
        or _is_der(text)
    ):
        raise ValueError(
            "SECRET_KEY is a key file (PEM, DER, SSH or JWK); HS256, HS384 and HS512 need a random"
            " shared secret, such as `openssl rand -base64 48` prints"
        )


def _hmac_key(secret: str, algorithm: str) -> Key:
    check_hmac_secret(secret)
    return jwk.construct(secret, algorithm)


def _is_der(text: str) -> bool:
    """Whether it is base64 of one DER sequence with a two-byte length, as keys are."""
    try:
        data = b64decode("".join(text.split()), validate=True)
    except ValueError:
        return False
    return data[:2] == b"\x30\x82" and int.from_bytes(data[2:4]) == len(data) - 4


def _instant(value: object) -> float:
    """A NumericDate, seconds since 1970. Raises: ValueError for anything but a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a time")
    return float(value)


def _checked_id(value: object) -> str:
    """An id as text. Raises: ValueError if it cannot stand in a row, or begins with our `@`."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("not an id")
    text = str(value)
    if not 1 <= len(text) <= MAX_ID_CHARS or not text.isprintable() or text.startswith("@"):
        raise ValueError("not an id")
    return text


def _is_b_admin(claims: Mapping[str, Any]) -> bool:
    """Generation B's tokens carry the role (contract §3); of another maker it says nothing."""
    return claims.get("role") == "ADMIN" and claims.get("token_type") == "access" and claims.get("user_id") is not None
