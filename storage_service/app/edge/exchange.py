"""One request and its answer under way, as every door has it: carried out, counted, and its head completed."""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Self

from storage_service.app.edge.observe import Metrics, Operation
from storage_service.app.edge.request import Message, Receive, Request, Scope, Send
from storage_service.app.edge.respond import Header

INTERNAL = 500
CLOSE: Header = (b"connection", b"close")


class Exchange:
    """A door's own adds what all its answers bear. `counted` may be set until the answer has ended."""

    __slots__ = ("_send", "bytes_out", "counted", "request", "status")

    def __init__(self, scope: Scope, receive: Receive, send: Send, counted: Operation) -> None:
        self._send = send
        self.bytes_out = 0
        self.status = 0  # 0 = no answer has begun
        self.counted = counted
        self.request = Request(scope, receive, self.send)

    def complete(self, own: Iterable[Header]) -> list[Header]:
        """The headers that the answer's maker gave, and the door's."""
        raise NotImplementedError

    def send(self, message: Message) -> Awaitable[None]:
        """No coroutine of its own: every answer passes here twice."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = self.complete(message.get("headers", ()))
            if self.request.holds_body_back:
                headers.append(CLOSE)
            message["headers"] = headers
        else:
            self.bytes_out += len(message.get("body", b""))
            for part in message.get("parts", ()):
                self.bytes_out += len(part) if isinstance(part, bytes) else part[2]
        return self._send(message)

    async def carry_out(
        self, work: Callable[[Self], Awaitable[None]], fail: Callable[[Self, Exception], Awaitable[None]], to: Metrics
    ) -> None:
        """Do the work, answer for what it raises, count what became of it. The exchange is over then."""
        started = time.perf_counter()
        try:
            await work(self)
        except Exception as error:  # the last place that can still answer
            await fail(self, error)
        finally:
            seconds = time.perf_counter() - started
            to.count(self.counted, self.status or INTERNAL, seconds, self.request.bytes_in, self.bytes_out)
            del self.request  # a cycle: the collector should not have to find it


def with_missing(own: Iterable[Header], common: Iterable[Header]) -> list[Header]:
    """The common headers behind a route's own; what a route says itself stands."""
    kept = list(own)
    names = {name for name, _ in kept}
    kept += [header for header in common if header[0] not in names]
    return kept
