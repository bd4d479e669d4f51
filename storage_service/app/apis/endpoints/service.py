"""The service itself: welcome, health, metrics, the change feed and usage."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from storage_service import __version__
from storage_service.app.apis.documented import problems
from storage_service.app.apis.door import Call, DoorRoute, Json
from storage_service.app.apis.resolve import allow
from storage_service.app.core.objects import Usage
from storage_service.app.edge.observe import render
from storage_service.app.schemas.answers import (
    ChangesOut,
    HealthOut,
    LiveOut,
    SettingsOut,
    UsageOut,
    WelcomeOut,
    change_record,
    counters,
)

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
UNCACHED = {"Cache-Control": "no-store"}

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["service"])


@router.get("/", operation_id="service.welcome", summary="Welcome", response_model=WelcomeOut)
@allow(None)
async def welcome() -> Response:
    return Json({"message": "Welcome to SelfDB Storage Service", "docs_url": "/docs"})


@router.get(
    "/health", operation_id="service.health", summary="Whether all is well, and if not, why", response_model=HealthOut
)
@allow(None)
async def health(call: Call) -> Response:
    """Always 200 while the process answers: `status` is `healthy` or `degraded`."""
    return Json(await health_record(call), headers=UNCACHED)


@router.get("/healthz", operation_id="service.live", summary="Whether the process answers", response_model=LiveOut)
@allow(None)
async def live() -> Response:
    return Json({"status": "alive"}, headers=UNCACHED)


@router.get(
    "/readyz",
    operation_id="service.ready",
    summary="Whether requests are served",
    response_model=HealthOut,
    responses={503: {"model": HealthOut, "description": "Not now; `problems` says why"}},
)
@allow(None)
async def ready(call: Call) -> Response:
    record = await health_record(call)
    return Json(record, 200 if record["ready"] else 503, UNCACHED)


async def health_record(call: Call) -> dict[str, object]:
    found = await call.context.operator.health()
    return {
        **(found.details or {}),
        "status": found.status,
        "service": "storage",
        "version": __version__,
        "ready": found.ready,
        "problems": list(found.problems),
    }


@router.get(
    "/metrics",
    operation_id="service.metrics",
    summary="Counters for Prometheus",
    response_class=Response,
    responses=problems(401, 403)
    | {200: {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
@allow("read_metrics")
async def metrics(call: Call) -> Response:
    """For admins and the service key: it names buckets. Prometheus sends the key with `authorization: credentials`."""
    call.check()
    operator = call.context.operator
    text = render(await operator.counters(), await operator.gauges())
    return Response(text, headers=UNCACHED, media_type=PROMETHEUS)


@router.get(
    "/api/v1/settings",
    operation_id="service.settings",
    summary="The settings in effect, without secrets",
    response_model=SettingsOut,
    responses=problems(401, 403),
)
@allow("admin")
async def settings(call: Call) -> Response:
    call.check()
    return Json({"settings": list(call.context.settings)}, headers=UNCACHED)


@router.get(
    "/api/v1/changes",
    operation_id="service.changes",
    summary="The change feed",
    response_model=ChangesOut,
    responses=problems(401, 403, 410, 422),
)
@allow("admin")
async def changes(
    call: Call,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="The last sequence seen.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Every change that has been written to files, in order."""
    call.check()
    found = await call.store.changes(after, limit)
    last = found[-1].sequence if found else after
    return Json({"changes": [change_record(change) for change in found], "last": last}, headers=UNCACHED)


@router.get(
    "/api/v1/usage",
    operation_id="service.usage",
    summary="What each bucket and owner keeps",
    response_model=UsageOut,
    responses=problems(401, 403),
)
@allow("admin")
async def usage(call: Call) -> Response:
    call.check()
    by_bucket = await call.store.usages("bucket")
    by_owner = await call.store.usages("owner")
    buckets = [
        {
            "id": bucket.uuid,
            "name": bucket.name,
            "owner_id": bucket.owner,
            **counters(by_bucket.get(str(bucket.id), Usage())),
        }
        for bucket in await call.store.list_buckets()
    ]
    owners = [{"owner_id": owner, **counters(found)} for owner, found in sorted(by_owner.items())]
    return Json({"buckets": buckets, "owners": owners}, headers=UNCACHED)
