"""The description of the hot routes: complete, and without a dangling end."""

from collections.abc import Iterator
from typing import Any

import httpx

from storage_service.app.apis.hot import HOT_ROUTES
from storage_service.app.apis.hot_docs import hot_paths


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_hot_route_is_described() -> None:
    described = {
        (method.upper(), path.split("/")[1] if path.startswith("/storage") else path.split("/")[2])
        for path, item in hot_paths().items()
        for method in item
    }
    assert described == {(route.method, route.word.decode()) for route in HOT_ROUTES}


async def test_document_holds_the_hot_routes_and_every_reference(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert hot_paths().keys() <= document["paths"].keys()
    for reference in references(document):
        found = document
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
    operations = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if isinstance(operation, dict) and "operationId" in operation
    ]
    assert len(operations) == len(set(operations))
