"""The description of this door, and a page to read it. Everything on the page is served from here."""

import gzip
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter
from fastapi import Request as FrameworkRequest
from starlette.responses import Response

from storage_service.app.apis.door import DoorRoute, Json
from storage_service.app.apis.resolve import allow
from storage_service.app.core.errors import RouteNotFound
from storage_service.app.edge.encodings import takes_gzip
from storage_service.app.edge.packaged import read_packaged

STATIC = Path(__file__).parents[1] / "static"


class Asset(NamedTuple):
    """A file under `static`, packed there if its name ends in `.gz`."""

    file: str
    media_type: str


ASSETS = {
    "swagger-ui-bundle.js": Asset("swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8"),
    "swagger-ui.css": Asset("swagger-ui.css.gz", "text/css; charset=utf-8"),
    "start.js": Asset("start.js", "text/javascript; charset=utf-8"),
    "icon.png": Asset("favicon-32x32.png", "image/png"),
}
# The page may load and ask nothing but this service. Swagger UI writes styles into the page, never scripts.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
DAY = {"Cache-Control": "public, max-age=86400", "Vary": "Accept-Encoding"}

router = APIRouter(route_class=DoorRoute, strict_content_type=False, include_in_schema=False)


@router.get("/openapi.json", name="docs.openapi")
@allow(None)
async def openapi(request: FrameworkRequest) -> Response:
    return Json(request.app.openapi(), headers={"Cache-Control": "no-cache"})


# One page under both names: a second viewer would weigh as much again.
@router.get("/docs", name="docs.page")
@router.get("/redoc", name="docs.page")
@allow(None)
async def page() -> Response:
    return Response(await read_packaged(STATIC / "docs.html"), headers=HEADERS, media_type="text/html")


@router.get("/docs/{name}", name="docs.asset")
@allow(None)
async def asset(request: FrameworkRequest, name: str) -> Response:
    found = ASSETS.get(name)
    if found is None:
        raise RouteNotFound("Not Found")
    body, headers = await read_packaged(STATIC / found.file), dict(DAY)
    if found.file.endswith(".gz"):
        if takes_gzip(request.headers.get("accept-encoding", "")):
            headers["Content-Encoding"] = "gzip"
        else:
            body = gzip.decompress(body)
    return Response(body, headers=headers, media_type=found.media_type)
