"""The console's paths as one plain ASGI app."""

import hmac
import logging
from collections.abc import Iterable

from storage_service.app.console.assets import Asset, Assets
from storage_service.app.console.session import Desk, SignIn, cookie, record_of
from storage_service.app.core.errors import (
    MethodNotAllowed,
    RouteNotFound,
    StorageError,
    Unauthenticated,
    UnsupportedType,
)
from storage_service.app.core.security import INVALID_CREDENTIALS
from storage_service.app.core.sessions import csrf_of
from storage_service.app.edge.access import credentials_of
from storage_service.app.edge.body import read_whole
from storage_service.app.edge.encodings import takes_gzip
from storage_service.app.edge.exchange import INTERNAL, Exchange, with_missing
from storage_service.app.edge.observe import Metrics, Operation
from storage_service.app.edge.request import Receive, Request, Scope, Send
from storage_service.app.edge.respond import NO_STORE, NOSNIFF, Header, send_bytes, send_empty, send_json, send_problem
from storage_service.app.edge.status import status_of

log = logging.getLogger(__name__)

DOOR = "console"
PAGE: Operation = (DOOR, "page")
ROOT, SESSION = "/console/", "/console/session"
MAX_SAID_BYTES = 16 * 1024
# Everything comes from this service. Pictures of previews are made in the page (`blob:`, `data:`); frames show
# documents that hold their own, closed policy. Nothing is evaluated, nobody may frame the page.
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:;"
    b" connect-src 'self'; font-src 'self'; frame-src 'self' blob:; object-src 'none'; base-uri 'none';"
    b" form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"cache-control", b"no-cache"),
)
FOREVER: tuple[Header, ...] = ((b"cache-control", b"public, max-age=31536000, immutable"),)


class ConsoleDoor:
    """Serves one request, renders what it raises, counts what was answered."""

    def __init__(self, assets: Assets, desk: Desk, metrics: Metrics) -> None:
        self._assets = assets
        self._desk = desk
        self._sign_in = SignIn(desk)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await ConsoleExchange(scope, receive, send, PAGE).carry_out(self._serve, self._fail, self._metrics)

    async def _serve(self, exchange: "ConsoleExchange") -> None:
        request = exchange.request
        path = request.path
        if path == SESSION:
            exchange.counted = (DOOR, "session")
            await self._session(request)
        elif request.method not in {"GET", "HEAD"}:
            raise MethodNotAllowed(f"{request.method} is not allowed here")
        elif path in {"/", ROOT.rstrip("/")}:
            location = (b"location", b"console/")  # relative: right under any path of a proxy
            await send_empty(request.send, 307, (location, NO_STORE))
        elif path == ROOT:
            await _send_asset(request, self._assets.page, PAGE_HEADERS)
        else:
            await _send_asset(request, self._file(path.removeprefix(ROOT)), FOREVER)

    def _file(self, path: str) -> Asset:
        """Under the hash in effect only: a page of another release reloads. Raises: RouteNotFound."""
        base = f"{self._assets.base}/"
        found = self._assets.files.get(path.removeprefix(base)) if path.startswith(base) else None
        if found is None:
            raise RouteNotFound("Not Found")
        return found

    async def _session(self, request: Request) -> None:
        """POST signs in, GET says who it is, DELETE signs out."""
        if request.method == "POST":
            if not (request.header(b"content-type") or "").lower().startswith("application/json"):
                raise UnsupportedType("Sign in by JSON")  # which a form of another site cannot send
            token, session, principal = await self._sign_in.begin(await read_whole(request, MAX_SAID_BYTES))
            headers = (cookie(request, token, session.expires_ms), NO_STORE)
            await send_json(request.send, 201, record_of(token, session, principal), headers)
        elif request.method == "DELETE":
            await self._sign_out(request)
        elif request.method == "GET":
            await self._who(request)
        else:
            raise MethodNotAllowed(f"{request.method} is not allowed here")

    async def _who(self, request: Request) -> None:
        sessions, token = self._desk.sessions, _token(request)
        if sessions.stale:
            await sessions.refresh()
        found = sessions.find(token) if token else None
        if found is None:
            nobody = {"subject": None, "password": self._desk.password is not None}
            await send_json(request.send, 200, nobody, (NO_STORE,))
        else:
            await send_json(request.send, 200, record_of(token, *found), (NO_STORE,))

    async def _sign_out(self, request: Request) -> None:
        token = _token(request)
        said = request.headers.get(b"x-csrf-token", b"")
        if token and not hmac.compare_digest(said, csrf_of(token).encode()):
            raise Unauthenticated(INVALID_CREDENTIALS)
        if token:
            await self._desk.sessions.end(token)
        await send_empty(request.send, 204, (cookie(request, "", 0),))

    async def _fail(self, exchange: "ConsoleExchange", error: Exception) -> None:
        request = exchange.request
        self._metrics.error(error.code if isinstance(error, StorageError) else "internal_error")
        if status_of(error) == INTERNAL:
            log.error("request %s failed", request.request_id, exc_info=error)
        if not exchange.status:
            await send_problem(request, error)


class ConsoleExchange(Exchange):
    """Whatever it answers, no browser guesses its type."""

    __slots__ = ()

    def complete(self, own: Iterable[Header]) -> list[Header]:
        return with_missing(own, (NOSNIFF,))


def _token(request: Request) -> str:
    session = credentials_of(request.scope["headers"]).session
    return "" if session is None else session.decode("latin-1")


async def _send_asset(request: Request, asset: Asset, headers: tuple[Header, ...]) -> None:
    accepted = request.headers.get(b"accept-encoding", b"").decode("latin-1")
    packed = asset.packed if takes_gzip(accepted) else b""
    body = packed or asset.body
    more: tuple[Header, ...] = ((b"content-type", asset.media_type), (b"vary", b"Accept-Encoding"))
    if packed:
        more = (*more, (b"content-encoding", b"gzip"))
    if request.method == "HEAD":
        length = (b"content-length", b"%d" % len(body))
        await request.send({"type": "http.response.start", "status": 200, "headers": [length, *more, *headers]})
        await request.send({"type": "http.response.body", "body": b""})
    else:
        await send_bytes(request.send, 200, body, (*more, *headers))
