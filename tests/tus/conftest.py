"""A running service, and tus spoken by hand."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.support.service import SERVICE_KEY, Service

OFFSET_TYPE = "application/offset+octet-stream"
ROOT = ("ROOTACCESSKEY", "root-secret-of-the-tests")


def metadata(**said: str) -> str:
    return ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in said.items())


class Tus:
    """A client that does what it is told, right or wrong."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def create(self, length: int | None, headers: Mapping[str, str] | None = None, **said: str) -> httpx.Response:
        size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        sent = {"Tus-Resumable": "1.0.0", "Upload-Metadata": metadata(**said), **size, **(headers or {})}
        return self.client.post("/files/resumable", headers=sent)

    def begin(self, length: int | None, headers: Mapping[str, str] | None = None, **said: str) -> str:
        made = self.create(length, headers, **{"bucket": "films", "key": "film", "overwrite": "true", **said})
        assert made.status_code == 201, made.text
        return made.headers["location"]

    def patch(
        self, url: str, offset: int, data: bytes | Iterator[bytes], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        sent = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset), "Content-Type": OFFSET_TYPE, **(headers or {})}
        return self.client.patch(url, content=data, headers=sent)

    def head(self, url: str) -> httpx.Response:
        return self.client.head(url, headers={"Tus-Resumable": "1.0.0"})

    def offset(self, url: str) -> int:
        found = self.head(url)
        assert found.status_code == 200, found.status_code
        return int(found.headers["upload-offset"])

    def delete(self, url: str) -> httpx.Response:
        return self.client.delete(url, headers={"Tus-Resumable": "1.0.0"})

    def read(self, key: str) -> bytes:
        found = self.client.get(f"/files/download/films/{key}")
        assert found.status_code == 200, found.text
        return found.content

    def upload_bytes(self) -> int:
        """What unfinished uploads count in the bucket's usage."""
        with httpx.Client(base_url=self.client.base_url, headers={"X-API-Key": SERVICE_KEY}) as backend:
            text = backend.get("/metrics").text
        name = 'storage_bucket_upload_bytes{bucket="films"} '
        found = [line.removeprefix(name) for line in text.splitlines() if line.startswith(name)]
        return int(float(found[0])) if found else 0  # no row before the first byte


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place: Path = tmp_path_factory.mktemp("tus")
    root = {"S3_ROOT_ACCESS_KEY": ROOT[0], "S3_ROOT_SECRET_KEY": ROOT[1]}
    with Service(place / "data", place, environment=root) as running:
        with running.client() as client:
            client.post("/buckets", json={"name": "films", "is_public": False}).raise_for_status()
        yield running


@pytest.fixture
def tus(service: Service) -> Iterator[Tus]:
    with service.client() as client:
        yield Tus(client)
