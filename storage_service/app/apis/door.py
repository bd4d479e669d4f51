"""What a FastAPI route of this door gets: who calls, and what they may open.

`DoorRoute` asks who it is before a body is parsed: a wrong credential is told before a wrong field.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import orjson
from fastapi import Depends, Path
from fastapi.routing import APIRoute
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import Request as FrameworkRequest
from starlette.responses import Response

from storage_service.app.apis.context import Context
from storage_service.app.apis.resolve import File, action_of, open_bucket, open_file
from storage_service.app.core.objects import Bucket
from storage_service.app.core.security import ANONYMOUS, Action, Principal, authorize
from storage_service.app.core.storage import ObjectStore
from storage_service.app.edge.request import Request


class KeyConvertor(PathConvertor):
    """A key in a path: one character or more, line feeds too, which `path` stops at."""

    regex = "(?s:.+)"


register_url_convertor("key", KeyConvertor())


class Caller:
    """Who asks and with what request; opens buckets and files under the action its route declared."""

    __slots__ = ("action", "context", "principal", "request")

    def __init__(self, context: Context, principal: Principal, request: Request, action: Action | None) -> None:
        self.context = context
        self.principal = principal
        self.request = request
        self.action = action

    @property
    def store(self) -> ObjectStore:
        return self.context.store

    @property
    def actor(self) -> str:
        """The id that stands in the journal; empty for nobody."""
        return self.principal.subject

    def check(self) -> None:
        """For routes that name no bucket. Raises: Unauthenticated, AccessDenied."""
        authorize(self.principal, self._action(None), None, None, self.context.rules)

    async def bucket(self, name: str, action: Action | None = None) -> Bucket:
        """Raises: Unauthenticated, AccessDenied, NoSuchBucket."""
        return await open_bucket(self.context, self.principal, self._action(action), name)

    async def file(self, bucket: str, key: str, version_id: str | None = None, action: Action | None = None) -> File:
        """Raises: Unauthenticated, AccessDenied, NoSuchBucket, NoSuchKey, NoSuchVersion."""
        return await open_file(self.context, self.principal, self._action(action), bucket, key, version_id)

    def _action(self, action: Action | None) -> Action:
        chosen = action or self.action
        if chosen is None:
            raise TypeError("an open route has no action to authorise")
        return chosen


class DoorRoute(APIRoute):
    """A route that knows its caller."""

    def get_route_handler(self) -> Callable[[FrameworkRequest], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        action = action_of(self.endpoint)

        async def identify(request: FrameworkRequest) -> Response:
            context: Context = request.app.state.context
            asked = Request(request.scope, request.receive, _no_send)
            principal = ANONYMOUS if action is None else await context.access.resolve(request.scope["headers"])
            request.state.caller = Caller(context, principal, asked, action)
            return await handle(request)

        return identify


async def _no_send(_: Any) -> None:
    raise TypeError("a cold route answers by returning")


def _caller(request: FrameworkRequest) -> Caller:
    caller: Caller = request.state.caller
    return caller


Call = Annotated[Caller, Depends(_caller)]
BucketName = Annotated[str, Path(description="Name or id of the bucket.", examples=["photos"])]
KeyOrId = Annotated[str, Path(description="Key or id of the file; a key may hold slashes.", examples=["2026/cat.jpg"])]


class Json(Response):
    """A value as JSON, written by orjson: records are ready-made, no model stands between."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)
