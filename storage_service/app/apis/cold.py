"""The routes that are not hot, as one FastAPI app. Bodies of objects never come here: see `dispatch`."""

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from storage_service import __version__
from storage_service.app.apis.context import Context
from storage_service.app.apis.endpoints import (
    archives,
    buckets,
    bulk,
    configuration,
    copying,
    docs,
    events,
    files,
    keys,
    links,
    listing,
    origins,
    service,
    unfinished,
    watch,
)
from storage_service.app.apis.front import Front
from storage_service.app.apis.openapi import describe

# The order matters once: `DELETE /files/{bucket}/{key}` would take `DELETE /files/tags/...` too.
ROUTERS = (
    service.router,
    events.router,
    watch.router,
    keys.router,
    buckets.router,
    origins.router,
    configuration.router,
    bulk.router,
    unfinished.router,
    listing.router,
    archives.router,
    copying.router,
    links.router,
    files.router,
    docs.router,
)


class ColdApp(FastAPI):
    """FastAPI without its middlewares: `Front` stands in their place."""

    def build_middleware_stack(self) -> ASGIApp:
        context: Context = self.state.context
        return Front(self.router, self.routes, context.metrics)

    def openapi(self) -> dict[str, Any]:
        """Made once, when first asked for."""
        if self.openapi_schema is None:
            self.openapi_schema = describe(self.routes, self.state.context.names.public_url)
        return self.openapi_schema


def create_cold_app(context: Context) -> FastAPI:
    """The app of all cold routes, to be served behind the dispatcher."""
    app = ColdApp(
        title="Storage service",
        version=__version__,
        openapi_url=None,  # ours, under /openapi.json, declares its action like any other route
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.context = context
    for router in ROUTERS:
        # Not include_router: that hides the routes from whoever walks them.
        app.router.routes.extend(router.routes)
    return app
