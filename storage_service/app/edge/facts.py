"""What a policy's conditions may ask of a request, from its headers, query and connection.

Source: AWS "Actions, resources, and condition keys for Amazon S3".
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote

from storage_service.app.core.policy.conditions import Facts
from storage_service.app.edge.request import Request

ALGORITHM = "AWS4-HMAC-SHA256"
DAY_SECONDS = 86_400
REQUEST_TAG = "s3:requestobjecttag/"
AMZ_DATE = "%Y%m%dT%H%M%SZ"
# Keys that are a field of the query.
QUERY = {
    "s3:prefix": "prefix",
    "s3:delimiter": "delimiter",
    "s3:max-keys": "max-keys",
    "s3:versionid": "versionId",
}
HEADERS = {
    "aws:referer": b"referer",
    "aws:useragent": b"user-agent",
    "s3:if-match": b"if-match",
    "s3:if-none-match": b"if-none-match",
    "s3:object-lock-mode": b"x-amz-object-lock-mode",
    "s3:object-lock-retain-until-date": b"x-amz-object-lock-retain-until-date",
    "s3:object-lock-legal-hold": b"x-amz-object-lock-legal-hold",
}


def facts_of(request: Request) -> Facts:
    """Answers by key; nothing is looked at before it is asked for."""

    def fact(name: str) -> Sequence[str] | None:
        found = _values(request, name)
        return None if found is None else [found] if isinstance(found, str) else found

    return fact


def _values(request: Request, name: str) -> str | Sequence[str] | None:
    if name in OTHERS:
        return OTHERS[name](request)
    if name in QUERY:
        return request.query.get(QUERY[name])
    if name in HEADERS:
        return request.header(HEADERS[name])
    if name.startswith("s3:x-amz-"):
        return _signed_value(request, name.removeprefix("s3:"))
    if name.startswith(REQUEST_TAG):
        wanted = name.removeprefix(REQUEST_TAG)
        return [value for key, value in _tags(request) if key.lower() == wanted] or None
    return None


def _signed_value(request: Request, name: str) -> str | None:
    """A header of S3; a presigned request may bear it in its query."""
    found = request.header(name.encode())
    if found is not None:
        return found
    return next((value for key, value in request.query.items() if key.lower() == name), None)


def _tags(request: Request) -> list[tuple[str, str]]:
    with suppress(ValueError):
        return parse_qsl(_signed_value(request, "x-amz-tagging") or "", keep_blank_values=True, max_num_fields=1000)
    return []


def _tag_keys(request: Request) -> Sequence[str] | None:
    return [key for key, _ in _tags(request)] or None


def _address(request: Request) -> str | None:
    """The caller's: where a trusted proxy stands between, the one it forwards."""
    client = request.scope.get("client")
    return str(client[0]) if client else None


def _copy_source(request: Request) -> str | None:
    sent = request.header(b"x-amz-copy-source")
    return None if sent is None else unquote(sent.partition("?")[0]).lstrip("/")


def _authentication(request: Request) -> str | None:
    if "X-Amz-Signature" in request.query or "Signature" in request.query:
        return "REST-QUERY-STRING"
    if b"authorization" in request.headers:
        return "REST-HEADER"
    return "POST" if request.method == "POST" and b"content-type" in request.headers else None


def _signature_version(request: Request) -> str | None:
    if "X-Amz-Algorithm" in request.query or (request.header(b"authorization") or "").startswith(ALGORITHM):
        return ALGORITHM
    return "AWS" if _authentication(request) else None


def _signature_age(request: Request) -> str | None:
    """Milliseconds since the request was signed."""
    signed = request.query.get("X-Amz-Date") or request.header(b"x-amz-date") or ""
    with suppress(ValueError):
        at = datetime.strptime(signed, AMZ_DATE).replace(tzinfo=UTC)
        return str(int((time.time() - at.timestamp()) * 1000))
    return None


def _retention_days(request: Request) -> str | None:
    with suppress(ValueError, OverflowError):
        until = datetime.fromisoformat(request.header(b"x-amz-object-lock-retain-until-date") or "")
        return str(int((until.timestamp() - time.time()) / DAY_SECONDS))
    return None


OTHERS: dict[str, Callable[[Request], str | Sequence[str] | None]] = {
    "aws:currenttime": lambda _: datetime.now(UTC).isoformat(),
    "aws:epochtime": lambda _: str(int(time.time())),
    "aws:securetransport": lambda request: str(request.scope.get("scheme") == "https").lower(),
    "aws:sourceip": _address,
    "s3:authtype": _authentication,
    "s3:signatureversion": _signature_version,
    "s3:signatureage": _signature_age,
    "s3:requestobjecttagkeys": _tag_keys,
    "s3:object-lock-remaining-retention-days": _retention_days,
    "s3:x-amz-copy-source": _copy_source,
}
