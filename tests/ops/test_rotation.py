"""docs/keys.md, step by step: who is let in before, during and after a change of keys."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import boto3
import httpx
import pytest
from botocore.config import Config
from jose import jwt

from tests.support.service import OWNER, Service

OLD, NEW = ("the-old-secret-of-more-than-32-bytes-00", "the-new-secret-of-more-than-32-bytes-11")
BUCKET, BODY = "rotated", b"a private body"
PUBLIC_KEY, OTHER_PUBLIC_KEY, BACKEND_KEY, OTHER_BACKEND_KEY = ("a0" * 32, "a1" * 32, "b0" * 32, "b1" * 32)


class Held(NamedTuple):
    """What people have from the time before."""

    token: str
    link: str
    access_key: str
    secret_key: str


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    found = Service(tmp_path / "data", tmp_path)
    yield found
    found.kill_all()


def token(secret: str) -> str:
    return str(jwt.encode({"sub": OWNER, "exp": int(time.time()) + 3600}, secret, algorithm="HS256"))


def start(service: Service, **settings: str) -> None:
    """With other keys than before."""
    if service.is_running:
        service.stop()
    with service.changed({"DURABILITY": "scratch", **settings}):
        service.start()


def status(service: Service, **headers: str) -> int:
    return httpx.get(f"{service.url}/files/download/{BUCKET}/k", headers=headers, timeout=60).status_code


def by_token(service: Service, credential: str) -> int:
    return status(service, Authorization=f"Bearer {credential}")


def fill(service: Service) -> Held:
    headers = {"Authorization": f"Bearer {token(OLD)}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=60) as client:
        client.post("/buckets", json={"name": BUCKET, "is_public": False}).raise_for_status()
        client.put(f"/files/upload-direct/{BUCKET}/k", content=BODY).raise_for_status()
        link = client.post(f"/files/presigned-url/download/{BUCKET}/k").raise_for_status().json()["download_url"]
        key = client.post("/api/v1/keys", json={}).raise_for_status().json()
    return Held(token(OLD), link, key["access_key"], key["secret_key"])


def by_s3(service: Service, held: Held) -> bytes:
    names = {"aws_access_key_id": held.access_key, "aws_secret_access_key": held.secret_key}
    options = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
    client = boto3.client("s3", endpoint_url=service.url, region_name="us-east-1", config=options, **names)
    body: bytes = client.get_object(Bucket=BUCKET, Key="k")["Body"].read()
    client.close()
    return body


def test_planned_change_of_the_secret_logs_nobody_out(service: Service) -> None:
    start(service, SECRET_KEY=OLD)
    held = fill(service)
    assert by_token(service, token(NEW)) == 401  # so the backend must not be first

    start(service, SECRET_KEY=NEW, SECRET_KEY_PREVIOUS=OLD)
    assert (by_token(service, held.token), by_token(service, token(NEW))) == (200, 200)
    assert httpx.get(held.link, timeout=60).content == BODY
    made = httpx.post(
        f"{service.url}/files/presigned-url/download/{BUCKET}/k", headers={"Authorization": f"Bearer {held.token}"}
    )
    later = made.raise_for_status().json()["download_url"]

    start(service, SECRET_KEY=NEW)
    assert (by_token(service, held.token), by_token(service, token(NEW))) == (401, 200)
    assert httpx.get(held.link, timeout=60).status_code in {401, 403}
    assert httpx.get(later, timeout=60).content == BODY, "links of the time between are signed with the new one"
    assert by_s3(service, held) == BODY


def test_after_a_leak_all_that_was_signed_is_void(service: Service) -> None:
    start(service, SECRET_KEY=OLD)
    held = fill(service)
    start(service, SECRET_KEY=NEW)
    assert by_token(service, held.token) == 401
    assert httpx.get(held.link, timeout=60).status_code in {401, 403}
    assert by_s3(service, held) == BODY, "access keys are not signed with it"


def test_other_keys_change_at_once(service: Service) -> None:
    start(service, SECRET_KEY=OLD, STORAGE_SERVICE_API_KEY=BACKEND_KEY, ANON_KEY=PUBLIC_KEY)
    fill(service)
    assert (by_token(service, BACKEND_KEY), status(service, apikey=PUBLIC_KEY)) == (200, 403)
    start(service, SECRET_KEY=OLD, STORAGE_SERVICE_API_KEY=OTHER_BACKEND_KEY, ANON_KEY=OTHER_PUBLIC_KEY)
    assert (by_token(service, BACKEND_KEY), by_token(service, OTHER_BACKEND_KEY)) == (401, 200)
    assert (status(service, apikey=PUBLIC_KEY), status(service, apikey=OTHER_PUBLIC_KEY)) == (401, 403)
