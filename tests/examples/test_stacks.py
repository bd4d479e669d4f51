"""The stacks of the document backend and of the photo demo, started by their compose files' own words."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from jose import jwt

from storage_service.client import Client
from tests.examples.composed import Composed, free_port, running
from tests.support.service import SECRET_KEY, SERVICE_KEY, Service

pytestmark = [pytest.mark.ci, pytest.mark.timeout(300)]

VARIABLES = {
    "SECRET_KEY": SECRET_KEY,
    "POSTGRES_PASSWORD": "none",
    "S3_ROOT_ACCESS_KEY": "root-key-of-the-stack",
    "S3_ROOT_SECRET_KEY": "root-secret-of-the-stack",
}


@contextmanager
def stack(place: Path, example: str, path: str, addresses: dict[str, str]) -> Iterator[tuple[str, Service]]:
    """The app's address, once `path` answers there, and its storage service."""
    service, port = Service(place / "data", place / "logs"), free_port()
    origin = f"http://127.0.0.1:{port}"
    here = {"http://localhost:8001": service.url, "http://storage:8001": service.url}
    composed = Composed(example, VARIABLES, {**here, **addresses})
    environment = {**service.environment, **composed.environment("app")}
    with (
        service.changed({**service.environment, **composed.environment("storage"), "DURABILITY": "scratch"}),
        service,
        running(composed.command(port), composed.folder, environment, f"{origin}{path}"),
    ):
        yield origin, service


def test_documents_go_to_the_bucket_encrypted(tmp_path: Path, postgres_url: str) -> None:
    addresses = {
        "postgresql+psycopg://postgres:none@database/postgres": postgres_url,
        "/copies/": f"{tmp_path}/copies/",
        "/keys/": f"{tmp_path}/",
    }
    token = jwt.encode({"sub": "1", "exp": int(time.time()) + 600}, SECRET_KEY, "HS256")
    with stack(tmp_path, "document_backend", "/docs", addresses) as (origin, service):
        with httpx.Client(base_url=origin, headers={"authorization": f"Bearer {token}"}, timeout=60) as client:
            (added,) = client.post("/file/add", files={"files": ("a.txt", b"of nobody's business")}).json()
            got = client.post("/file/get", json={"id": added["id"]}).json()
            assert b64decode(got["content"]) == b"of nobody's business"
        with Client(service.url, api_key=SERVICE_KEY) as storage:
            (stored,) = storage.bucket("bank-documents").list()
            assert added["storage_path"] == f"s3://bank-documents/{stored.key}"
            assert b"business" not in storage.bucket("bank-documents").get(stored.key).read()


def test_photos_lie_in_the_public_bucket(tmp_path: Path) -> None:
    with stack(tmp_path, "fastopp_demo", "/photos", {}) as (origin, service):
        upload = {"photo": ("x.png", b"picture", "image/png")}
        url = httpx.post(f"{origin}/photos", files=upload, timeout=60).json()["url"]
        assert url.startswith(f"{service.url}/storage/demo/photos/")
        shown = httpx.get(f"{origin}/photos", timeout=60).json()
        assert (len(shown), url in shown) == (4, True)  # the three samples, too
        assert httpx.get(url).content == b"picture"
