"""The description of the whole door: FastAPI's own of cold routes, what it cannot know, and the hot routes."""

from collections.abc import Iterable
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from storage_service import __version__
from storage_service.app.apis.hot_docs import document
from storage_service.app.apis.resolve import action_of
from storage_service.app.core.security import ANYONE, RULES
from storage_service.app.schemas.answers import ValidationProblem

Description = dict[str, Any]

TAGS = [
    {"name": "buckets", "description": "Where files live. A bucket is named by its name or its id."},
    {"name": "files", "description": "Files by key or id. Keys are any UTF-8 of up to 1,024 bytes, slashes included."},
    {"name": "links", "description": "Signed links: one request on one key, for whoever has the link."},
    {"name": "service", "description": "Health, metrics, the change feed, usage."},
]
SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A login token; the anon key and the service key are taken here too.",
    },
    "apikey": {"type": "apiKey", "in": "header", "name": "apikey", "description": "The anon key."},
    "x_api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The anon or the service key."},
}
CREDENTIALS: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
FRAMEWORK_FAULTS = "#/components/schemas/HTTPValidationError"
OUR_FAULTS = "#/components/schemas/ValidationProblem"


def describe(routes: Iterable[BaseRoute], public_url: str) -> Description:
    """OpenAPI 3.1 of cold and hot routes."""
    listed = list(routes)
    openapi = get_openapi(
        title="Storage service",
        version=__version__,
        openapi_version="3.1.0",
        summary="Buckets and files over HTTP",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        routes=listed,
        tags=TAGS,
        servers=[{"url": public_url}],
    )
    components = openapi.setdefault("components", {})
    components["securitySchemes"] = SCHEMES
    _own_faults(openapi, components.setdefault("schemas", {}))
    for route in listed:
        if isinstance(route, APIRoute) and route.include_in_schema:
            _secure(openapi, route)
    document(openapi)
    return openapi


def _secure(openapi: Description, route: APIRoute) -> None:
    """Which credentials the route takes, by the table that decides it."""
    action = action_of(route.endpoint)
    security: list[dict[str, list[str]]] = []
    if action is not None:
        security = [*([{}] if RULES[action].public == ANYONE else []), *CREDENTIALS]
    for method in route.methods or ():
        openapi["paths"][route.path_format][method.lower()]["security"] = security


def _own_faults(openapi: Description, schemas: Description) -> None:
    """FastAPI documents its own form of a 422; ours holds more."""
    for path in openapi["paths"].values():
        for operation in path.values():
            content = operation["responses"].get("422", {}).get("content", {}).get("application/json", {})
            if content.get("schema", {}).get("$ref") == FRAMEWORK_FAULTS:
                content["schema"]["$ref"] = OUR_FAULTS
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    if "ValidationProblem" not in schemas:
        own = ValidationProblem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(own.pop("$defs", {}))
        schemas["ValidationProblem"] = own
