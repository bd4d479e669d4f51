"""A service inside this process, without a port: for tests of apps that use one.

with InProcess(app) as transport, Client("http://storage", token=..., transport=transport) as client: ...
"""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

import httpx

START_SECONDS = 60.0
READY_LOOK_SECONDS = 0.02
Result = TypeVar("Result")


class InProcess:
    """An ASGI app on an event loop of its own, from start to stop; `with` gives the transport to it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._asgi = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="in-process service", daemon=True)
        self._lifespan: asyncio.Task[None] | None = None
        self._heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def __enter__(self) -> "Transport":
        self._thread.start()
        self.on_loop(self._start()).result(START_SECONDS)
        return Transport(self)

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.on_loop(self._stop()).result(START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def on_loop(self, work: Coroutine[Any, Any, Result]) -> "Future[Result]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _start(self) -> None:
        """Run the app's start, then wait until it is ready. Raises: RuntimeError if it refuses."""
        self._lifespan = asyncio.ensure_future(self._app({"type": "lifespan"}, self._heard.get, self._said.put))
        await self._heard.put({"type": "lifespan.startup"})
        answer = await self._said.get()
        if answer["type"] != "lifespan.startup.complete":
            raise RuntimeError(answer.get("message") or "the app did not start")
        ready = httpx.Request("GET", "http://in-process/readyz")
        while (await self.ask(ready)).status_code == httpx.codes.SERVICE_UNAVAILABLE:  # noqa: ASYNC110 - asked over HTTP
            await asyncio.sleep(READY_LOOK_SECONDS)

    async def _stop(self) -> None:
        await self._heard.put({"type": "lifespan.shutdown"})
        if self._lifespan is not None:
            await self._lifespan

    async def ask(self, request: httpx.Request) -> httpx.Response:
        response = await self._asgi.handle_async_request(request)
        raw = b"".join([chunk async for chunk in response.aiter_raw()])  # not decoded: the client's own matter
        body = httpx.ByteStream(raw)  # a stream: a response made of bytes counts as read already
        return httpx.Response(response.status_code, headers=response.headers, stream=body)


class Transport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """For `Client` and `AsyncClient`. Requests and answers pass whole, through memory."""

    def __init__(self, service: InProcess) -> None:
        self._service = service

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._service.on_loop(self._service.ask(_whole(request, request.read()))).result()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        work = self._service.ask(_whole(request, await request.aread()))
        return await asyncio.wrap_future(self._service.on_loop(work))


def _whole(request: httpx.Request, body: bytes) -> httpx.Request:
    return httpx.Request(request.method, request.url, headers=request.headers, content=body)
