"""Cross-origin answers for browsers: by the bucket's own rules, else any origin by default (contract §2).

Source: Fetch standard.
"""

import re

from storage_service.app.core.errors import AccessForbidden
from storage_service.app.core.objects import Bucket
from storage_service.app.edge.cors_rules import answer_headers, preflight_headers, rules_of
from storage_service.app.edge.request import Headers, Request
from storage_service.app.edge.respond import send_empty

METHODS = b"GET, PUT, POST, DELETE, PATCH, HEAD, OPTIONS"
TUS = (
    b"Tus-Resumable, Upload-Length, Upload-Defer-Length, Upload-Metadata, Upload-Offset, Upload-Checksum, Upload-Concat"
)
REQUESTED = b"Authorization, Content-Type, apikey, X-API-Key, Range, If-Match, If-None-Match, " + TUS
EXPOSED = b"*"  # every header: requests never carry credentials, so the wildcard counts (Fetch §3.2.5)
MAX_AGE = b"86400"  # seconds; browsers cap it themselves
# A list of field names, short enough to repeat: it goes back into a header.
SANE = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
MAX_REQUESTED = 2048  # bytes
VARY_ORIGIN = (b"vary", b"Origin")
ANY = ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", EXPOSED))


class Cors:
    """Which origins may read answers: `("*",)` or a list of `scheme://host[:port]`."""

    __slots__ = ("_any", "_origins")

    def __init__(self, origins: tuple[str, ...] = ("*",)) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origin.rstrip("/").lower().encode() for origin in origins)

    def headers(self, request: Request, bucket: Bucket | None = None) -> Headers:
        """What to add to any answer. Nothing but Vary where the origin is not allowed."""
        if bucket is not None and (rules := rules_of(bucket)) is not None:
            return answer_headers(rules, request)
        if self._any:
            return ANY
        exposed = (b"access-control-expose-headers", EXPOSED)
        allowed = self._allowed(request)
        return (*allowed, exposed, VARY_ORIGIN) if allowed else (VARY_ORIGIN,)

    def _allowed(self, request: Request) -> Headers:
        if self._any:
            return ((b"access-control-allow-origin", b"*"),)
        origin = request.headers.get(b"origin", b"")
        if origin.lower() not in self._origins:
            return ()
        return ((b"access-control-allow-origin", origin),)

    def preflight_headers(self, request: Request) -> Headers:
        """Headers of the answer to a preflight; only Vary where the origin is not allowed."""
        varies = b"Access-Control-Request-Method, Access-Control-Request-Headers"
        vary = (b"vary", varies if self._any else b"Origin, " + varies)
        allowed = self._allowed(request)
        if not allowed:
            return (vary,)
        return (
            *allowed,
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", requested_headers(request)),
            (b"access-control-max-age", MAX_AGE),
            vary,
        )

    async def preflight(self, request: Request, bucket: Bucket | None = None) -> None:
        """Answers 204; 200 where the bucket has rules of its own. Raises: AccessForbidden where none of them fits."""
        if bucket is None or (rules := rules_of(bucket)) is None:
            await send_empty(request.send, 204, self.preflight_headers(request))
            return
        found = preflight_headers(rules, request)
        if found is None:
            raise AccessForbidden("CORSResponse: This CORS request is not allowed.", bucket=bucket.name)
        await send_empty(request.send, 200, found)


def is_preflight(request: Request) -> bool:
    headers = request.headers
    return request.method == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers


def requested_headers(request: Request) -> bytes:
    """What the browser asked to send, if sane, and what our clients send anyway."""
    asked = request.headers.get(b"access-control-request-headers", b"")
    if not asked or len(asked) > MAX_REQUESTED or not SANE.fullmatch(asked):
        return REQUESTED
    return asked + b", " + REQUESTED
