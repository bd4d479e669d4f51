"""Signed-in people of the console: what a session is, and the ring of all that hold now. No web, no disk.

A session is named by a random token that only the browser has; its record holds the token's hash, so that whoever
reads records cannot sign in with them. A session of an access key ends with the key.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from storage_service.app.core.errors import ServiceUnavailable
from storage_service.app.core.keys import Keyring
from storage_service.app.core.objects import now_ms
from storage_service.app.core.security import KeyAction, KeyScope, Kind, Principal

log = logging.getLogger(__name__)

Via = Literal["token", "key", "password"]
READING: frozenset[KeyAction] = frozenset({"read", "list"})
TOKEN_BYTES = 32
CSRF_LABEL = b"storage-service console csrf v1"


@dataclass(frozen=True, slots=True)
class Session:
    """Who signed in, and how. `id` is the hash of its token. Times in ms since 1970."""

    id: str
    via: Via
    kind: Kind
    subject: str
    ids: frozenset[str]
    admin: bool
    created_ms: int
    expires_ms: int
    access_key: str = ""  # of a session by key: what it may is what the key may, now

    @property
    def principal(self) -> Principal:
        return Principal(self.kind, self.subject, self.ids, self.admin, expires_at=self.expires_ms / 1000)


class SessionRecords(Protocol):
    """Where sessions are kept. All calls but `generation` block."""

    def all(self) -> list[Session]: ...  # in no order; damaged records are left out and logged
    def add(self, session: Session) -> None: ...  # and removes those whose time is over
    def remove(self, session_id: str) -> None: ...  # one that is not there is no error
    def generation(self) -> int: ...  # another one after each change by any process; cheap, never blocks


class Sessions:
    """Sessions by token. `find` costs one hash and one look-up; whoever asks first makes sure it is not stale."""

    def __init__(self, records: SessionRecords, keys: Keyring, ttl_ms: int) -> None:
        self._records = records
        self._keys = keys
        self._ttl_ms = ttl_ms
        self._sessions: dict[str, Session] = {}
        self._seen = -1
        self._loading = asyncio.Lock()

    @property
    def stale(self) -> bool:
        """Whether anyone signed in or out, or a key was made or revoked, in any process, since the last `refresh`."""
        return self._seen != self._records.generation() or self._keys.stale

    async def refresh(self) -> None:
        """Read what changed. Raises: ServiceUnavailable when the records cannot be read."""
        if self._keys.stale:
            await self._keys.refresh()
        async with self._loading:
            if self._seen == self._records.generation():
                return
            generation = self._records.generation()  # before the records: what comes between is read again
            try:
                found = await asyncio.to_thread(self._records.all)
            except OSError as error:
                log.error("the sessions cannot be read: %s", error.strerror)
                raise ServiceUnavailable("The sessions cannot be read") from None
            self._sessions = {session.id: session for session in found}
            self._seen = generation

    def find(self, token: str) -> tuple[Session, Principal] | None:
        """The session of this token and who asks with it; None once it has ended."""
        session = self._sessions.get(id_of(token))
        now = now_ms()
        if session is None or session.expires_ms <= now:
            return None
        if not session.access_key:
            return session, session.principal
        found = self._keys.find(session.access_key)
        if found is None or not found[0].holds(now):
            return None
        return session, found[1]

    async def begin(self, principal: Principal, via: Via, access_key: str = "") -> tuple[str, Session]:
        """A new session and its token, which is told this once. It ends with the credential at the latest."""
        token, now = secrets.token_urlsafe(TOKEN_BYTES), now_ms()
        ends = now + self._ttl_ms
        if principal.expires_at is not None:
            ends = min(ends, int(principal.expires_at * 1000))
        who = (principal.kind, principal.subject, principal.ids, principal.admin)
        session = Session(id_of(token), via, *who, now, ends, access_key)
        await asyncio.to_thread(self._records.add, session)
        return token, session

    async def end(self, token: str) -> None:
        """From the next request on no worker takes it."""
        await asyncio.to_thread(self._records.remove, id_of(token))


def id_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_of(token: str) -> str:
    """What a page of our own sends beside the cookie: other sites' pages cannot know it."""
    return hmac.digest(token.encode(), CSRF_LABEL, "sha256").hex()


def reading_only(principal: Principal) -> Principal:
    """The same person, who may only read and list: what a cookie alone is worth."""
    limits = principal.limits or KeyScope()
    return replace(principal, limits=replace(limits, actions=limits.actions & READING))
