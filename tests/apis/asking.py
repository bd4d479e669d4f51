"""Words the tests of this room share: files to begin with, and what an answer must say."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import httpx

from storage_service.app.edge.names import quote_key
from tests.apis.callers import ANON, SERVICE_KEY, STRANGER, Bucket, bearer

NOBODY: dict[str, str] = {}
SERVICE = {"x-api-key": SERVICE_KEY}
BAD = {"authorization": "Bearer not.a.token"}
OTHER = bearer(STRANGER)
OWN = bearer()
ANON_KEY = ANON

Kind = type | tuple[type, ...]
NULL = type(None)

# Contract §4.3: what each client decodes.
BUCKET: dict[str, Kind] = {
    "id": str,
    "name": str,
    "is_public": bool,
    "public": bool,
    "owner_id": str,
    "user_id": str,
    "description": (str, NULL),
    "minio_bucket_name": str,
    "internal_bucket_name": str,
    "file_count": int,
    "total_size": int,
    "created_at": str,
    "updated_at": str,
}
FILE: dict[str, Kind] = {
    "id": str,
    "filename": str,
    "name": str,
    "object_name": str,
    "path": str,
    "bucket": str,
    "bucket_name": str,
    "bucket_id": str,
    "content_type": str,
    "mime_type": str,
    "size": int,
    "owner_id": str,
    "user_id": str,
    "metadata": dict,
    "url": str,
    "created_at": str,
    "updated_at": str,
    "etag": str,
    "version_id": str,
    "checksums": dict,
}
# Contract §8: the error superset.
PROBLEM: dict[str, Kind] = {
    "type": str,
    "title": str,
    "status": int,
    "detail": (str, list),
    "instance": str,
    "code": str,
    "message": str,
    "status_code": int,
    "request_id": str,
}


class Stored(NamedTuple):
    key: str
    id: str
    version_id: str


async def put(
    client: httpx.AsyncClient,
    bucket: Bucket,
    key: str,
    body: bytes = b"hello",
    headers: Mapping[str, str] | None = None,
) -> Stored:
    """A file of the owner's, overwritten if it is there."""
    path = f"/files/upload-direct/{bucket.name}/{quote_key(key)}"
    sent = {**OWN, "content-type": "text/plain", **(headers or {})}
    record = said(await client.put(path, content=body, headers=sent), 201)
    return Stored(key, record["id"], record["version_id"])


async def get(client: httpx.AsyncClient, path: str, headers: Mapping[str, str] = OWN) -> Any:
    return said(await client.get(path, headers=headers))


async def post(client: httpx.AsyncClient, path: str, body: Any = None, *, status: int = 201) -> Any:
    """As the owner."""
    return said(await client.post(path, json=body, headers=OWN), status)


def said(answer: httpx.Response, status: int = 200) -> Any:
    """The JSON of an answer with this status; None where it has no body."""
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def has(record: Any, keys: Mapping[str, Kind]) -> None:
    """The record has these keys, of these types; true is no integer."""
    assert isinstance(record, dict)
    for name, kind in keys.items():
        assert name in record, name
        kinds = kind if isinstance(kind, tuple) else (kind,)
        assert type(record[name]) in kinds, (name, record[name])


def refused(answer: httpx.Response, status: int, detail: str | None = None) -> Any:
    """An error in the contract's form; `detail` is its exact sentence."""
    body = said(answer, status)
    has(body, PROBLEM)
    assert body["status"] == body["status_code"] == status
    assert answer.headers["content-type"] == "application/json"
    assert body["request_id"] == answer.headers["x-request-id"]
    if detail is not None:
        assert body["detail"] == detail
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
    return body


def invalid(answer: httpx.Response, field: str | None = None) -> None:
    """A 422: a list of faults, one of them of this field."""
    body = refused(answer, 422)
    assert body["detail"]
    for fault in body["detail"]:
        has(fault, {"loc": list, "msg": str, "type": str})
    if field is not None:
        assert field in [part for fault in body["detail"] for part in fault["loc"]]


def moment(text: str) -> datetime:
    """An RFC 3339 time with its zone."""
    found = datetime.fromisoformat(text)
    assert found.tzinfo is not None
    return found


def names(records: Any) -> list[str]:
    return [record["filename"] for record in records]


def place(bucket: Bucket, key: str, **more: Any) -> dict[str, Any]:
    """Where a copy comes from or goes to."""
    return {"bucket": bucket.name, "key": key, **more}
