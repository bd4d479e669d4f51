"""Who calls, in tests of the JSON door, and the buckets they call about."""

import time
from itertools import count
from typing import Any, NamedTuple

import httpx
from jose import jwt

from storage_service.app.core.archive_links import ArchiveGrant, ArchiveSigner
from storage_service.app.core.links import LinkGrant, LinkSigner

SECRET_KEY = "a-secret-for-tests-of-more-than-32-bytes"
ANON_KEY = "a0" * 32
SERVICE_KEY = "b1" * 32
OWNER, STRANGER = "owner@example.org", "stranger@example.org"
BASE = "http://storage.test"

ANON = {"apikey": ANON_KEY}
SERVICE = {"x-api-key": SERVICE_KEY}

_numbers = count(1)


class Bucket(NamedTuple):
    name: str
    id: str


def token(sub: str = OWNER, **claims: Any) -> str:
    """A login token that holds for ten minutes."""
    return str(jwt.encode({"sub": sub, "exp": int(time.time()) + 600, **claims}, SECRET_KEY, "HS256"))


def bearer(sub: str = OWNER) -> dict[str, str]:
    return {"authorization": f"Bearer {token(sub)}"}


def link(bucket: Bucket, key: str, method: Any = "PUT", *, seconds: int = 60, **options: Any) -> str:
    """The token of a signed link."""
    grant = LinkGrant(bucket.id, key, method, int(time.time()) + seconds, **options)
    return LinkSigner([SECRET_KEY]).sign(grant)


def archive_link(bucket: Bucket) -> str:
    """The path of a link to everything in the bucket."""
    token = ArchiveSigner([SECRET_KEY]).sign(ArchiveGrant(bucket.id, "", int(time.time()) + 600))
    return f"/files/zip-signed/{token}/all.zip"


async def make_bucket(client: httpx.AsyncClient, *, public: bool, **options: Any) -> Bucket:
    name = f"bucket-{next(_numbers)}"
    fields = {"name": name, "is_public": public, **options}
    answer = await client.post("/buckets", json=fields, headers=bearer())
    assert answer.status_code == 201, answer.text
    return Bucket(name, answer.json()["id"])


async def put(client: httpx.AsyncClient, bucket: Bucket, key: str, body: bytes, **headers: str) -> dict[str, Any]:
    """Store a file as the owner; what was answered. Underscores of header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"/files/upload-direct/{bucket.name}/{key}"
    answer = await client.put(url, content=body, headers={**bearer(), **named})
    assert answer.status_code == 201, answer.text
    stored: dict[str, Any] = answer.json()
    return stored


async def get(client: httpx.AsyncClient, bucket: Bucket, key: str) -> httpx.Response:
    """A file as the owner."""
    return await client.get(f"/files/download/{bucket.name}/{key}", headers=bearer())


async def post(
    client: httpx.AsyncClient,
    bucket: str,
    name: str = "a.txt",
    body: bytes = b"hello, world",
    headers: dict[str, str] | None = None,
    **options: Any,
) -> httpx.Response:
    """Send a file by a form, as the owner unless other headers are given."""
    sent = bearer() if headers is None else headers
    files = {"file": (name, body)}
    return await client.post(f"/files/upload/{bucket}", files=files, headers=sent, **options)
