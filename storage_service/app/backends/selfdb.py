"""What a SelfDB backend knows: the user of a login token, the key of a file id (contract §3, §5).

The backend can name a user more fully, make them an admin, or refuse them. When it does not answer,
the token's own ids stand: they are signed, and they are never more than the backend would say.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import orjson
from cachetools import TLRUCache

from storage_service.app.core.errors import BackendUnavailable, Unauthenticated
from storage_service.app.core.objects import is_uuid
from storage_service.app.core.security import INVALID_CREDENTIALS, Principal

if TYPE_CHECKING:
    import httpx

MAX_CACHED_SECONDS = 300.0  # how long a deactivated user may still be let in
PAUSE_SECONDS = 10.0  # after a failure nobody is asked: requests must not queue for a dead backend
TIMEOUT_SECONDS = 2.0
CACHED_USERS = 4096
FORWARDED = (b"authorization", b"apikey")
RETRIABLE = (408, 425, 429)  # 4xx that say nothing about the user

log = logging.getLogger(__name__)


class Known(NamedTuple):
    """A cached answer; a principal of None was refused. `until` in seconds since 1970."""

    principal: Principal | None
    until: float


def backend_client(base_url: str) -> "httpx.AsyncClient":
    """A client for one backend; whoever makes it closes it."""
    import httpx  # noqa: PLC0415 - 5 MB with its own command line, and most services have no such backend

    # No proxies of the environment: they would see the tokens.
    return httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_SECONDS, trust_env=False)


class BackendUsers:
    """Asks the backend once per token, and remembers until the token expires, at most 300 s."""

    def __init__(
        self,
        client: "httpx.AsyncClient",
        admins: Iterable[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        """`client` has the backend's address as its base URL. `now` gives seconds since 1970."""
        self._client = client
        self._admins = frozenset(admins)
        self._now = now
        self._silent_until = 0.0
        self._cache: TLRUCache[bytes, Known] = TLRUCache(CACHED_USERS, ttu=lambda _, known, __: known.until, timer=now)

    async def lookup(self, token: str, principal: Principal) -> Principal:
        """The principal of a verified token, with the ids and rights the backend adds.

        Raises: Unauthenticated when the backend says that this user may not log in.
        """
        digest = hashlib.sha256(token.encode()).digest()
        try:
            known = self._cache[digest]
        except KeyError:
            known = await self._ask(token, principal)
            self._cache[digest] = known
        if known.principal is None:
            raise Unauthenticated(INVALID_CREDENTIALS)
        return known.principal

    async def download_info(self, file_id: str, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str] | None:
        """Bucket and key of a file of the backend; None when it does not tell the caller.

        It asks with the caller's own credentials, and the answer grants nothing.
        Raises: BackendUnavailable.
        """
        if not is_uuid(file_id):
            return None
        passed = [(name, value) for name, value in headers if name in FORWARDED]
        answer = await self._get(f"/api/v1/files/{UUID(file_id)}/download-info", passed)
        if answer.is_client_error:
            return None
        file = _object(answer).get("file_metadata")
        names = (file.get("bucket_name"), file.get("object_name")) if isinstance(file, dict) else ()
        match names:
            case (str(bucket), str(key)):
                return bucket, key
        raise BackendUnavailable("The SelfDB backend gave an answer of another form")

    async def _ask(self, token: str, principal: Principal) -> Known:
        now = self._now()
        until = min(principal.expires_at or now, now + MAX_CACHED_SECONDS)
        try:
            answer = await self._get("/api/v1/users/me", [(b"authorization", f"Bearer {token}")])
            if answer.is_client_error:
                # The backend's own tokens name a user by id, and its look-up goes by e-mail.
                minted = is_uuid(principal.subject)
                return Known(principal if minted else None, until)
            return Known(self._joined(principal, _object(answer)), until)
        except BackendUnavailable:
            return Known(principal, min(until, self._silent_until))

    def _joined(self, principal: Principal, user: dict[str, Any]) -> Principal | None:
        """The token's principal and the backend's user as one; None if the user is not active."""
        names = {text for name in ("id", "email") if isinstance(text := user.get(name), str)} - {""}
        folded = {text.casefold() for text in principal.ids}
        if folded.isdisjoint(name.casefold() for name in names):
            log.warning("The SelfDB backend answered for another user; the token's own ids stand")
            return principal
        if user.get("is_active") is False:
            return None
        ids = principal.ids | names
        admin = principal.admin or user.get("is_superuser") is True
        return replace(
            principal,
            subject=user["id"] if isinstance(user.get("id"), str) else principal.subject,
            ids=ids,
            admin=admin or not self._admins.isdisjoint(ids),
        )

    async def _get(self, path: str, headers: list[Any]) -> "httpx.Response":
        """A final answer, 2xx or 4xx. Raises: BackendUnavailable, at once during a pause."""
        if self._now() < self._silent_until:
            raise BackendUnavailable("The SelfDB backend does not answer")
        import httpx  # noqa: PLC0415 - as its client was

        try:
            answer = await self._client.get(path, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._gone(type(error).__name__) from None
        if answer.is_success or (answer.is_client_error and answer.status_code not in RETRIABLE):
            return answer
        raise self._gone(f"status {answer.status_code}")

    def _gone(self, reason: str) -> BackendUnavailable:
        """Start a pause; one line in the log for each."""
        self._silent_until = self._now() + PAUSE_SECONDS
        log.warning("The SelfDB backend does not answer (%s); asked again later", reason)
        return BackendUnavailable("The SelfDB backend does not answer")


def _object(answer: "httpx.Response") -> dict[str, Any]:
    """The JSON object of an answer. Raises: BackendUnavailable if it is none."""
    try:
        found = orjson.loads(answer.content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BackendUnavailable("The SelfDB backend gave an answer of another form")
    return found
