"""What a call of the client can raise: one class for each meaning, whatever status says it."""

import json
from collections.abc import Mapping
from typing import Any

MAX_TEXT = 200  # characters of an answer that is not JSON: a proxy's error page


class ClientError(Exception):
    """A call that failed. `code` is the service's word for why (`no_such_key`), `problem` all it said."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        request_id: str = "",
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.problem = dict(problem or {})
        self.retry_after_seconds: float | None = None


class InvalidRequest(ClientError):
    """The service does not take it so (400, 411, 415, 416, 422)."""


class Unauthenticated(ClientError):
    """No credential, or one that does not hold (401)."""


class PermissionDenied(ClientError):
    """Known, but may not (403)."""


class QuotaExceeded(ClientError):
    """The bucket or its owner may keep no more."""


class NotFound(ClientError):
    """No such bucket, file or version (404), or a feed that no longer reaches back (410)."""


class Conflict(ClientError):
    """It is there already, or in the way (409)."""


class PreconditionFailed(ClientError):
    """Somebody changed it meanwhile: `if_match` or `if_none_match` does not hold (412)."""


class NotModified(ClientError):
    """What `if_none_match` names is still current (304)."""


class TooLarge(ClientError):
    """Larger than the service, the bucket or the link allows (413)."""


class ChecksumMismatch(ClientError):
    """The bytes that arrived are not those that were sent."""


class RateLimited(ClientError):
    """Too much at once (429, 503 `slow_down`); retried before it is raised."""


class ServiceUnavailable(ClientError):
    """Not now (502, 503, 504); retried before it is raised."""


class InsufficientStorage(ClientError):
    """The service's disk is full (507)."""


class ServerError(ClientError):
    """The service failed (500 and the rest of 5xx)."""


class ConnectionFailed(ClientError):
    """No answer: not reached, broken off, or too slow. A write may or may not have happened."""


class PartialFailure(ClientError):
    """Some keys of a bulk call failed: `failures` holds an error for each; the others are done."""

    def __init__(self, failures: Mapping[str, ClientError]) -> None:
        first = next(iter(failures.items()))
        super().__init__(f"{len(failures)} failed, the first {first[0]!r}: {first[1]}")
        self.failures = dict(failures)


BY_CODE: dict[str, type[ClientError]] = {
    "bad_digest": ChecksumMismatch,
    "quota_exceeded": QuotaExceeded,
    "slow_down": RateLimited,
}
BY_STATUS: dict[int, type[ClientError]] = {
    304: NotModified,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    412: PreconditionFailed,
    413: TooLarge,
    429: RateLimited,
    502: ServiceUnavailable,
    503: ServiceUnavailable,
    504: ServiceUnavailable,
    507: InsufficientStorage,
}
FIRST_SERVER_ERROR = 500


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ClientError:
    """The error an answer stands for, whether our service or a proxy before it wrote it."""
    problem = _problem(body)
    code = str(problem.get("code") or "")
    message = str(problem.get("message") or problem.get("detail") or body.decode(errors="replace")[:MAX_TEXT])
    error = class_of(status, code)(
        f"{message or 'no explanation'} (status {status})",
        status=status,
        code=code,
        request_id=str(problem.get("request_id") or headers.get("x-request-id") or ""),
        problem=problem,
    )
    error.retry_after_seconds = _seconds(headers.get("retry-after"))
    return error


def class_of(status: int, code: str = "") -> type[ClientError]:
    fallback = ServerError if status >= FIRST_SERVER_ERROR else InvalidRequest
    return BY_CODE.get(code) or BY_STATUS.get(status) or fallback


def _problem(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:  # a date: our service never sends one
        return None
