"""Signed links: a token in the URL's path that allows one request on one key. Pure.

The token is `base64url(JSON) . base64url(HMAC-SHA256)`. It stands in the path, because the stock
admin page keeps only the path of a link (contract §5). It tells who made it nothing new: all it
holds is the grant.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from storage_service.app.core.errors import AccessDenied, InvalidArgument, LinkExpired
from storage_service.app.core.security import Action, Principal, Scope

Method = Literal["GET", "PUT", "POST"]
Disposition = Literal["inline", "attachment"]

VERSION = 1
MAX_TOKEN_CHARS = 8192  # a URL with more does not pass common proxies
# Another label, another key: a link is never a login token, nor the other way about.
LABEL = b"storage-service signed link v1"
INVALID_LINK = "This link is not valid"
READS: frozenset[Action] = frozenset({"read_object", "read_object_meta"})
WRITES: frozenset[Action] = frozenset({"write_object"})


@dataclass(frozen=True, slots=True)
class LinkGrant:
    """What a link allows. Absent limits are None; `once` is the id its use is recorded under."""

    bucket: str  # uuid
    key: str
    method: Method
    expires_at: int  # seconds since 1970; at this instant it no longer holds
    max_bytes: int | None = None
    content_type: str | None = None
    once: str | None = None
    uploader: str = ""
    file_id: str | None = None  # reserved for the object to come
    overwrite: bool = True
    disposition: Disposition | None = None
    metadata: Mapping[str, Any] | None = None  # of the object to come, said when the upload was announced

    @property
    def principal(self) -> Principal:
        """Who asks with this link: only its key, only its kind of request."""
        actions = READS if self.method == "GET" else WRITES
        return Principal(
            "link",
            subject=self.uploader,
            expires_at=self.expires_at,
            scope=Scope(self.bucket, self.key, actions),
        )


# Short names on the wire; what equals its default is left out.
FIELDS = {
    "b": "bucket",
    "k": "key",
    "m": "method",
    "e": "expires_at",
    "s": "max_bytes",
    "t": "content_type",
    "o": "once",
    "u": "uploader",
    "f": "file_id",
    "w": "overwrite",
    "d": "disposition",
    "a": "metadata",
}
REQUIRED = "bkme"
_DEFAULTS = LinkGrant("", "", "GET", 0)


class Seal:
    """Signs a record into a token and reads it back: `base64url(JSON) . base64url(HMAC)`. The first secret signs, all
    are accepted. Another label, another key: no token passes for one of another kind."""

    def __init__(self, secrets: Sequence[str], label: bytes) -> None:
        self._keys = [hmac.digest(secret.encode(), label, "sha256") for secret in secrets]

    def sign(self, payload: Mapping[str, Any]) -> str:
        """Raises: InvalidArgument when the token would not fit into a URL."""
        text = urlsafe_b64encode(orjson.dumps(payload)).rstrip(b"=")
        token = (text + b"." + _signature(self._keys[0], text)).decode()
        if len(token) > MAX_TOKEN_CHARS:
            raise InvalidArgument("Key and options are too long for a link")
        return token

    def open(self, token: str) -> dict[str, Any]:
        """What was signed: it was written by us, though perhaps by a newer release.

        Raises: AccessDenied when it is not ours in every byte.
        """
        if len(token) > MAX_TOKEN_CHARS or not token.isascii():
            raise AccessDenied(INVALID_LINK)
        text, _, given = token.encode().partition(b".")
        # Compared as text: in base64 two spellings of the last character mean the same bytes.
        matches = [hmac.compare_digest(_signature(key, text), given) for key in self._keys]
        if not any(matches):
            raise AccessDenied(INVALID_LINK)
        found: dict[str, Any] = orjson.loads(urlsafe_b64decode(text + b"=" * (-len(text) % 4)))
        return found


class LinkSigner:
    """Makes and checks links."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._seal = Seal(secrets, LABEL)

    def sign(self, grant: LinkGrant) -> str:
        """The token: letters, digits, `-`, `_` and one `.`; under 1.5 kB for keys up to 700 bytes.

        Raises: InvalidArgument when the token would not fit into a URL.
        """
        payload: dict[str, Any] = {"v": VERSION}
        for short, name in FIELDS.items():
            value = getattr(grant, name)
            if short in REQUIRED or value != getattr(_DEFAULTS, name):
                payload[short] = value
        return self._seal.sign(payload)

    def verify(self, token: str, now: float) -> LinkGrant:
        """The grant as it was signed. `now` in seconds since 1970.

        Raises: AccessDenied when it is not ours in every byte, LinkExpired when it was.
        """
        grant = _parse(self._seal.open(token))
        if now >= grant.expires_at:
            raise LinkExpired("This link has expired", key=grant.key)
        return grant


def _signature(key: bytes, text: bytes) -> bytes:
    return urlsafe_b64encode(hmac.digest(key, text, hashlib.sha256)).rstrip(b"=")


def _parse(payload: dict[str, Any]) -> LinkGrant:
    if payload.pop("v") != VERSION or not payload.keys() <= FIELDS.keys():
        raise AccessDenied(INVALID_LINK)
    return LinkGrant(**{FIELDS[short]: value for short, value in payload.items()})
