"""Who may do what: every route, every credential, public and private buckets. A route without a row fails (design §4).

A row holds the statuses for `CALLERS`, of a public and of a private bucket; a route that names no bucket has one line.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi.routing import APIRoute

from storage_service.app.apis.cold import ROUTERS
from storage_service.app.apis.hot import HOT_ROUTES
from storage_service.app.apis.resolve import ACTION
from storage_service.app.core.security import ACTIONS
from tests.apis.asking import BAD, NOBODY, OWN, SERVICE, Stored, put
from tests.apis.callers import ANON, STRANGER, Bucket, archive_link, bearer, link, make_bucket, token

UPLOADER = "uploader@example.org"
CALLERS = {
    "nobody": NOBODY,
    "anon key": ANON,
    "stranger": bearer(STRANGER),
    "uploader": bearer(UPLOADER),  # of the file, in a bucket of another
    "owner": OWN,
    "admin": {"authorization": f"Bearer {token('root', user_id='root', role='ADMIN', token_type='access')}"},
    "service key": SERVICE,
    "wrong token": BAD,
}

OPEN = "200 200 200 200 200 200 200 200"
SEEN = "200 200 200 200 200 200 200 401"
READ = (SEEN, "403 403 403 403 200 200 200 401")
CHANGE = ("401 401 403 403 200 200 200 401",) * 2
END_BUCKET = ("401 401 403 403 204 204 204 401",) * 2
UPLOAD = ("401 201 403 403 201 201 201 401", "401 403 403 403 201 201 201 401")
SIGN = ("401 200 403 403 200 200 200 401", "401 403 403 403 200 200 200 401")
OWN_FILE = ("401 401 403 200 200 200 200 401",) * 2
END_FILE = ("401 401 403 204 204 204 204 401",) * 2
TRASH = ("401 401 403 403 200 200 200 401",) * 2
ADMIN = ("401 401 403 403 403 200 200 401",)
NO_ORIGIN = ("401 401 403 403 403 404 404 401",)
LINK = ("200 200 200 200 200 200 200 200",) * 2
UPLOAD_LINK = ("201 201 201 201 201 201 201 201",) * 2


class Asked(NamedTuple):
    """A request about a bucket that holds the uploader's file `f`."""

    bucket: Bucket
    file: Stored
    access_key: str

    def path(self, words: str) -> str:
        return f"/files/{words}/{self.bucket.name}/f"

    def place(self, key: str) -> dict[str, str]:
        return {"bucket": self.bucket.name, "key": key}


Make = Callable[[Asked], dict[str, Any]]


class Row(NamedTuple):
    statuses: tuple[str, ...]
    make: Make


def at(path: str, **more: Any) -> Make:
    """`{b}` and `{f}` are the bucket and the file, `{k}` is an access key of the owner's."""
    return lambda asked: {"url": path.format(b=asked.bucket.name, f="f", k=asked.access_key), **more}


def signed(verb: str, method: str, key: str, **more: Any) -> Make:
    def make(asked: Asked) -> dict[str, Any]:
        return {"url": f"/files/{verb}/{link(asked.bucket, key, method)}/{asked.bucket.name}/{key}", **more}

    return make


def transfer(verb: str) -> Make:
    return lambda asked: {"url": f"/files/{verb}", "json": {"source": asked.place("f"), "target": asked.place("g")}}


FORM = {"files": {"file": ("g.txt", b"hello")}}
BYTES = {"content": b"hello"}
TAGS: dict[str, Any] = {"json": {"tags": {}}}
METADATA: dict[str, Any] = {"json": {"metadata": {}}}

TABLE: dict[str, Row] = {
    "GET /": Row((OPEN,), at("/")),
    "GET /health": Row((OPEN,), at("/health")),
    "GET /healthz": Row((OPEN,), at("/healthz")),
    "GET /readyz": Row((OPEN,), at("/readyz")),
    "GET /openapi.json": Row((OPEN,), at("/openapi.json")),
    "GET /docs": Row((OPEN,), at("/docs")),
    "GET /redoc": Row((OPEN,), at("/redoc")),
    "GET /docs/{name}": Row((OPEN,), at("/docs/start.js")),
    "GET /metrics": Row(ADMIN, at("/metrics")),
    "GET /api/v1/status": Row(ADMIN, at("/api/v1/status")),
    "GET /api/v1/settings": Row(ADMIN, at("/api/v1/settings")),
    "GET /api/v1/buckets/{bucket}/configuration": Row(CHANGE, at("/api/v1/buckets/{b}/configuration")),
    "PATCH /api/v1/buckets/{bucket}/configuration": Row(CHANGE, at("/api/v1/buckets/{b}/configuration", json={})),
    "POST /api/v1/buckets/{bucket}/access": Row(CHANGE, at("/api/v1/buckets/{b}/access", json={})),
    # A user is told line by line for each file.
    "POST /api/v1/bulk": Row(
        ("401 401 200 200 200 200 200 401",) * 2,
        lambda asked: {"url": "/api/v1/bulk", "json": {"op": "delete", "bucket": asked.bucket.name, "keys": ["f"]}},
    ),
    "GET /api/v1/uploads/{bucket}": Row(TRASH, at("/api/v1/uploads/{b}")),
    "DELETE /api/v1/uploads/{bucket}/{upload_id}": Row(
        ("401 401 403 403 404 404 404 401",) * 2, at("/api/v1/uploads/{b}/018f0000-0000-7000-8000-000000000000")
    ),
    "GET /api/v1/changes": Row(ADMIN, at("/api/v1/changes")),
    "GET /events": Row((SEEN,), at("/events?follow=false&after=1")),
    "GET /api/v1/requests/live": Row(ADMIN, at("/api/v1/requests/live?follow=false")),
    "GET /api/v1/usage/history": Row(CHANGE, at("/api/v1/usage/history?bucket={b}")),
    "GET /api/v1/usage": Row(ADMIN, at("/api/v1/usage")),
    "POST /api/v1/keys": Row(("401 401 201 201 201 201 201 401",), at("/api/v1/keys", json={})),
    "GET /api/v1/keys": Row(("401 401 200 200 200 200 200 401",), at("/api/v1/keys")),
    # Of another's key nobody but an admin is told more than of one that is not there.
    "GET /api/v1/keys/{access_key}": Row(("401 401 404 404 200 200 200 401",), at("/api/v1/keys/{k}")),
    "DELETE /api/v1/keys/{access_key}": Row(("401 401 404 404 204 204 204 401",), at("/api/v1/keys/{k}")),
    "GET /api/v1/signature-doctor": Row(ADMIN, at("/api/v1/signature-doctor")),
    # No bucket of the table has an origin; to admins that is a 404.
    "PUT /api/v1/buckets/{bucket}/origin": Row(
        ADMIN, at("/api/v1/buckets/{b}/origin", json={"url": "http://127.0.0.1"})
    ),
    "GET /api/v1/buckets/{bucket}/origin": Row(NO_ORIGIN, at("/api/v1/buckets/{b}/origin")),
    "DELETE /api/v1/buckets/{bucket}/origin": Row(NO_ORIGIN, at("/api/v1/buckets/{b}/origin")),
    "GET /api/v1/buckets/{bucket}/origin/objects": Row(NO_ORIGIN, at("/api/v1/buckets/{b}/origin/objects")),
    "GET /api/v1/trash/{bucket}": Row(TRASH, at("/api/v1/trash/{b}")),
    "POST /buckets": Row(
        ("401 401 201 201 201 201 201 401",),
        lambda asked: {"url": "/buckets", "json": {"name": f"new-{asked.bucket.name}"}},
    ),
    "GET /buckets": Row((SEEN,), at("/buckets")),
    "GET /buckets/{bucket}": Row(READ, at("/buckets/{b}")),
    "PUT /buckets/{bucket}": Row(CHANGE, at("/buckets/{b}", json={})),
    "PATCH /buckets/{bucket}": Row(CHANGE, at("/buckets/{b}", json={})),
    "DELETE /buckets/{bucket}": Row(END_BUCKET, at("/buckets/{b}?force=true")),
    "GET /files/list/{bucket}": Row(READ, at("/files/list/{b}")),
    "GET /files/versions/{bucket}/{key}": Row(READ, at("/files/versions/{b}/{f}")),
    "GET /files/info/{bucket}/{key}": Row(READ, at("/files/info/{b}/{f}")),
    "GET /files/tags/{bucket}/{key}": Row(READ, at("/files/tags/{b}/{f}")),
    "PUT /files/tags/{bucket}/{key}": Row(OWN_FILE, at("/files/tags/{b}/{f}", **TAGS)),
    "DELETE /files/tags/{bucket}/{key}": Row(END_FILE, at("/files/tags/{b}/{f}")),
    "PUT /files/metadata/{bucket}/{key}": Row(OWN_FILE, at("/files/metadata/{b}/{f}", **METADATA)),
    "PATCH /files/metadata/{bucket}/{key}": Row(OWN_FILE, at("/files/metadata/{b}/{f}", **METADATA)),
    "DELETE /files/{bucket}/{key}": Row(END_FILE, at("/files/{b}/{f}")),
    "GET /files/zip/{bucket}": Row(READ, at("/files/zip/{b}")),
    "POST /files/zip": Row(
        # The anon key may list and read here; in a public bucket so may a stranger.
        ("401 200 200 200 200 200 200 401", "401 403 403 403 200 200 200 401"),
        lambda asked: {"url": "/files/zip", "json": {"bucket": asked.bucket.name, "keys": ["f"]}},
    ),
    "GET /files/zip-signed/{token}/{name}": Row(LINK, lambda asked: {"url": archive_link(asked.bucket)}),
    "POST /files/delete": Row(
        ("401 401 200 200 200 200 200 401",) * 2,  # a user is told for each key
        lambda asked: {"url": "/files/delete", "json": {"bucket": asked.bucket.name, "keys": ["f"]}},
    ),
    "POST /files/copy": Row(UPLOAD, transfer("copy")),
    # The anon key may write here, but not take a file away from its owner.
    "POST /files/move": Row(("401 401 403 403 201 201 201 401", UPLOAD[1]), transfer("move")),
    "POST /files/restore/{bucket}/{key}": Row(
        ("401 401 403 403 201 201 201 401",) * 2, at("/files/restore/{b}/replaced")
    ),
    "POST /files/presigned-url/upload/{bucket}/{key}": Row(SIGN, at("/files/presigned-url/upload/{b}/g")),
    "POST /files/presigned-url/download/{bucket}/{key}": Row(
        ("401 200 200 200 200 200 200 401", "401 403 403 403 200 200 200 401"),
        at("/files/presigned-url/download/{b}/{f}"),
    ),
    "POST /files/initiate-upload": Row(
        UPLOAD,
        lambda asked: {"url": "/files/initiate-upload", "json": {"bucket_id": asked.bucket.id, "filename": "g"}},
    ),
    "POST /files/upload": Row(UPLOAD, at("/files/upload/{b}", **FORM)),
    "PUT /files/upload-direct": Row(UPLOAD, at("/files/upload-direct/{b}/g", **BYTES)),
    "PUT /files/upload-signed": Row(UPLOAD_LINK, signed("upload-signed", "PUT", "g", **BYTES)),
    "POST /files/upload-signed": Row(UPLOAD_LINK, signed("upload-signed", "POST", "g", **FORM)),
    "GET /files/download-signed": Row(LINK, signed("download-signed", "GET", "f")),
    "HEAD /files/download-signed": Row(LINK, signed("download-signed", "GET", "f")),
    **{
        f"{method} /{words}": Row(READ, at(f"/{words}/{{b}}/{{f}}"))
        for method in ("GET", "HEAD")
        for words in ("files/download", "files/view", "files/public", "storage")
    },
}


def hot_names() -> set[str]:
    words = ((route.method, route.word.decode()) for route in HOT_ROUTES)
    return {f"{method} /{word}" if word == "storage" else f"{method} /files/{word}" for method, word in words}


def cold_routes() -> list[APIRoute]:
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def test_every_route_has_a_row() -> None:
    cold = {f"{method} {route.path_format}" for route in cold_routes() for method in route.methods or ()}
    assert cold | hot_names() == TABLE.keys()


def test_every_route_declares_its_action() -> None:
    assert sum(len(router.routes) for router in ROUTERS) == len(cold_routes())
    for route in cold_routes():
        assert getattr(route.endpoint, ACTION, "undeclared") in {None, *ACTIONS}, route.path
    for hot in HOT_ROUTES:
        assert hot.action in ACTIONS


def cases() -> list[Any]:
    return [
        pytest.param(name, visibility, id=f"{name} {('public', 'private')[visibility]}")
        for name, row in TABLE.items()
        for visibility in range(len(row.statuses))
    ]


@pytest.mark.parametrize(("name", "visibility"), cases())
async def test_route_answers_each_caller(client: httpx.AsyncClient, name: str, visibility: int) -> None:
    row, method = TABLE[name], name.partition(" ")[0]
    found: dict[str, int] = {}
    asked: Asked | None = None
    for caller, headers in CALLERS.items():
        asked = asked or await prepare(client, public=visibility == 0)
        answer = await client.request(method, headers=headers, **row.make(asked))
        found[caller] = answer.status_code
        if answer.is_success and method not in {"GET", "HEAD"}:
            asked = None  # it is not as it was
    assert found == dict(zip(CALLERS, map(int, row.statuses[visibility].split()), strict=True))


async def prepare(client: httpx.AsyncClient, *, public: bool) -> Asked:
    """A bucket of the owner's with the uploader's file `f`, and `replaced`, which has a version in the trash."""
    bucket = await make_bucket(client, public=public)
    path = link(bucket, "f", uploader=UPLOADER)
    stored = await client.put(f"/files/upload-signed/{path}/{bucket.name}/f", content=b"hello")
    assert stored.status_code == 201, stored.text
    for body in (b"1", b"2"):
        await put(client, bucket, "replaced", body)
    made = await client.post("/api/v1/keys", json={}, headers=OWN)
    assert made.status_code == 201, made.text
    return Asked(bucket, Stored("f", stored.json()["id"], stored.json()["version_id"]), made.json()["access_key"])
