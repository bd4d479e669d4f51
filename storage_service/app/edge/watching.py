"""Finished requests as records, while somebody watches. Nobody watching costs one comparison a request."""

import re
import time
from collections.abc import Callable
from contextvars import ContextVar

import orjson

from storage_service.app.edge.request import Scope

Write = Callable[[bytes], None]

# A signed link is a credential.
TOKEN = re.compile(r"/((?:download|upload|zip)-signed)/[^/]+")
MOST_PATH_CHARS = 300
MOST_CODE_CHARS = 60

_scope: ContextVar[Scope | None] = ContextVar("_scope", default=None)
_code: ContextVar[str | None] = ContextVar("_code", default=None)


class Watch:
    """Writes a record of each request. Called on the event loop, each request in a task of its own."""

    __slots__ = ("_worker", "write")

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self.write: Write | None = None  # None = nobody watches

    def begin(self, scope: Scope) -> None:
        """A request comes."""
        _scope.set(scope)
        _code.set(None)

    def failed(self, code: str) -> None:
        """It was answered with this error."""
        _code.set(code)

    def end(self, operation: tuple[str, str], status: int, seconds: float, received: int, sent: int) -> None:
        """It was answered."""
        scope = _scope.get()
        if self.write is None or scope is None:  # it came before anybody watched
            return
        client = scope.get("client")
        self.write(
            orjson.dumps(
                {
                    "at_ms": time.time_ns() // 1_000_000,
                    "worker": self._worker,
                    "client": client[0] if client else None,
                    "method": scope["method"],
                    "path": shown_path(scope),
                    "door": operation[0],
                    "operation": operation[1],
                    "status": status,
                    "code": (_code.get() or "")[:MOST_CODE_CHARS] or None,
                    "milliseconds": round(seconds * 1000, 3),
                    "bytes_in": received,
                    "bytes_out": sent,
                }
            )
        )


def shown_path(scope: Scope) -> str:
    """The path as it was sent, without query and tokens; a long one is cut."""
    raw = scope.get("raw_path")
    path = scope["path"] if raw is None else bytes(raw).partition(b"?")[0].decode("latin-1")
    path = TOKEN.sub(r"/\1/-", path)
    return path if len(path) <= MOST_PATH_CHARS else f"{path[:MOST_PATH_CHARS]}…"
