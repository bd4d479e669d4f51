"""The JSON door as one ASGI app: hot routes by one look-up, everything else by FastAPI behind it."""

import contextlib
import logging
import time
from typing import Any

from storage_service.app.apis.context import Context
from storage_service.app.apis.endpoints.downloads import Downloads
from storage_service.app.apis.endpoints.uploads import Uploads
from storage_service.app.apis.hot import HOT_ROUTES, Handler, parse_target
from storage_service.app.core.errors import InvalidKey, MethodNotAllowed, StorageError
from storage_service.app.core.gate import find_bucket
from storage_service.app.core.objects import Bucket
from storage_service.app.core.storage import ObjectStore
from storage_service.app.edge.cors import Cors, is_preflight
from storage_service.app.edge.observe import Operation
from storage_service.app.edge.request import Message, Receive, Request, Scope, Send, decode_path
from storage_service.app.edge.respond import NOSNIFF, Header, send_empty, send_problem
from storage_service.app.edge.status import status_of

log = logging.getLogger(__name__)

DOOR = "json"
OTHER: Operation = (DOOR, "other")  # unknown paths, preflights
INTERNAL = 500
BARE = frozenset({200, 201, 206})  # answers whose makers leave the common headers to us; others may bear their own
Routes = dict[bytes, dict[str, tuple[Operation, Handler]]]


class JsonDoor:
    """Serves one request: finds its route, renders what it raises, counts what was answered."""

    def __init__(self, context: Context, cold_app: Any, cors: Cors) -> None:
        """`cold_app` is the ASGI app of all routes that are not hot; it also gets the lifespan."""
        self._cold = cold_app
        self._cors = cors
        self._metrics = context.metrics
        self._store = context.store
        self._routes = _bind(context)
        self._allowed = {word: _allow(methods) for word, methods in self._routes.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._cold(scope, receive, send)
            return
        started = time.perf_counter()
        exchange = Exchange(scope, receive, send, self._cors, self._store)
        try:
            await self._serve(exchange)
        except Exception as error:  # the last place that can still answer
            await self._fail(exchange, error)
        finally:
            self._metrics.count(
                exchange.operation,
                exchange.status or INTERNAL,
                time.perf_counter() - started,
                exchange.request.bytes_in,
                exchange.bytes_out,
            )
            del exchange.request  # a cycle: the collector should not have to find it

    async def _serve(self, exchange: "Exchange") -> None:
        request = exchange.request
        if request.method == "OPTIONS" and is_preflight(request):
            exchange.is_preflight = True
            await self._cors.preflight(request, await self._named_bucket(request.raw_path))
            return
        found = parse_target(request.raw_path)
        # DELETE has no hot route: of `/files/{bucket}/{key}` the bucket may bear any of our words.
        if found is None or request.method == "DELETE":
            try:
                await self._cold(request.scope, exchange.receive, exchange.send)
            finally:
                exchange.operation = _operation_of(request.scope)
            return
        word, target = found
        exchange.bucket = target.bucket
        route = self._routes[word].get(request.method)
        if route is None:
            await self._refuse_method(request, word)
            return
        exchange.operation, handler = route
        await handler(request, target)

    async def _named_bucket(self, raw_path: bytes) -> Bucket | None:
        """The bucket that a path is about, for its CORS rules: behind our own words, or behind `/files` alone."""
        with contextlib.suppress(InvalidKey):
            found = parse_target(raw_path)
            if found is not None:
                return await find_bucket(self._store, found[1].bucket)
            for segment in raw_path.split(b"/")[3:1:-1]:
                bucket = await find_bucket(self._store, decode_path(segment))
                if bucket is not None:
                    return bucket
        return None

    async def _refuse_method(self, request: Request, word: bytes) -> None:
        allow = self._allowed[word]
        if request.method == "OPTIONS":
            await send_empty(request.send, 204, (allow,))
            return
        error = MethodNotAllowed(f"{request.method} is not allowed here")
        self._metrics.error(error.code)
        await send_problem(request, error, (allow,))

    async def _fail(self, exchange: "Exchange", error: Exception) -> None:
        """The error as an answer; nothing more if one has begun: the server then cuts the connection."""
        request = exchange.request
        if isinstance(error, StorageError):
            self._metrics.error(error.code)
            if status_of(error) == INTERNAL:  # a damaged object: the operator must hear of it
                where = f"{error.bucket}/{error.key}"
                log.error("request %s: %s (%r)", request.request_id, error.detail, where)
        else:
            self._metrics.error("internal_error")
            log.error("request %s failed", request.request_id, exc_info=error)
        if not exchange.status:
            await send_problem(request, error)


class Exchange:
    """One request and its answer under way: counts bytes, and adds to the head what all answers bear."""

    __slots__ = ("_cors", "_send", "_store", "bucket", "bytes_out", "is_preflight", "operation", "request", "status")

    def __init__(self, scope: Scope, receive: Receive, send: Send, cors: Cors, store: ObjectStore) -> None:
        self._send = send
        self._cors = cors
        self._store = store
        self.bucket = ""  # named by a hot route
        self.is_preflight = False  # and answers for itself
        self.bytes_out = 0
        self.status = 0  # 0 = no answer has begun
        self.operation = OTHER
        self.request = Request(scope, receive, self.send)

    async def receive(self) -> Message:
        """For routes that read the body themselves; `edge.body` counts on its own."""
        message = await self.request.receive()
        self.request.bytes_in += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            status = self.status = message["status"]
            own = message.get("headers", ())
            headers = [*own, *self._common()] if status in BARE else self._head(own)
            if self.request.holds_body_back:
                headers.append((b"connection", b"close"))
            message["headers"] = headers
        else:
            self.bytes_out += len(message.get("body", b""))
        await self._send(message)

    def _common(self) -> tuple[Header, ...]:
        request = self.request
        own: tuple[Header, ...] = ((b"x-request-id", request.request_id.encode()), NOSNIFF)
        if self.is_preflight:
            return own
        named = self.bucket or request.scope.get("path_params", {}).get("bucket")
        return (*own, *self._cors.headers(request, self._store.peek(named) if named else None))

    def _head(self, own: list[Header]) -> list[Header]:
        """A route's own headers and the common ones; what a route says itself stands."""
        names = {name for name, _ in own}
        return [*own, *(header for header in self._common() if header[0] not in names)]


def _bind(context: Context) -> Routes:
    uploads, downloads = Uploads(context), Downloads(context)
    handlers: dict[str, Handler] = {
        "files.upload": uploads.form,
        "files.upload_direct": uploads.direct,
        "files.upload_signed": uploads.signed,
        "files.download": downloads.attachment,
        "files.view": downloads.view,
        "files.public": downloads.permanent,
        "files.permanent": downloads.permanent,
        "files.download_signed": downloads.signed,
    }
    routes: Routes = {}
    for route in HOT_ROUTES:
        bound = ((DOOR, route.operation), handlers[route.operation])
        routes.setdefault(route.word, {})[route.method] = bound
    return routes


def _allow(methods: dict[str, Any]) -> Header:
    return (b"allow", ", ".join([*methods, "OPTIONS"]).encode())


def _operation_of(scope: Scope) -> Operation:
    """The route FastAPI chose: its names are a closed set, paths are not."""
    route = scope.get("route")
    name = getattr(route, "operation_id", None) or getattr(route, "name", None)
    return (DOOR, name) if isinstance(name, str) and name else OTHER
