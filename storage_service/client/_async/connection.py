"""Requests to one service: credential, retries, errors."""

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from storage_service.client._async import io
from storage_service.client.errors import ClientError, ConnectionFailed, ServerError, error_of
from storage_service.client.wire import Call, may_repeat, pause_seconds

Token = str | Callable[[], str]


class AsyncHow(NamedTuple):
    """How to reach a service. `retries`: attempts after the first. `timeout_seconds`: of one wait."""

    token: Token | None
    retries: int
    timeout_seconds: float
    transport: httpx.AsyncBaseTransport | None


class AsyncConnection:
    """One service, reached over a pool of connections."""

    def __init__(self, url: str, how: AsyncHow) -> None:
        self.url = url.rstrip("/")
        self.retries = how.retries
        self._token = how.token
        # Bodies stay as they are stored: what is compressed in there is not undone on the way.
        headers = {"accept": "application/json, */*", "accept-encoding": "identity"}
        self._http = httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=how.timeout_seconds, transport=how.transport
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def json(self, call: Call) -> Any:
        """The JSON of the answer; None where it has no body. Raises: ClientError."""
        response = await self.answer(call)
        try:
            return response.json() if response.content else None
        except ValueError:
            raise ServerError(f"{call.path}: the answer is not JSON", status=response.status_code) from None

    async def answer(self, call: Call) -> httpx.Response:
        """The answer with its body. Raises: ClientError."""
        return await self._repeat(call, whole=True)

    async def open(self, call: Call) -> httpx.Response:
        """The answer with its body still to come; close it. Raises: ClientError."""
        return await self._repeat(call, whole=False)

    async def _repeat(self, call: Call, *, whole: bool) -> httpx.Response:
        attempt = 0
        while True:
            try:
                return await self._once(call, whole)
            except (httpx.TransportError, ClientError) as error:
                if attempt >= self.retries or not may_repeat(call, error):
                    if isinstance(error, ClientError):
                        raise
                    what = str(error) or type(error).__name__
                    raise ConnectionFailed(f"{call.method} {self.url}{call.path}: {what}") from error
                await io.pause(pause_seconds(attempt, error))
            attempt += 1

    async def _once(self, call: Call, whole: bool) -> httpx.Response:
        response = await self._http.send(self._request(call), stream=True)
        if response.is_success and not whole:
            return response
        try:
            body = await response.aread()
        finally:
            await response.aclose()
        if response.is_success:
            return response
        raise error_of(response.status_code, response.headers, body)

    def _request(self, call: Call) -> httpx.Request:
        headers = dict(call.headers)
        if self._token is not None:
            token = self._token if isinstance(self._token, str) else self._token()
            headers["authorization"] = f"Bearer {token}"
        if call.source is None:
            return self._http.build_request(
                call.method, call.path, params=dict(call.params), headers=headers, json=call.json
            )
        if call.source.size is not None:
            headers["content-length"] = str(call.source.size)
        return self._http.build_request(
            call.method,
            call.path,
            params=dict(call.params),
            headers=headers,
            content=io.sending(call.source, call.progress),
        )
