"""Deleting, moving, copying and bringing back many files: the request is the job, and tells line by line how far it is.

Each file is authorised and changed as by a request of its own; a client that leaves stops what has not begun.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from storage_service.app.apis.documented import problems
from storage_service.app.apis.door import Call, Caller, DoorRoute
from storage_service.app.apis.endpoints.bulk_keys import keys_below, place_of, trashed_below
from storage_service.app.apis.endpoints.copying import bring_back, transfer
from storage_service.app.apis.resolve import allow, conditions_with
from storage_service.app.core.changes import DeleteOptions
from storage_service.app.core.errors import InvalidArgument, StorageError
from storage_service.app.core.objects import Bucket, PageQuery, WriteConditions
from storage_service.app.core.security import Action
from storage_service.app.edge.status import status_of
from storage_service.app.schemas.bulk import BulkIn, BulkLine
from storage_service.app.schemas.requests import CopyIn, SourcePlace, TargetPlace

AT_ONCE = 32  # files in flight: they share commits, and leave room for others
MOST_ERRORS = 20  # told one by one
LINES = "application/x-ndjson"
Act = Callable[[str], Awaitable[object]]

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["files"])


@router.post(
    "/api/v1/bulk",
    operation_id="files.bulk",
    summary="Delete, move, copy or bring back many files",
    response_class=Response,
    responses=problems(400, 401, 403, 404, 422, 503)
    | {200: {"description": "JSON lines: how far it is", "model": BulkLine, "content": {LINES: {}}}},
)
@allow("delete_object")
async def bulk(call: Call, body: BulkIn) -> Response:
    """Files that cannot be changed are counted and the others go on; the last line says `finished`."""
    bucket = await call.store.bucket(body.bucket)
    seeing: Action = "delete_object" if body.op == "restore" else "list_objects"
    for prefix in body.prefixes:
        await call.bucket(bucket.name, seeing, prefix)
    if body.target is not None:
        target = await call.store.bucket(body.target.bucket)
        _refuse_loops(body, bucket, target)
    return Lines(_run(call, body, bucket))


def _refuse_loops(body: BulkIn, bucket: Bucket, target: Bucket) -> None:
    if bucket.id == target.id:
        for prefix in body.prefixes:
            if place_of(body, prefix).startswith(prefix):
                raise InvalidArgument("A folder cannot be moved or copied into itself", bucket=bucket.name)


async def _run(call: Caller, body: BulkIn, bucket: Bucket) -> AsyncIterator[bytes]:
    """Lines. The next files begin when the ones before have ended."""
    done = failed = 0
    total = None if body.op == "restore" and body.prefixes else await _count(call, body, bucket)
    act = _act(call, body, bucket)
    async for some in _batches(_keys(call, body, bucket)):
        found = await asyncio.gather(*(_outcome(act, key) for key in some))
        errors = [error for error in found if error is not None]
        failed += len(errors)
        done += len(found) - len(errors)
        yield _line(done, failed, total, errors)
    yield _line(done, failed, done + failed, [], finished=True)


def _line(done: int, failed: int, total: int | None, errors: list[dict[str, Any]], *, finished: bool = False) -> bytes:
    record: dict[str, Any] = {"done": done, "failed": failed, "total": total, "finished": finished}
    if errors or not finished:
        record["errors"] = errors[:MOST_ERRORS]
    return orjson.dumps(record) + b"\n"


async def _count(call: Caller, body: BulkIn, bucket: Bucket) -> int:
    total = len(body.keys)
    for prefix in body.prefixes:
        total += (await call.store.page_objects(bucket, PageQuery(prefix, limit=0)))[1]
    return total


async def _keys(call: Caller, body: BulkIn, bucket: Bucket) -> AsyncIterator[str]:
    """Each once, though prefixes may overlap."""
    for key in dict.fromkeys(body.keys):
        yield key
    prefixes = [
        one for one in body.prefixes if not any(one != other and one.startswith(other) for other in body.prefixes)
    ]
    for prefix in dict.fromkeys(prefixes):
        found = (
            trashed_below(call, bucket, prefix, _since_ms(body))
            if body.op == "restore"
            else keys_below(call, bucket, prefix)
        )
        async for key in found:
            yield key


def _since_ms(body: BulkIn) -> int:
    since = body.since or datetime.fromtimestamp(0, UTC)
    return int(since.timestamp() * 1000)


async def _batches(keys: AsyncIterator[str]) -> AsyncIterator[list[str]]:
    some: list[str] = []
    async for key in keys:
        some.append(key)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some


async def _outcome(act: Act, key: str) -> dict[str, Any] | None:
    try:
        await act(key)
    except StorageError as error:
        return {"key": key, "status": status_of(error), "code": error.code, "detail": error.detail}
    return None


def _act(call: Caller, body: BulkIn, bucket: Bucket) -> Act:
    """What is done to one file."""

    async def delete(key: str) -> object:
        file = await call.file(bucket.name, key, None, "delete_object")
        options = DeleteOptions(conditions=conditions_with(file, WriteConditions()), purge=body.purge)
        return await call.store.delete_object(file.bucket, file.key, call.actor, options)

    async def carry(key: str) -> object:
        target = body.target.bucket if body.target is not None else bucket.name
        wanted = CopyIn(
            source=SourcePlace(bucket=bucket.name, key=key),
            target=TargetPlace(bucket=target, key=place_of(body, key)),
            overwrite=body.overwrite,
        )
        return await transfer(call, wanted, move=body.op == "move")

    async def restore(key: str) -> object:
        await bring_back(call, bucket, key)
        return None

    return {"delete": delete, "restore": restore}.get(body.op, carry)


class Lines(Response):
    """Lines as they come. A HEAD never is: the route is a POST."""

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        self._lines = lines
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, media_type=LINES)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for line in self._lines:
                await send({"type": "http.response.body", "body": line, "more_body": True})
                if leaving.done():
                    return
            await send({"type": "http.response.body", "body": b""})
        finally:
            leaving.cancel()


async def _left(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
