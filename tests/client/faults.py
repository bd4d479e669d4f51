"""A transport between a client and the real service that loses, cuts and refuses what it is told to."""

import time
from collections.abc import AsyncIterator, Callable, Iterator

import httpx

from storage_service.client import Transport

Fault = Callable[["Faulty", httpx.Request], httpx.Response | None]


class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that ends too early with an error, as of a connection that broke."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


class Faulty(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """`faults` are used up from the first on; a fault that answers None lets its request pass."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.faults: list[Fault] = []
        self.asked: list[httpx.Request] = []
        self.times: list[float] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self._answer(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return self._answer(request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        self.times.append(time.monotonic())
        wrong = self.faults.pop(0)(self, request) if self.faults else None
        return self.inner.handle_request(request) if wrong is None else wrong


def passing(_: Faulty, __: httpx.Request) -> None:
    """No fault."""


def unreached(_: Faulty, __: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def lost_request(_: Faulty, __: httpx.Request) -> httpx.Response:
    """The connection breaks before the service has it all."""
    raise httpx.WriteError("broken pipe")


def lost_answer(line: Faulty, request: httpx.Request) -> httpx.Response:
    """The service does it; nobody hears."""
    line.inner.handle_request(request)
    raise httpx.ReadError("connection reset")


def refusing(status: int, code: str = "", **headers: str) -> Fault:
    def refuse(_: Faulty, __: httpx.Request) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Response(status, json={"code": code, "message": "not now"}, headers=named)

    return refuse


def cut_at(size: int) -> Fault:
    """The answer's body breaks off after so many bytes."""

    def cut(line: Faulty, request: httpx.Request) -> httpx.Response:
        answer = line.inner.handle_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=Broken(answer.read()[:size]))

    return cut


def altered(line: Faulty, request: httpx.Request) -> httpx.Response:
    """One byte of the answer's body is another one."""
    answer = line.inner.handle_request(request)
    body = answer.read()
    wrong = httpx.ByteStream(bytes([body[0] ^ 1]) + body[1:])
    return httpx.Response(answer.status_code, headers=answer.headers, stream=wrong)
