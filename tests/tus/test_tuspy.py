"""tuspy, as its users have it, with the service killed in the middle."""

from __future__ import annotations

import io
from pathlib import Path

from tusclient.client import TusClient
from tusclient.storage.interface import Storage

from tests.support.service import Service
from tests.tus.conftest import Tus

MIB = 1 << 20


class Stream(io.BytesIO):
    """tuspy closes a stream once it has its fingerprint, and then goes on with it."""

    def close(self) -> None:
        pass


class Kept(Storage):
    """Where a client keeps the addresses of its uploads."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}

    def get_item(self, key: str) -> str | None:
        return self._urls.get(key)

    def set_item(self, key: str, value: str) -> None:
        self._urls[key] = value

    def remove_item(self, key: str) -> None:
        self._urls.pop(key, None)


def filler(size: int) -> bytes:
    return bytes(range(251)) * (size // 251 + 1)


def test_tuspy_uploads_in_chunks_with_checksums(tus: Tus, service: Service) -> None:
    data = filler(5 * MIB)[: 5 * MIB + 7]
    client = TusClient(f"{service.url}/files/resumable", headers={"Authorization": f"Bearer {service.token()}"})
    said = {"bucket": "films", "key": "tuspy", "contentType": "video/mp4"}
    client.uploader(file_stream=io.BytesIO(data), chunk_size=2 * MIB, metadata=said, upload_checksum=True).upload()
    assert tus.read("tuspy") == data


def test_tuspy_resumes_after_the_service_was_killed(tmp_path: Path) -> None:
    data = filler(6 * MIB)[: 6 * MIB]
    with Service(tmp_path / "data", tmp_path) as service:
        with service.client() as http:
            http.post("/buckets", json={"name": "films"}).raise_for_status()
        client = TusClient(f"{service.url}/files/resumable", headers={"Authorization": f"Bearer {service.token()}"})

        kept = Kept()
        options = {"chunk_size": MIB, "metadata": {"bucket": "films", "key": "resumed"}, "store_url": True}
        first = client.uploader(file_stream=Stream(data), url_storage=kept, **options)
        first.upload(stop_at=2 * MIB)
        service.kill_all()
        service.start()
        second = client.uploader(file_stream=Stream(data), url_storage=kept, **options)
        assert second.offset == 2 * MIB
        second.upload()
        with service.client() as http:
            assert http.get("/files/download/films/resumed").content == data
