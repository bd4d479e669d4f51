"""The real service in this process, behind a transport that can be told to fail; both clients over it."""

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from storage_service.app.main import Service
from storage_service.client import AsyncClient, Client, InProcess, Transport
from tests.client.faults import Faulty
from tests.client.twins import Twin
from tests.support.service import SECRET_KEY, SERVICE_KEY

URL = "http://storage.test"
_numbers = count(1)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Transport]:
    settings = {
        "STORAGE_PATH": str(tmp_path_factory.mktemp("client") / "data"),
        "SECRET_KEY": SECRET_KEY,
        "STORAGE_SERVICE_API_KEY": SERVICE_KEY,
        "STORAGE_SERVICE_PUBLIC_URL": URL,
        "HOST": "127.0.0.1",
        "DURABILITY": "scratch",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        with InProcess(Service()) as transport:
            yield transport


@pytest.fixture
def line(service: Transport) -> Faulty:
    """What lies between client and service."""
    return Faulty(service)


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, line: Faulty) -> AsyncIterator[Any]:
    """Either client, with the service's key."""
    if request.param == "async":
        async with AsyncClient(URL, api_key=SERVICE_KEY, transport=line) as found:
            yield found
    else:
        with Client(URL, api_key=SERVICE_KEY, transport=line) as plain:
            yield Twin(plain)


@pytest.fixture
async def bucket(client: Any) -> Any:
    name = f"bucket-{next(_numbers)}"
    await client.buckets.create(name)
    return client.bucket(name)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file of 300,000 bytes."""
    path = tmp_path / "picture.png"
    path.write_bytes(bytes(range(250)) * 1200)
    return path


@pytest.fixture(scope="session")
def crowded(service: Transport) -> str:
    """A bucket of 2,050 files: more than two pages."""
    with Client(URL, api_key=SERVICE_KEY, transport=service) as client:
        client.buckets.create("crowded")
        bucket = client.bucket("crowded")
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda number: bucket.put(f"{number:04}", b""), range(2050)))
    return "crowded"


async def all_of(iterator: Any) -> list[Any]:
    return [item async for item in iterator]
