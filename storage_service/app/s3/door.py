"""The S3 door as one plain ASGI app: who calls, for what, may they, and whatever goes wrong as S3 words it."""

import logging
from collections.abc import Iterable

from storage_service.app.core.errors import InvalidRequest, NoSuchKey, NoSuchVersion, StorageError
from storage_service.app.core.gate import find_bucket
from storage_service.app.edge.cors import is_preflight
from storage_service.app.edge.exchange import INTERNAL, Exchange
from storage_service.app.edge.observe import Operation as Counted
from storage_service.app.edge.request import Receive, Scope, Send
from storage_service.app.edge.respond import Header
from storage_service.app.s3 import website
from storage_service.app.s3.answers import HOST_ID, code_of, s3_status_of, send_error
from storage_service.app.s3.context import Call, Context
from storage_service.app.s3.missing import SPEAKING, refuse_missing
from storage_service.app.s3.operations import OPERATIONS, find
from storage_service.app.s3.target import parse_target

log = logging.getLogger(__name__)

DOOR = "s3"
OTHER: Counted = (DOOR, "other")
ID2 = (b"x-amz-id-2", HOST_ID.encode())
COUNTED: dict[str, Counted] = {row.name: (DOOR, row.name) for row in OPERATIONS}


class S3Door:
    """Serves one request: finds its operation, renders what it raises, counts what was answered."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._metrics = context.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await S3Exchange(scope, receive, send, self._context).carry_out(self._serve, self._fail, self._metrics)

    async def _serve(self, exchange: "S3Exchange") -> None:
        request, context = exchange.request, self._context
        host = request.header(b"host") or "" if context.domains else ""
        target = parse_target(request.raw_path, host, context.domains)
        exchange.bucket = target.bucket
        if request.method == "OPTIONS" and is_preflight(request):
            exchange.is_preflight = True
            await context.cors.preflight(request, await find_bucket(context.store, target.bucket))
            return
        if request.method == "OPTIONS":
            raise InvalidRequest("Insufficient information. Origin request header needed.")
        operation = find(request, target)
        exchange.counted = COUNTED[operation.name]
        caller = await context.authenticator.authenticate(request, target.bucket, target.key)
        if caller.hoisted:  # a copy source in the URL makes another operation of a PUT
            operation = find(request, target)
            exchange.counted = COUNTED[operation.name]
        call = Call(context, request, target, operation, caller)
        if website.is_visit(request, caller) and (site := await website.site_of(call)) is not None:
            await website.serve(call, site)
            return
        await call.admit()
        try:
            await operation.handler(call)
        except (NoSuchKey, NoSuchVersion) as error:
            if exchange.status or operation.action not in SPEAKING:
                raise
            self._metrics.error(code_of(error))
            await refuse_missing(call, error)

    async def _fail(self, exchange: "S3Exchange", error: Exception) -> None:
        """The error as an answer; nothing more if one has begun: the server then cuts the connection."""
        request = exchange.request
        self._metrics.error(code_of(error))
        if s3_status_of(error) == INTERNAL:
            if isinstance(error, StorageError):  # a damaged object: the operator must hear of it
                log.error("request %s: %s (%r)", request.request_id, error.detail, f"{error.bucket}/{error.key}")
            else:
                log.error("request %s failed", request.request_id, exc_info=error)
        if not exchange.status:
            await send_error(request, error)


class S3Exchange(Exchange):
    """Names itself in S3's words, and speaks of the bucket's own rules to browsers."""

    __slots__ = ("_context", "bucket", "is_preflight")

    def __init__(self, scope: Scope, receive: Receive, send: Send, context: Context) -> None:
        super().__init__(scope, receive, send, OTHER)
        self._context = context
        self.bucket = ""  # as the address names it
        self.is_preflight = False  # and answers for itself

    def complete(self, own: Iterable[Header]) -> list[Header]:
        identity = (b"x-amz-request-id", self.request.request_id.encode())
        if self.is_preflight:
            return [*own, identity, ID2]
        context = self._context
        return [*own, identity, ID2, *context.cors.headers(self.request, context.store.peek(self.bucket))]
