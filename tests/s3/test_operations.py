"""The table of operations, and what is not in it."""

import inspect
from collections import Counter
from typing import Any, get_args

import pytest

from storage_service.app.core.errors import (
    InvalidArgument,
    InvalidRequest,
    MethodNotAllowed,
    NotImplemented,
    StorageError,
)
from storage_service.app.core.security import ACTIONS
from storage_service.app.edge.request import Request
from storage_service.app.s3.operation import Level, asks
from storage_service.app.s3.operations import OPERATIONS, SUBRESOURCES, find
from storage_service.app.s3.target import parse_target


def found(method: str, target: str, **headers: str) -> str:
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }

    async def nothing(*_: Any) -> Any:
        raise AssertionError("the table reads no body and sends no answer")

    return find(Request(scope, nothing, nothing), parse_target(path.encode(), "", ())).name


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("GET", "/", "ListBuckets"),
        ("GET", "/?x-id=ListBuckets", "ListBuckets"),
        ("GET", "/b", "ListObjects"),
        ("GET", "/b/?prefix=", "ListObjects"),
        ("GET", "/b?list-type=2&delimiter=", "ListObjectsV2"),
        ("GET", "/b?versions", "ListObjectVersions"),
        ("GET", "/b?versions&list-type=2", "ListObjectVersions"),
        ("GET", "/b?location", "GetBucketLocation"),
        ("PUT", "/b", "CreateBucket"),
        ("POST", "/b?delete", "DeleteObjects"),
        ("POST", "/b", "PostObject"),
        ("GET", "/b/k", "GetObject"),
        ("GET", "/b/k?versionId=x&partNumber=1&x-id=GetObject", "GetObject"),
        ("GET", "/b/k?response-content-type=", "GetObject"),
        ("GET", "/b/k?attributes", "GetObjectAttributes"),
        ("PUT", "/b/k?tagging", "PutObjectTagging"),
        ("PUT", "/b/k?renameObject", "RenameObject"),
        ("POST", "/b/k?uploads", "CreateMultipartUpload"),
        ("PUT", "/b/k?uploadId=u&partNumber=1", "UploadPart"),
    ],
)
def test_method_address_and_subresource_choose_the_operation(method: str, target: str, name: str) -> None:
    assert found(method, target) == name


def test_a_copy_source_makes_another_operation_of_a_put() -> None:
    assert found("PUT", "/b/k", x_amz_copy_source="/b/s") == "CopyObject"
    assert found("PUT", "/b/k?uploadId=u&partNumber=1", x_amz_copy_source="/b/s") == "UploadPartCopy"


@pytest.mark.parametrize(
    ("method", "target", "error"),
    [
        ("GET", "/b?unheard-of", NotImplemented),
        ("PUT", "/b/k?unheard-of", NotImplemented),
        ("GET", "/b?intelligent-tiering", NotImplemented),
        ("GET", "/b?events=s3:ObjectCreated:*&prefix=", NotImplemented),
        ("GET", "/?events=s3:ObjectCreated:*", NotImplemented),
        ("GET", "/b/k?lambdaArn=arn:minio:s3-object-lambda::f:webhook", NotImplemented),
        ("GET", "/b?replication-metrics=1", NotImplemented),
        ("PUT", "/b?abac", NotImplemented),
        ("DELETE", "/b?versions", MethodNotAllowed),
        ("PATCH", "/b/k", MethodNotAllowed),
        ("POST", "/", MethodNotAllowed),
        ("GET", "/b?location&versioning", InvalidRequest),
        ("PUT", "/b/k?tagging&attributes", InvalidRequest),
        ("PUT", "/b/k?partNumber=1", InvalidArgument),
        ("PUT", "/b/k?versionId=x", InvalidArgument),
        ("PUT", "/b/k?uploadId=u&partNumber=1&versionId=x", InvalidArgument),
        ("POST", "/b/k?uploads&versionId=x", InvalidArgument),
        ("POST", "/b/k?uploadId=u&versionId=x", InvalidArgument),
    ],
)
def test_what_nobody_serves_is_never_a_success(method: str, target: str, error: type[StorageError]) -> None:
    with pytest.raises(error):
        found(method, target)


def test_a_parameter_that_is_not_known_and_has_a_value_is_let_pass() -> None:
    assert found("GET", "/b/k?cache-buster=1") == "GetObject"


def test_no_two_rows_are_for_the_same_request() -> None:
    places = Counter((row.method, row.level, row.query) for row in OPERATIONS)
    assert [place for place, count in places.items() if count > 1] == []


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: f"{row.method} {row.level} {row.query}")
def test_every_row_names_what_the_door_needs(row: Any) -> None:
    assert row.method in {"GET", "HEAD", "PUT", "POST", "DELETE"}
    assert row.level in get_args(Level)
    assert row.action is None or row.action in ACTIONS
    assert inspect.iscoroutinefunction(row.handler)
    assert not row.query or row.query.partition("+")[0] in SUBRESOURCES | {"x-amz-copy-source"}


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", False),
        ("x-id=GetObject", False),
        ("X-Amz-Algorithm=a&X-Amz-Date=b&X-Amz-Signature=c", False),
        ("X-Amz-Algorithm=a&x-id=GetObject", False),
        ("versionId=1", True),
        ("X-Amz-Algorithm=a&versionId=1&X-Amz-Date=b", True),
        ("X-Amz-Algorithm=a&tagging", True),
        ("X-Amz-Algorithm=a&", True),
        ("x-amz-acl=private&X-Amz-Date=b", True),
    ],
)
def test_a_query_that_only_signs_asks_for_nothing(query: str, says: bool) -> None:
    async def nothing(*_: Any) -> Any:
        raise AssertionError("nothing is read")

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": []}
    assert asks(Request(scope, nothing, nothing)) is says
