"""Credentials in headers -> Principal, by the contract's precedence (§3).

Raw ASGI headers: every request passes here. A Bearer token wins over keys: js-sdk sends its
`apikey` with every request, logged in or not. A credential that is there but unknown is refused;
it never sinks to an anonymous reader.

The console's cookie counts where no other credential stands. Browsers send it by themselves, so alone it is worth
reading only; with the session's word in `X-CSRF-Token` it is worth all that its owner may.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from storage_service.app.core.errors import Unauthenticated
from storage_service.app.core.security import (
    ANON_KEY_HOLDER,
    ANONYMOUS,
    INVALID_CREDENTIALS,
    SERVICE,
    Principal,
)
from storage_service.app.core.sessions import Sessions, csrf_of, reading_only
from storage_service.app.core.tokens import TokenVerifier

SESSION_COOKIE = "storage_session"
COOKIE_START = SESSION_COOKIE.encode() + b"="

Headers = Iterable[tuple[bytes, bytes]]
# From a token and what it says by itself to what the backend knows of its user.
Lookup = Callable[[str, Principal], Awaitable[Principal]]


class Credentials(NamedTuple):
    """The headers that may hold one; None = not sent."""

    authorization: bytes | None
    api_key: bytes | None  # `apikey`: A's SDKs
    x_api_key: bytes | None  # `X-API-Key`: B's backend, C's clients
    session: bytes | None = None  # the token in the console's cookie
    csrf: bytes | None = None  # `X-CSRF-Token`: the session's own word


class Access:
    """Knows the keys, asks the verifier about tokens, and the backend, if any, about users."""

    def __init__(
        self,
        verifier: TokenVerifier,
        anon_key: str | None,
        service_key: str | None,
        lookup: Lookup | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self._verifier = verifier
        self._anon_key = anon_key.encode() if anon_key else None
        self._service_key = service_key.encode() if service_key else None
        self._lookup = lookup
        self._sessions = sessions

    def identify(self, headers: Headers) -> Principal:
        """Who asks, by what this process knows. With a backend, `resolve` may say more, or refuse.

        Raises: Unauthenticated for a credential that does not hold.
        """
        return self._identify(credentials_of(headers))

    async def resolve(self, headers: Headers) -> Principal:
        """Who asks, with the ids and rights the backend knows. Raises: Unauthenticated."""
        credentials = credentials_of(headers)
        if credentials.session is not None and self._sessions is not None and self._sessions.stale:
            await self._sessions.refresh()
        principal = self._identify(credentials)
        if self._lookup is None or principal.kind != "user" or not credentials.authorization:
            return principal
        return await self._lookup(bearer_token(credentials.authorization), principal)

    def _identify(self, credentials: Credentials) -> Principal:
        authorization, api_key, x_api_key = credentials[:3]
        if authorization is not None:
            token = bearer_token(authorization)
            return self._of_key(token.encode("latin-1")) or self._verifier.verify(token)
        if x_api_key is None and api_key is None:
            return self._of_session(credentials)
        principal = self._of_key(x_api_key) if x_api_key is not None else ANON_KEY_HOLDER
        # Both sent: both must hold. `apikey` stands in web pages, so it is never the service's.
        if principal is None or (api_key is not None and not _equal(api_key, self._anon_key)):
            raise Unauthenticated(INVALID_CREDENTIALS)
        return principal

    def _of_session(self, credentials: Credentials) -> Principal:
        """Of the cookie. One that no longer holds is an error to the console; alone it was sent by the browser."""
        if credentials.session is None or self._sessions is None:
            return ANONYMOUS
        token, csrf = credentials.session.decode("latin-1"), credentials.csrf
        found = self._sessions.find(token)
        if csrf is None:
            return ANONYMOUS if found is None else reading_only(found[1])
        if found is None or not _equal(csrf, csrf_of(token).encode()):
            raise Unauthenticated(INVALID_CREDENTIALS)
        return found[1]

    def _of_key(self, key: bytes) -> Principal | None:
        if _equal(key, self._anon_key):
            return ANON_KEY_HOLDER
        return SERVICE if _equal(key, self._service_key) else None


def credentials_of(headers: Headers) -> Credentials:
    """The credential headers of a request. Raises: Unauthenticated when one is sent twice."""
    authorization = api_key = x_api_key = session = csrf = None
    for name, value in headers:
        if name == b"authorization":
            authorization = _only(authorization, value)
        elif name == b"apikey":
            api_key = _only(api_key, value)
        elif name == b"x-api-key":
            x_api_key = _only(x_api_key, value)
        elif name == b"cookie":
            session = session_token(value) or session
        elif name == b"x-csrf-token":
            csrf = value.strip()
    return Credentials(authorization, api_key, x_api_key, session, csrf)


def session_token(cookies: bytes) -> bytes | None:
    """The token in a Cookie header; None where it is not there."""
    for pair in cookies.split(b";"):
        if pair.strip().startswith(COOKIE_START):
            return pair.strip()[len(COOKIE_START) :]
    return None


def bearer_token(authorization: bytes) -> str:
    """The token of a Bearer header. Raises: Unauthenticated for any other scheme."""
    scheme, _, token = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        raise Unauthenticated(INVALID_CREDENTIALS)
    return token.strip().decode("latin-1")


def _only(before: bytes | None, value: bytes) -> bytes:
    # Of two, a proxy before us might have checked the other one.
    if before is not None:
        raise Unauthenticated(INVALID_CREDENTIALS)
    return value.strip()


def _equal(given: bytes, secret: bytes | None) -> bool:
    return secret is not None and hmac.compare_digest(given, secret)
