"""Which door a request is for. Pure: it reads the head of a request and says a name.

S3 and the JSON door share one address. A closed list of first segments belongs to our own doors; it shadows unsigned
requests only, so that a signed one may use a bucket of any such name.
"""

import re
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from storage_service.app.edge.request import Scope
from storage_service.app.s3.target import is_hosted

Door = Literal["s3", "json", "tus", "console"]

# Fixed: a name added later would hide a bucket that somebody has.
RESERVED = frozenset({
    b"api", b"buckets", b"files", b"storage", b"console", b"docs", b"redoc", b"openapi.json", b"health", b"healthz",
    b"readyz", b"metrics", b"events", b"realtime", b"minio", b"",
})  # fmt: skip
MARKS = re.compile(b"X-Amz-(?:Algorithm|Credential)=|AWSAccessKeyId=")
S3_HEADERS = (b"x-amz-", b"amz-sdk-")
# CloudFront adds it to every request that it sends on, whatever that is for.
NOT_S3 = b"x-amz-cf-id"
HTML = b"text/html"
WATCHED = frozenset({b"authorization", b"host", b"access-control-request-headers", b"content-type"})
MINIO = "/minio/"
# Paths that health checks and scrapers of MinIO ask for.
ALIASES = {
    b"/minio/health/live": b"/healthz",
    b"/minio/health/ready": b"/readyz",
    b"/minio/health/cluster": b"/readyz",
    b"/minio/health/cluster/read": b"/readyz",
    b"/minio/v2/metrics/cluster": b"/metrics",
    b"/minio/v2/metrics/node": b"/metrics",
    b"/minio/v2/metrics/bucket": b"/metrics",
    b"/minio/v2/metrics/resource": b"/metrics",
    b"/minio/prometheus/metrics": b"/metrics",
}


def door_of(scope: Scope, domains: tuple[str, ...] = ()) -> Door:
    """`domains`: hosts under which a first label names a bucket (VHOST_DOMAINS)."""
    query: bytes = scope.get("query_string", b"")
    if query and MARKS.search(query):
        return "s3"
    path = raw_path_of(scope)
    segment, _, rest = path[1:].partition(b"/")
    if b"%" in segment:
        segment = unquote_to_bytes(segment)
    if segment not in RESERVED:
        return "s3"
    # MinIO's client asks for MinIO's health with headers of S3, and signs nothing.
    if _is_marked(scope, domains, is_alone=not rest, marks=() if path in ALIASES else S3_HEADERS):
        return "s3"
    if segment == b"console" or (path == b"/" and _wants_page(scope)):
        return "console"
    return "tus" if segment == b"files" and rest.partition(b"/")[0] == b"resumable" else "json"


def _wants_page(scope: Scope) -> bool:
    """Whether a browser asks, not a program."""
    return scope["method"] == "GET" and any(HTML in value for name, value in scope["headers"] if name == b"accept")


def _is_marked(scope: Scope, domains: tuple[str, ...], *, is_alone: bool, marks: tuple[bytes, ...]) -> bool:
    """Whether a head says S3, though its path would be our own. `is_alone`: the path is one segment; `marks`: how names
    of headers begin that say so by themselves."""
    for name, value in scope["headers"]:
        if name.startswith(marks):
            if name != NOT_S3:
                return True
        elif name in WATCHED and _says_s3(name, value, scope["method"], domains, is_alone=is_alone):
            return True
    return False


def _says_s3(name: bytes, value: bytes, method: str, domains: tuple[str, ...], *, is_alone: bool) -> bool:
    """One of the `WATCHED` headers."""
    if name == b"authorization":
        return value.startswith(b"AWS")
    if name == b"host":
        return is_hosted(value.decode("latin-1"), domains)
    if name == b"access-control-request-headers":
        return method == "OPTIONS" and any(mark in value.lower() for mark in S3_HEADERS)
    # A browser's form to a bucket: no route of our own takes one there.
    return is_alone and method == "POST" and value.lower().startswith(b"multipart/form-data")


def raw_path_of(scope: Scope) -> bytes:
    """The path as it was sent, without the query."""
    raw: Any = scope.get("raw_path")
    return bytes(raw).partition(b"?")[0] if raw is not None else str(scope["path"]).encode()


def with_alias(scope: Scope) -> Scope:
    """The scope under our own name of a path that MinIO's users know; any other as it is."""
    if not scope["path"].startswith(MINIO):
        return scope
    alias = ALIASES.get(raw_path_of(scope))
    if alias is None:
        return scope
    return {**scope, "path": alias.decode(), "raw_path": alias}
