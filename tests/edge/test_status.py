import inspect
from http import HTTPStatus

import pytest

from storage_service.app.core import errors
from storage_service.app.edge.status import STATUS, problem, problem_headers, status_of

FAMILY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.StorageError)]


@pytest.mark.parametrize("kind", FAMILY)
def test_every_error_has_a_row_and_a_code_of_its_own(kind: type[errors.StorageError]) -> None:
    assert HTTPStatus(STATUS[kind]) >= 300
    # One that refines another, for a door that tells them apart, may keep its code and status.
    others = [other for other in FAMILY if other.code == kind.code and other is not kind]
    assert all(issubclass(other, kind) or issubclass(kind, other) for other in others), others
    assert {STATUS[other] for other in others} <= {STATUS[kind]}


@pytest.mark.parametrize("kind", FAMILY)
def test_every_problem_has_the_superset_of_members(kind: type[errors.StorageError]) -> None:
    body = problem(kind("Said so"), "r1", "/files/x")
    common = {"type", "title", "status", "detail", "instance", "code", "message", "status_code"}
    assert set(body) - {"errors"} == common | {"request_id"}
    assert body["status"] == body["status_code"] == STATUS[kind]
    assert isinstance(body["detail"], list if STATUS[kind] == 422 else str)
    assert isinstance(body["message"], str)


def test_problem_of_a_missing_key() -> None:
    error = errors.NoSuchKey("File 'x' not found in bucket 'b'", bucket="b", key="x")
    assert problem(error, "r1", "/files/download/b/x") == {
        "type": "urn:storage-service:error:no_such_key",
        "title": "No such key",
        "status": 404,
        "detail": "File 'x' not found in bucket 'b'",
        "instance": "/files/download/b/x",
        "code": "no_such_key",
        "message": "File 'x' not found in bucket 'b'",
        "status_code": 404,
        "request_id": "r1",
    }


def test_validation_is_a_list_as_fastapi_writes_it() -> None:
    faults: list[dict[str, object]] = [{"loc": ["body", "x"], "msg": "bad", "type": "t"}]
    body = problem(errors.ValidationFailed("Invalid", faults), "r", "/")
    assert body["detail"] == body["errors"] == faults
    body = problem(errors.InvalidBucketName("Too short"), "r", "/")
    fault = {"loc": ["body", "name"], "msg": "Too short", "type": "value_error"}
    assert body["detail"] == [fault]


def test_unknown_errors_tell_nothing() -> None:
    body = problem(RuntimeError("/secret/path"), "r", "/")
    assert status_of(RuntimeError()) == body["status"] == 500
    assert "secret" not in str(body)
    assert body["code"] == "internal_error"


def test_an_error_derived_elsewhere_takes_its_parents_row() -> None:
    class Ours(errors.NoSuchKey):
        pass

    assert status_of(Ours()) == 404


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (errors.Unauthenticated(), ((b"www-authenticate", b"Bearer"),)),
        (errors.SlowDown(), ((b"retry-after", b"1"),)),
        (errors.ServiceUnavailable(), ((b"retry-after", b"1"),)),
        (errors.InvalidRange(size=7), ((b"content-range", b"bytes */7"),)),
        (
            errors.NotModified("e", 1000),
            ((b"etag", b'"e"'), (b"last-modified", b"Thu, 01 Jan 1970 00:00:01 GMT")),
        ),
        (errors.NoSuchKey(), ()),
        (RuntimeError(), ()),
    ],
)
def test_headers_of_problems(error: Exception, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    assert problem_headers(error) == headers
