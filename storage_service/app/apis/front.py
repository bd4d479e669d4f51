"""What stands between the dispatcher and FastAPI: paths decoded once, bodies bounded, errors in the contract's form.

It replaces the framework's own middlewares: unknown exceptions go on to the dispatcher, which logs and answers them.
"""

import re
from collections.abc import Sequence

from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from storage_service.app.core.errors import (
    InvalidArgument,
    MethodNotAllowed,
    RouteNotFound,
    StorageError,
)
from storage_service.app.edge.body import read_whole
from storage_service.app.edge.observe import Metrics
from storage_service.app.edge.request import Message, Receive, Request, Scope, Send
from storage_service.app.edge.respond import Header, send_empty, send_problem
from storage_service.app.edge.status import status_of

# A thousand keys of 1,024 bytes, each written as three times as many by `\u` escapes, and some room.
MAX_JSON_BYTES = 4 * 1024 * 1024
BODIES = frozenset({"POST", "PUT", "PATCH"})
# Served with and without a slash at the end, never by a redirect: SDKs do not follow it (contract §7). Not where
# the path ends in a key: that may end in a slash.
SLASHED = re.compile(r"/buckets(/[^/]+)?/|/files/list/[^/]+/|/api/v1/[a-z]+(/[^/]+)?/")
NOT_FOUND, NOT_ALLOWED, INTERNAL = 404, 405, 500


class Front:
    """ASGI around the router of cold routes."""

    def __init__(self, router: ASGIApp, routes: Sequence[BaseRoute], metrics: Metrics) -> None:
        self._app = AsyncExitStackMiddleware(router)
        self._routes = routes
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            await self._serve(request)
        except StorageError as error:
            if status_of(error) == INTERNAL:  # the dispatcher tells the operator
                raise
            await self._refuse(request, error)
        except HTTPException as error:
            await self._translate(request, error)

    async def _serve(self, request: Request) -> None:
        scope, receive, send = request.scope, request.receive, request.send
        path = request.path
        scope["path"] = path[:-1] if SLASHED.fullmatch(path) else path
        if request.method in BODIES:
            receive = _whole(request)
            # Bodies are JSON whatever they are called: curl calls all it sends a form.
            scope["headers"] = [header for header in scope["headers"] if header[0] != b"content-type"]
        if request.method == "HEAD":  # every GET answers it (RFC 9110 §9.3.2)
            scope["method"] = "GET"
            send = _without_body(scope, send)
        try:
            await self._app(scope, receive, send)
        finally:
            scope["method"] = request.method

    async def _translate(self, request: Request, error: HTTPException) -> None:
        """What the framework found wrong, in our words."""
        if error.status_code == NOT_FOUND:
            await self._refuse(request, RouteNotFound("Not Found"))
        elif error.status_code == NOT_ALLOWED:
            await self._refuse_method(request)
        else:
            await self._refuse(request, InvalidArgument(str(error.detail)))

    async def _refuse_method(self, request: Request) -> None:
        allow = (b"allow", ", ".join(self._methods(request.scope["path"])).encode())
        if request.method == "OPTIONS":
            await send_empty(request.send, 204, (allow,))
        else:
            await self._refuse(request, MethodNotAllowed("Method Not Allowed"), (allow,))

    def _methods(self, path: str) -> list[str]:
        """Of all routes with this path: the router looks at the first only."""
        found = {"OPTIONS"}
        for route in self._routes:
            if isinstance(route, APIRoute) and route.path_regex.match(path):
                found |= route.methods or set()
        return sorted(found | {"HEAD"} if "GET" in found else found)

    async def _refuse(self, request: Request, error: StorageError, headers: tuple[Header, ...] = ()) -> None:
        self._metrics.error(error.code)
        await send_problem(request, error, headers)


def _whole(request: Request) -> Receive:
    """A receive that reads the body when it is first asked, hands it out, then waits until the client leaves."""
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if asked:
            return await request.receive()
        asked = True
        return {"type": "http.request", "body": await read_whole(request, MAX_JSON_BYTES), "more_body": False}

    return receive


def _without_body(scope: Scope, send: Send) -> Send:
    """A send for the answer to a HEAD."""

    async def headers_only(message: Message) -> None:
        scope["method"] = "HEAD"  # the server looks at its scope to tell that no body is to come
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return headers_only
