"""Which door a request is for."""

from typing import Any

import pytest

from storage_service.app.dispatch import ALIASES, RESERVED, door_of, with_alias

JSON, S3, CONSOLE = "json", "s3", "console"
BROWSER = {"accept": "text/html"}
V4 = {"authorization": "AWS4-HMAC-SHA256 Credential=x"}
V2 = {"authorization": "AWS key:signature"}
BEARER = {"authorization": "Bearer AWS4"}
FORM = {"content-type": "multipart/form-data; boundary=x"}
PREFLIGHT = {"origin": "https://x", "access-control-request-headers": "content-type, X-Amz-Date"}


def scope(method: str, target: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
    }


@pytest.mark.parametrize(
    ("method", "target", "headers", "door"),
    [
        ("GET", "/", {}, JSON),
        ("GET", "/", BROWSER, CONSOLE),
        ("HEAD", "/", BROWSER, JSON),
        ("GET", "/console", {}, CONSOLE),
        ("GET", "/console/session", {}, CONSOLE),
        ("GET", "/console/x", V4, S3),
        ("GET", "/consoles/x", BROWSER, S3),
        ("GET", "/", V4, S3),
        ("GET", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256", {}, S3),
        ("GET", "/photos", {}, S3),
        ("GET", "/photos/cat.jpg", {}, S3),
        ("GET", "/photos/files/x", {}, S3),
        ("PUT", "/photos", {}, S3),
        ("GET", "/buckets", {}, JSON),
        ("GET", "/buckets", BEARER, JSON),
        ("GET", "/buckets", V4, S3),
        ("GET", "/buckets/x", V2, S3),
        ("GET", "/files/view/b/k", {}, JSON),
        ("GET", "/files/view/b/k?token=AWS", {}, JSON),
        ("GET", "/files/x?AWSAccessKeyId=k&Signature=s&Expires=1", {}, S3),
        ("GET", "/files/x?X-Amz-Credential=k", {}, S3),
        ("GET", "/%66iles/view/b/k", {}, JSON),
        ("GET", "/storage/b/k", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, S3),
        ("GET", "/storage/b/k", {"amz-sdk-request": "attempt=1"}, S3),
        ("GET", "/storage/b/k", {"x-amzn-trace-id": "Root=1"}, JSON),
        ("GET", "/storage/b/k", {"x-amz-cf-id": "of CloudFront"}, JSON),
        ("POST", "/files", FORM, S3),
        ("POST", "/files/upload/photos", FORM, JSON),
        ("POST", "/photos", FORM, S3),
        ("OPTIONS", "/files/x", PREFLIGHT, S3),
        ("OPTIONS", "/files/x", {"access-control-request-headers": "content-type"}, JSON),
        ("GET", "/health", {"host": "photos.s3.example.org"}, S3),
        ("GET", "/health", {"host": "s3.example.org:8001"}, S3),
        ("GET", "/health", {"host": "example.org"}, JSON),
        ("GET", "/healthz2", {}, S3),
        ("GET", "/minio/health/live", {}, JSON),
        ("GET", "/minio/health/cluster", {"x-amz-content-sha256": "e3b0"}, JSON),  # so does `mc ready`
        ("GET", "/minio/health/cluster", {**V4, "x-amz-content-sha256": "e3b0"}, S3),
        ("GET", "/minio/other", {"x-amz-content-sha256": "e3b0"}, S3),
    ],
)
def test_a_request_goes_to_the_door_it_is_meant_for(
    method: str, target: str, headers: dict[str, str], door: str
) -> None:
    assert door_of(scope(method, target, headers), ("s3.example.org",)) == door


@pytest.mark.parametrize("segment", sorted(RESERVED))
def test_a_signed_request_may_use_a_bucket_of_any_name(segment: bytes) -> None:
    path = f"/{segment.decode()}"
    assert door_of(scope("GET", path)) != S3
    assert door_of(scope("GET", path, V4)) == S3


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_what_checks_minio_finds_our_own_path(alias: bytes) -> None:
    found = with_alias(scope("GET", alias.decode()))
    assert found["raw_path"] == ALIASES[alias]
    assert found["path"] == ALIASES[alias].decode()


def test_any_other_path_stays_as_it_is() -> None:
    sent = scope("GET", "/minio/admin/v3/info")
    assert with_alias(sent) is sent
