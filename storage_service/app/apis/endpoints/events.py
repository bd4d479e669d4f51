"""Changes as they happen: the feed as server-sent events, replayed from where a client left off."""

import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from storage_service.app.apis.documented import problems
from storage_service.app.apis.door import Call, Caller, DoorRoute
from storage_service.app.apis.resolve import allow
from storage_service.app.apis.streaming import EventStream
from storage_service.app.core.errors import InvalidArgument
from storage_service.app.core.events import Event
from storage_service.app.core.feed import Batch, Wanted
from storage_service.app.core.sight import Sight
from storage_service.app.edge.facts import facts_of
from storage_service.app.edge.streams import (
    HEARTBEAT_SECONDS,
    MOST_SECONDS,
    render_comment,
    render_event,
    render_position,
    render_retry,
)
from storage_service.app.schemas.answers import EventOut, event_record

EVENT_ID = re.compile(r"[0-9]{1,18}", re.ASCII)

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["service"])


@router.get(
    "/events",
    operation_id="service.events",
    summary="Changes as they happen",
    response_class=Response,
    responses=problems(400, 401, 403, 404, 422, 503)
    | {
        200: {
            "description": "Server-sent events: `data` is an event as JSON, `id` is to be sent as Last-Event-ID. An"
            " event named `reset` says that changes before its `from` are no longer kept",
            "model": EventOut,
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
@allow("list_buckets")
async def events(
    call: Call,
    bucket: Annotated[str | None, Query(description="Only of this bucket, by name or id.")] = None,
    prefix: Annotated[str, Query(description="Only of files whose keys begin so.")] = "",
    after: Annotated[int | None, Query(ge=0, le=2**53, description="As Last-Event-ID, which wins.")] = None,
    follow: Annotated[bool, Query(description="False: what the feed holds past `after`, and then the end.")] = True,
    last_event_id: Annotated[str | None, Header(description="The last id seen; without one, from now on.")] = None,
) -> Response:
    """Whoever may list a bucket is told of its files; admins are told of all. A change is told once it is on disk."""
    call.check()
    feed = call.context.feed
    feed.check_room()
    wanted = await _wanted(call, bucket, prefix)
    start = _start(last_event_id, after)
    if not follow:
        return EventStream(_rendered(feed.replay(start or 0, wanted), None))
    batches = feed.follow(start, wanted, patience_seconds=HEARTBEAT_SECONDS)
    return EventStream(_rendered(batches, _end(call.principal.expires_at)))


async def _wanted(call: Caller, name: str | None, prefix: str) -> Wanted:
    """What the caller asked for and may see. Raises: as a list of the bucket would."""
    sight = Sight(call.principal, call.store.peek, call.context.rules, facts_of(call.request))
    uuid = (await call.bucket(name, "list_objects", prefix)).uuid if name is not None else None
    await call.store.list_buckets()  # what `peek` is asked for

    def wanted(event: Event) -> bool:
        if uuid is not None and event.bucket_uuid != uuid:
            return False
        if prefix and not (event.key or "").startswith(prefix):
            return False
        return sight(event)

    return wanted


def _start(last_event_id: str | None, after: int | None) -> int | None:
    if not last_event_id:
        return after
    if not EVENT_ID.fullmatch(last_event_id):
        raise InvalidArgument("Last-Event-ID is none of ours")
    return int(last_event_id)


def _end(expires_at: float | None) -> float:
    """When the stream ends, in seconds since 1970: a credential is asked for again, and never outlived."""
    end = time.time() + MOST_SECONDS
    return end if expires_at is None else min(end, expires_at)


async def _rendered(batches: AsyncGenerator[Batch, None], end: float | None) -> AsyncGenerator[bytes, None]:
    """`end` None = where the batches end. An empty one keeps the connection alive, and tells where it has got to."""
    yield render_retry()
    async with aclosing(batches):
        async for batch in batches:
            yield _batch(batch)
            if end is not None and time.time() >= end:
                yield render_comment("come again")
                return
    if end is not None:
        yield render_comment("come again: too slow, or the service stops")


def _batch(batch: Batch) -> bytes:
    if batch.gone:
        record = {"id": batch.position, "event": "reset", "from": batch.position + 1}
        return render_event(orjson.dumps(record), batch.position, "reset")
    told = b"".join(render_event(orjson.dumps(event_record(event)), event.sequence) for event in batch.events)
    if batch.events and batch.events[-1].sequence == batch.position:
        return told
    # The rest of the batch was not for this client: it need not look at it again.
    return (told or render_comment("alive")) + render_position(batch.position)
