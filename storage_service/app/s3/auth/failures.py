"""The last requests whose signature was refused, for the signature doctor. Bounded; of all workers where they share."""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import orjson

from storage_service.app.core.errors import StorageError
from storage_service.app.edge.proxies import BELIEVED
from storage_service.app.edge.request import Request
from storage_service.app.s3.auth.canonical import Pair

KEPT_REQUESTS = 64
KEPT_HEADERS = 64
KEPT_BYTES = 4096  # of a path, a query and a header's value
KEPT_HEADER_BYTES = 8192  # of all headers
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
    """What was sent, and what it was told. `at` in seconds since 1970; `believed`: a trusted proxy passed it on."""

    at: float
    request_id: str
    method: str
    raw_path: bytes
    query: bytes
    headers: tuple[Pair, ...]
    code: str
    detail: str
    believed: bool = False


class Records(Protocol):
    """Where they are kept. Neither call waits."""

    def append(self, record: bytes) -> None: ...
    def newest(self, limit: int) -> list[bytes]: ...


class Memory:
    """Of this process alone."""

    def __init__(self) -> None:
        self._kept: deque[bytes] = deque(maxlen=KEPT_REQUESTS)

    def append(self, record: bytes) -> None:
        self._kept.append(record)

    def newest(self, limit: int) -> list[bytes]:
        return list(reversed(self._kept))[:limit]


class FailureLog:
    """`note` is what an Authenticator calls."""

    def __init__(self, now: Callable[[], float] = time.time, records: Records | None = None) -> None:
        self._now = now
        self._records = records or Memory()

    def note(self, request: Request, error: StorageError) -> None:
        query: bytes = request.scope.get("query_string", b"")
        failed = FailedRequest(
            self._now(),
            request.request_id,
            request.method,
            request.raw_path[:KEPT_BYTES],
            query[:KEPT_BYTES],
            tuple(_kept(request)),
            type(error).__name__,
            error.detail,
            BELIEVED in request.scope,
        )
        self._records.append(orjson.dumps(failed, default=_plain))

    def newest(self, limit: int) -> list[FailedRequest]:
        """Newest first."""
        return [_parsed(record) for record in self._records.newest(limit)]


def _plain(value: object) -> object:
    """For JSON: a tuple as a list, bytes as Latin-1."""
    return value.decode("latin-1") if isinstance(value, bytes) else list(value)  # type: ignore[call-overload]


def _parsed(record: bytes) -> FailedRequest:
    at, request_id, method, path, query, headers, *rest = orjson.loads(record)
    pairs = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)
    return FailedRequest(at, request_id, method, path.encode("latin-1"), query.encode("latin-1"), pairs, *rest)


def _kept(request: Request) -> list[Pair]:
    found = [(name, value[:KEPT_BYTES]) for name, value in request.scope["headers"] if name not in SENSITIVE]
    # Another scheme's credential is somebody's secret; a signature is none.
    kept = [pair for pair in found if pair[0] != b"authorization" or pair[1].startswith(b"AWS")][:KEPT_HEADERS]
    while sum(len(name) + len(value) for name, value in kept) > KEPT_HEADER_BYTES:
        kept.remove(max(kept, key=lambda pair: len(pair[1])))  # the signature's own are short
    return kept
