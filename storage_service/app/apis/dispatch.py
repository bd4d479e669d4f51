"""The JSON door as one ASGI app: hot routes by one look-up, everything else by FastAPI behind it."""

import contextlib
import logging
from collections.abc import Iterable
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
from storage_service.app.edge.exchange import INTERNAL, Exchange, with_missing
from storage_service.app.edge.observe import Operation
from storage_service.app.edge.request import Message, Receive, Request, Scope, Send, decode_path
from storage_service.app.edge.respond import NOSNIFF, Header, send_empty, send_problem
from storage_service.app.edge.status import status_of

log = logging.getLogger(__name__)

DOOR = "json"
OTHER: Operation = (DOOR, "other")  # unknown paths, preflights
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
        exchange = JsonExchange(scope, receive, send, self._cors, self._store)
        await exchange.carry_out(self._serve, self._fail, self._metrics)

    async def _serve(self, exchange: "JsonExchange") -> None:
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
                exchange.counted = _operation_of(request.scope)
            return
        word, target = found
        exchange.bucket = target.bucket
        route = self._routes[word].get(request.method)
        if route is None:
            await self._refuse_method(request, word)
            return
        exchange.counted, handler = route
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

    async def _fail(self, exchange: "JsonExchange", error: Exception) -> None:
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


class JsonExchange(Exchange):
    """Names itself, and speaks of the bucket's own rules to browsers."""

    __slots__ = ("_cors", "_store", "bucket", "is_preflight")

    def __init__(self, scope: Scope, receive: Receive, send: Send, cors: Cors, store: ObjectStore) -> None:
        super().__init__(scope, receive, send, OTHER)
        self._cors = cors
        self._store = store
        self.bucket = ""  # named by a hot route
        self.is_preflight = False  # and answers for itself

    async def receive(self) -> Message:
        """For routes that read the body themselves; `edge.body` counts on its own."""
        message = await self.request.receive()
        self.request.bytes_in += len(message.get("body", b""))
        return message

    def complete(self, own: Iterable[Header]) -> list[Header]:
        return [*own, *self._common()] if self.status in BARE else with_missing(own, self._common())

    def _common(self) -> tuple[Header, ...]:
        request = self.request
        said: tuple[Header, ...] = ((b"x-request-id", request.request_id.encode()), NOSNIFF)
        if self.is_preflight:
            return said
        named = self.bucket or request.scope.get("path_params", {}).get("bucket")
        return (*said, *self._cors.headers(request, self._store.peek(named) if named else None))


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
