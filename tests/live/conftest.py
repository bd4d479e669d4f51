"""A running service of two workers, for what one worker does and another tells."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from storage_service.app.core.objects import new_id
from tests.support.service import SERVICE_KEY, Service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("live")
    with Service(place / "data", place, workers=2) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def admin(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, headers={"X-API-Key": SERVICE_KEY}, timeout=60.0) as client:
        yield client


@pytest.fixture
def bucket(client: httpx.Client) -> str:
    """A private bucket of the owner's."""
    name = f"b-{new_id()[-12:]}"
    client.post("/buckets", json={"name": name, "is_public": False}).raise_for_status()
    return name
