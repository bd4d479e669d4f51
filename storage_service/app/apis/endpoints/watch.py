"""What a console draws: requests as they are answered, usage over time, and the gauges of disk and backlog."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response

from storage_service.app.apis.context import Seen
from storage_service.app.apis.documented import problems
from storage_service.app.apis.door import Call, Caller, DoorRoute, Json
from storage_service.app.apis.endpoints.service import health_record
from storage_service.app.apis.resolve import allow
from storage_service.app.apis.streaming import EventStream
from storage_service.app.core.objects import Usage, now_ms
from storage_service.app.core.security import authorize
from storage_service.app.edge.names import iso
from storage_service.app.edge.streams import MOST_SECONDS, render_comment, render_event, render_retry
from storage_service.app.schemas.answers import RequestSeenOut, StatusOut, UsageHistoryOut, counters

MOST_DAYS = 400
DAY_MS = 86_400_000
UNCACHED = {"Cache-Control": "no-store"}

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["service"])


@router.get(
    "/api/v1/requests/live",
    operation_id="service.requests_live",
    summary="Requests of all workers as they are answered",
    response_class=Response,
    responses=problems(401, 403, 422, 503)
    | {
        200: {
            "description": "Server-sent events: `data` is a request as JSON; one named `missed` has the number of those"
            " that came too fast to be shown",
            "model": RequestSeenOut,
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
@allow("admin")
async def requests_live(
    call: Call,
    follow: Annotated[bool, Query(description="False: one look, and then the end.")] = True,
) -> Response:
    """Paths are shown without queries and without the tokens of signed links. Nothing is kept that nobody watches."""
    call.check()
    expires_at = call.principal.expires_at
    end = time.time() + (MOST_SECONDS if follow else 0)
    return EventStream(_rendered(call.context.operator.requests(), min(end, expires_at or end)))


async def _rendered(seen: AsyncGenerator[Seen, None], end: float) -> AsyncGenerator[bytes, None]:
    yield render_retry()
    async with aclosing(seen):
        async for some in seen:
            missed = render_event(orjson.dumps({"missed": some.missed}), name="missed") if some.missed else b""
            yield missed + b"".join(map(render_event, some.records)) or render_comment("alive")
            if time.time() >= end:
                break
    yield render_comment("come again")


@router.get(
    "/api/v1/usage/history",
    operation_id="service.usage_history",
    summary="What was kept over time",
    response_model=UsageHistoryOut,
    responses=problems(401, 403, 404, 422),
)
@allow("read_config")
async def usage_history(
    call: Call,
    bucket: Annotated[str | None, Query(description="By name or id; without one of all, which admins may see.")] = None,
    days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 30,
) -> Response:
    """A sample an hour, of more than 31 days one a day; the last one is of now."""
    if bucket is None:
        authorize(call.principal, "admin", None, None, call.context.rules)
        found, usage = None, await _total(call)
    else:
        found = await call.bucket(bucket)
        usage = await call.store.usage(found)
    at_ms = now_ms()
    samples = await call.context.operator.history(found.uuid if found else "", at_ms - days * DAY_MS)
    samples.append((at_ms, usage))
    return Json(
        {
            "bucket": found.name if found else None,
            "bucket_id": found.uuid if found else None,
            "samples": [{"at": iso(at), **counters(kept)} for at, kept in samples],
        },
        headers=UNCACHED,
    )


async def _total(call: Caller) -> Usage:
    """Of all buckets that are there."""
    usages, total = await call.store.usages("bucket"), Usage()
    for bucket in await call.store.list_buckets():
        total = total.plus(usages.get(str(bucket.id), Usage()))
    return total


@router.get(
    "/api/v1/status",
    operation_id="service.status",
    summary="Health, disk, backlog and unfinished uploads",
    response_model=StatusOut,
    responses=problems(401, 403),
)
@allow("read_metrics")
async def status(call: Call) -> Response:
    call.check()
    return Json({"health": await health_record(call), **await call.context.operator.status()}, headers=UNCACHED)
