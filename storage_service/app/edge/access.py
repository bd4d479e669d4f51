"""Credentials in headers -> Principal, by the contract's precedence (§3).

Raw ASGI headers: every request passes here. A Bearer token wins over keys: js-sdk sends its
`apikey` with every request, logged in or not. A credential that is there but unknown is refused;
it never sinks to an anonymous reader.
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
from storage_service.app.core.tokens import TokenVerifier

Headers = Iterable[tuple[bytes, bytes]]
# From a token and what it says by itself to what the backend knows of its user.
Lookup = Callable[[str, Principal], Awaitable[Principal]]


class Credentials(NamedTuple):
    """The headers that may hold one; None = not sent."""

    authorization: bytes | None
    api_key: bytes | None  # `apikey`: A's SDKs
    x_api_key: bytes | None  # `X-API-Key`: B's backend, C's clients


class Access:
    """Knows the keys, asks the verifier about tokens, and the backend, if any, about users."""

    def __init__(
        self,
        verifier: TokenVerifier,
        anon_key: str | None,
        service_key: str | None,
        lookup: Lookup | None = None,
    ) -> None:
        self._verifier = verifier
        self._anon_key = anon_key.encode() if anon_key else None
        self._service_key = service_key.encode() if service_key else None
        self._lookup = lookup

    def identify(self, headers: Headers) -> Principal:
        """Who asks, by what this process knows. With a backend, `resolve` may say more, or refuse.

        Raises: Unauthenticated for a credential that does not hold.
        """
        return self._identify(credentials_of(headers))

    async def resolve(self, headers: Headers) -> Principal:
        """Who asks, with the ids and rights the backend knows. Raises: Unauthenticated."""
        credentials = credentials_of(headers)
        principal = self._identify(credentials)
        if self._lookup is None or principal.kind != "user" or not credentials.authorization:
            return principal
        return await self._lookup(bearer_token(credentials.authorization), principal)

    def _identify(self, credentials: Credentials) -> Principal:
        authorization, api_key, x_api_key = credentials
        if authorization is not None:
            token = bearer_token(authorization)
            return self._of_key(token.encode("latin-1")) or self._verifier.verify(token)
        if x_api_key is None and api_key is None:
            return ANONYMOUS
        principal = self._of_key(x_api_key) if x_api_key is not None else ANON_KEY_HOLDER
        # Both sent: both must hold. `apikey` stands in web pages, so it is never the service's.
        if principal is None or (api_key is not None and not _equal(api_key, self._anon_key)):
            raise Unauthenticated(INVALID_CREDENTIALS)
        return principal

    def _of_key(self, key: bytes) -> Principal | None:
        if _equal(key, self._anon_key):
            return ANON_KEY_HOLDER
        return SERVICE if _equal(key, self._service_key) else None


def credentials_of(headers: Headers) -> Credentials:
    """The credential headers of a request. Raises: Unauthenticated when one is sent twice."""
    authorization = api_key = x_api_key = None
    for name, value in headers:
        if name == b"authorization":
            authorization = _only(authorization, value)
        elif name == b"apikey":
            api_key = _only(api_key, value)
        elif name == b"x-api-key":
            x_api_key = _only(x_api_key, value)
    return Credentials(authorization, api_key, x_api_key)


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
