"""What a FastAPI route of this door gets: who calls, and what they may open.

`DoorRoute` asks who it is before a body is read: a wrong or missing credential is told before a wrong field.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast

import orjson
from fastapi import Depends, Path
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request as FrameworkRequest
from starlette.responses import Response

from storage_service.app.apis.context import Context
from storage_service.app.apis.resolve import Asking, File, action_of, demand_login, open_bucket, open_file
from storage_service.app.core.errors import NoSuchBucket, NoSuchKey, StorageError, ValidationFailed
from storage_service.app.core.objects import Bucket, is_uuid
from storage_service.app.core.security import ANONYMOUS, Action, Principal, authorize
from storage_service.app.core.storage import ObjectStore
from storage_service.app.edge.facts import facts_of
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
        """Who stands in the journal: an id, or the kind of a caller without one."""
        return self.principal.subject or self.principal.kind

    def check(self) -> None:
        """For routes that name no bucket. Raises: Unauthenticated, AccessDenied."""
        authorize(self.principal, self._action(None), None, None, self.context.rules)

    async def bucket(self, name: str, action: Action | None = None, key: str | None = None) -> Bucket:
        """`key`: of an object that need not be there. Raises: Unauthenticated, AccessDenied, NoSuchBucket."""
        return await open_bucket(self._asking(action), name, key)

    async def file(self, bucket: str, key: str, version_id: str | None = None, action: Action | None = None) -> File:
        """By key, by id, else by an id that only the backend knows: what that names is authorised like any other.

        Raises: Unauthenticated, AccessDenied, NoSuchBucket, NoSuchKey, NoSuchVersion
        """
        asking = self._asking(action)
        try:
            return await open_file(asking, bucket, key, version_id)
        except (NoSuchBucket, NoSuchKey):
            place = await self._located(key)
            if place is None:
                raise
        return await open_file(asking, *place, version_id)

    async def _located(self, key: str) -> tuple[str, str] | None:
        if self.context.locate is None or not is_uuid(key):
            return None
        return await self.context.locate(key, self.request.scope["headers"])

    def _asking(self, action: Action | None) -> Asking:
        return Asking(self.context, self.principal, self._action(action), facts_of(self.request))

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
            if action is not None:
                demand_login(context, principal, action)
            request.state.caller = Caller(context, principal, asked, action)
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise faults_of(error) from None
            except HTTPException as error:  # the framework's words for a body that cannot be read
                raise (error.__cause__ if isinstance(error.__cause__, StorageError) else error) from None

        return identify


def faults_of(error: RequestValidationError) -> ValidationFailed:
    """Where and what, without the input: it may be a secret, or nothing JSON can hold."""
    faults: list[dict[str, object]] = [
        {"loc": [_place(part) for part in fault["loc"]], "msg": fault["msg"], "type": fault["type"]}
        for fault in error.errors()
    ]
    words = "; ".join(f"{'.'.join(map(str, cast(list[str], fault['loc'])))}: {fault['msg']}" for fault in faults)
    return ValidationFailed(words, faults)


def _place(part: str | int) -> str | int:
    return part if isinstance(part, int) else part.encode(errors="replace").decode()


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
