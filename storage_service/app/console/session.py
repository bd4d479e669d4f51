"""Who signs in to the console, by what they know; and the cookie that stands for it afterwards."""

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from storage_service.app.core.errors import InvalidArgument, Unauthenticated
from storage_service.app.core.keys import Keyring
from storage_service.app.core.objects import now_ms
from storage_service.app.core.security import INVALID_CREDENTIALS, SERVICE, Principal
from storage_service.app.core.sessions import Session, Sessions, Via, csrf_of
from storage_service.app.edge.access import SESSION_COOKIE, Access
from storage_service.app.edge.names import iso
from storage_service.app.edge.request import Request
from storage_service.app.edge.respond import Header

REFUSED_SECONDS = 0.5  # before a wrong secret is told: a few guesses a second, whoever guesses
GUESSES_AT_ONCE = 4
FIELDS = ({"password"}, {"token"}, {"access_key", "secret_key"})


@dataclass(frozen=True, slots=True)
class Desk:
    """Where people sign in. `password` None: by token and access key only."""

    access: Access
    sessions: Sessions
    keys: Keyring
    password: str | None = None


class SignIn:
    """Checks what somebody says they know. Wrong guesses cost time, and only so many are heard at once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._turn = asyncio.Semaphore(GUESSES_AT_ONCE)

    async def begin(self, said: bytes) -> tuple[str, Session, Principal]:
        """A session's token, the session and who it is. Raises: InvalidArgument, Unauthenticated."""
        fields = parse_said(said)
        async with self._turn:
            try:
                principal, via, access_key = await self._principal(fields)
            except Unauthenticated:
                await asyncio.sleep(REFUSED_SECONDS)
                raise
        token, session = await self._desk.sessions.begin(principal, via, access_key)
        return token, session, principal

    async def _principal(self, fields: Mapping[str, str]) -> tuple[Principal, Via, str]:
        if "password" in fields:
            return self._by_password(fields["password"]), "password", ""
        if "token" in fields:
            return await self._by_token(fields["token"]), "token", ""
        return await self._by_key(fields["access_key"], fields["secret_key"]), "key", fields["access_key"]

    def _by_password(self, password: str) -> Principal:
        expected = self._desk.password
        if expected is None or not hmac.compare_digest(password.encode(), expected.encode()):
            raise Unauthenticated(INVALID_CREDENTIALS)
        return SERVICE

    async def _by_token(self, token: str) -> Principal:
        """A login token or the service key. The anon key names nobody."""
        try:
            header = b"Bearer " + token.encode("latin-1")
        except UnicodeEncodeError:
            raise Unauthenticated(INVALID_CREDENTIALS) from None
        principal = await self._desk.access.resolve([(b"authorization", header)])
        if not principal.may_own:
            raise Unauthenticated(INVALID_CREDENTIALS)
        return principal

    async def _by_key(self, access_key: str, secret: str) -> Principal:
        keys = self._desk.keys
        if keys.stale:
            await keys.refresh()
        found = keys.find(access_key)
        expected = found[0].secret if found is not None else ""
        matches = hmac.compare_digest(secret.encode(), expected.encode())
        if found is None or not expected or not matches or not found[0].holds(now_ms()):
            raise Unauthenticated(INVALID_CREDENTIALS)
        keys.note_use(access_key, now_ms())
        return found[1]


def parse_said(body: bytes) -> dict[str, str]:
    """Exactly one kind of credential. Raises: InvalidArgument."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict) or set(said) not in FIELDS or not all(isinstance(one, str) for one in said.values()):
        raise InvalidArgument("Sign in with a token, with access_key and secret_key, or with the password")
    return {name: value.strip() for name, value in said.items()}


def record_of(token: str, session: Session, principal: Principal) -> dict[str, Any]:
    """What the page may know of who is signed in."""
    limits = principal.limits
    return {
        "subject": principal.subject,
        "admin": principal.admin and limits is None,
        "via": session.via,
        "access_key": session.access_key or None,
        "actions": None if limits is None else sorted(limits.actions),
        "expires_at": iso(session.expires_ms),
        "csrf_token": csrf_of(token),
    }


def cookie(request: Request, token: str, expires_ms: int) -> Header:
    """Sets it; an empty token takes it away. Scripts never see it, and other sites' pages never send it."""
    seconds = max(0, (expires_ms - now_ms()) // 1000) if token else 0
    secure = "; Secure" if request.scope.get("scheme") == "https" else ""
    text = f"{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}"
    return (b"set-cookie", text.encode())
