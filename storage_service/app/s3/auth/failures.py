"""The last requests whose signature was refused, for the signature doctor. Bounded, in memory, of this worker only."""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from storage_service.app.core.errors import StorageError
from storage_service.app.edge.request import Request
from storage_service.app.s3.auth.canonical import Pair

KEPT_REQUESTS = 64
KEPT_HEADERS = 64
KEPT_BYTES = 4096  # of a path, a query and a header's value
# Secrets, or none of our business.
SENSITIVE = frozenset(
    {
        b"cookie",
        b"apikey",
        b"x-api-key",
        b"proxy-authorization",
        b"x-amz-security-token",
        b"x-amz-server-side-encryption-customer-key",
        b"x-amz-copy-source-server-side-encryption-customer-key",
    }
)


class FailedRequest(NamedTuple):
    """What was sent, and what it was told. `at` in seconds since 1970."""

    at: float
    request_id: str
    method: str
    raw_path: bytes
    query: bytes
    headers: tuple[Pair, ...]
    code: str
    detail: str


class FailureLog:
    """Newest last; `note` is what an Authenticator calls."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._kept: deque[FailedRequest] = deque(maxlen=KEPT_REQUESTS)

    def note(self, request: Request, error: StorageError) -> None:
        query: bytes = request.scope.get("query_string", b"")
        self._kept.append(
            FailedRequest(
                self._now(),
                request.request_id,
                request.method,
                request.raw_path[:KEPT_BYTES],
                query[:KEPT_BYTES],
                tuple(_kept(request)),
                type(error).__name__,
                error.detail,
            )
        )

    def newest(self, limit: int) -> list[FailedRequest]:
        """Newest first."""
        return list(reversed(self._kept))[:limit]


def _kept(request: Request) -> list[Pair]:
    found = [(name, value[:KEPT_BYTES]) for name, value in request.scope["headers"] if name not in SENSITIVE]
    # Another scheme's credential is somebody's secret; a signature is none.
    return [pair for pair in found if pair[0] != b"authorization" or pair[1].startswith(b"AWS")][:KEPT_HEADERS]
