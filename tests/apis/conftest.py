"""The real service in this process: one for all tests of this room, a bucket of its own for each test."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from storage_service.app.main import Service
from tests.apis.callers import ANON_KEY, BASE, SECRET_KEY, SERVICE_KEY, Bucket, make_bucket
from tests.support.service import JOURNALLED_BYTES

READY_SECONDS = 20.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The service lives on one event loop, so its tests must too."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def environment(data: Path) -> dict[str, str]:
    return {
        "STORAGE_PATH": str(data),
        "SECRET_KEY": SECRET_KEY,
        "ANON_KEY": ANON_KEY,
        "STORAGE_SERVICE_API_KEY": SERVICE_KEY,
        "STORAGE_SERVICE_PUBLIC_URL": BASE,
        "HOST": "127.0.0.1",
        "INLINE_BODY_BYTES": str(JOURNALLED_BYTES),
        "DURABILITY": "scratch",  # what power cuts do is tested elsewhere
    }


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[None]:
    """The app between its lifespan's start and end."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    task = asyncio.ensure_future(app({"type": "lifespan"}, heard.get, said.put))
    await heard.put({"type": "lifespan.startup"})
    answer = await said.get()
    assert answer["type"] == "lifespan.startup.complete", answer
    try:
        yield
    finally:
        await heard.put({"type": "lifespan.shutdown"})
        await task


@pytest.fixture(scope="session")
def service_patch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    data = tmp_path_factory.mktemp("apis") / "data"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(data).items():
            patch.setenv(name, value)
        yield data


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(service_patch: Path) -> AsyncIterator[Service]:
    app = Service()
    async with AsyncExitStack() as stack:
        with contextlib.chdir(service_patch.parent):  # where no developer's `.env` is
            await stack.enter_async_context(running(app))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            deadline = time.monotonic() + READY_SECONDS
            while (await client.get("/readyz")).status_code != 200:
                assert time.monotonic() < deadline, "not ready in time"
                await asyncio.sleep(0.02)
        yield app


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Without a credential."""
    transport = httpx.ASGITransport(app=service, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def public(client: httpx.AsyncClient) -> Bucket:
    return await make_bucket(client, public=True)


@pytest_asyncio.fixture(loop_scope="session")
async def private(client: httpx.AsyncClient) -> Bucket:
    return await make_bucket(client, public=False)
