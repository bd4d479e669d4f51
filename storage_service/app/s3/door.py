"""The S3 door as one plain ASGI app: who calls, for what, may they, and whatever goes wrong as S3 words it."""

import logging
import time

from storage_service.app.core.errors import InvalidRequest, StorageError
from storage_service.app.core.gate import find_bucket
from storage_service.app.edge.cors import is_preflight
from storage_service.app.edge.observe import Operation as Counted
from storage_service.app.edge.request import Headers, Message, Receive, Request, Scope, Send
from storage_service.app.s3 import website
from storage_service.app.s3.answers import HOST_ID, code_of, s3_status_of, send_error
from storage_service.app.s3.context import Call, Context
from storage_service.app.s3.operations import OPERATIONS, find
from storage_service.app.s3.target import parse_target

log = logging.getLogger(__name__)

DOOR = "s3"
OTHER: Counted = (DOOR, "other")
INTERNAL = 500
ID2 = (b"x-amz-id-2", HOST_ID.encode())
COUNTED: dict[str, Counted] = {row.name: (DOOR, row.name) for row in OPERATIONS}


class S3Door:
    """Serves one request: finds its operation, renders what it raises, counts what was answered."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._metrics = context.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        exchange = Exchange(scope, receive, send, self._context)
        try:
            await self._serve(exchange)
        except Exception as error:  # the last place that can still answer
            await self._fail(exchange, error)
        finally:
            seconds = time.perf_counter() - started
            request = exchange.request
            self._metrics.count(
                exchange.counted, exchange.status or INTERNAL, seconds, request.bytes_in, exchange.bytes_out
            )
            del exchange.request  # a cycle: the collector should not have to find it

    async def _serve(self, exchange: "Exchange") -> None:
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
        await operation.handler(call)

    async def _fail(self, exchange: "Exchange", error: Exception) -> None:
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


class Exchange:
    """One request and its answer under way: counts bytes, and adds to the head what all answers bear."""

    __slots__ = ("_context", "_send", "bucket", "bytes_out", "counted", "is_preflight", "request", "status")

    def __init__(self, scope: Scope, receive: Receive, send: Send, context: Context) -> None:
        self._send = send
        self._context = context
        self.bytes_out = 0
        self.status = 0  # 0 = no answer has begun
        self.counted = OTHER
        self.bucket = ""  # as the address names it
        self.is_preflight = False  # and answers for itself
        self.request = Request(scope, receive, self.send)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            common = ((b"x-amz-request-id", self.request.request_id.encode()), ID2)
            message["headers"] = [*message.get("headers", ()), *common, *self._cors_headers()]
            if self.request.holds_body_back:
                message["headers"].append((b"connection", b"close"))
        else:
            self.bytes_out += len(message.get("body", b""))
        await self._send(message)

    def _cors_headers(self) -> Headers:
        if self.is_preflight:
            return ()
        return self._context.cors.headers(self.request, self._context.store.peek(self.bucket))
