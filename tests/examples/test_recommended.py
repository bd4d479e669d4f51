"""The thirteen tests that the description of document storage recommends, under its names."""

import io
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from storage_service.providers import (
    DocumentCipher,
    DocumentStorageService,
    LocalStorageProvider,
    ProviderError,
    ProviderUnavailable,
    S3StorageProvider,
)
from storage_service.providers.s3_client import S3Config
from tests.examples.backend import USER, Backend
from tests.support.tools import require_root, require_tool

RECOMMENDED = [
    "test_s3_upload_download",
    "test_s3_presigned_url",
    "test_s3_connection_failure",
    "test_local_upload_download",
    "test_local_file_operations",
    "test_document_storage_service",
    "test_graceful_fallback",
    "test_full_document_lifecycle",
    "test_migration_batch_process",
    "test_error_recovery",
    "test_1000_concurrent_uploads",
    "test_large_file_handling",
    "test_storage_quota_limits",
]
NAME = "documents/user_123/2024/01/15/1_passport.pdf_pdf.json"


@pytest.fixture
def cipher(key_path: Path) -> DocumentCipher:
    return DocumentCipher.load(key_path)


@pytest.fixture
def local(tmp_path: Path) -> LocalStorageProvider:
    return LocalStorageProvider(tmp_path / "objects")


def test_recommended_tests_are_all_here() -> None:
    assert [name for name in RECOMMENDED if not callable(globals().get(name))] == []


# ---------------------------------------------------------------------------------- unit tests
def test_s3_upload_download(bucket: S3StorageProvider) -> None:
    storage_path = bucket.upload_file(NAME, b"content", "application/json")
    assert storage_path == f"s3://{bucket.bucket}/{NAME}"
    assert bucket.download_file(storage_path) == b"content"
    assert bucket.file_exists(storage_path) is True
    assert bucket.delete_file(storage_path) is True
    assert bucket.file_exists(storage_path) is False


def test_s3_presigned_url(bucket: S3StorageProvider) -> None:
    bucket.upload_file(NAME, b"content")
    url = bucket.get_presigned_url(NAME)
    assert url is not None
    assert httpx.URL(url).params["X-Amz-Expires"] == "86400"
    assert httpx.get(url).content == b"content"


def test_s3_connection_failure() -> None:
    nowhere = S3StorageProvider(S3Config("bucket", "key", "secret", "us-east-1", "http://127.0.0.1:9"))
    with pytest.raises(ProviderUnavailable, match=r"127\.0\.0\.1:9"):
        nowhere.upload_file(NAME, b"content")
    with pytest.raises(ProviderUnavailable):
        nowhere.download_file(NAME)
    with pytest.raises(ProviderUnavailable):
        nowhere.file_exists(NAME)


def test_local_upload_download(local: LocalStorageProvider, tmp_path: Path) -> None:
    storage_path = local.upload_file(NAME, b"content")
    assert storage_path == str(tmp_path / "objects" / NAME)
    assert Path(storage_path).read_bytes() == b"content"
    assert local.download_file(storage_path) == b"content"


def test_local_file_operations(local: LocalStorageProvider) -> None:
    local.upload_file(NAME, b"1")
    local.upload_file(NAME, b"2")
    assert local.download_file(NAME) == b"2"
    assert local.file_exists(NAME) is True
    assert local.get_presigned_url(NAME) is None
    assert local.get_storage_path(NAME).endswith(NAME)
    assert [local.delete_file(NAME), local.delete_file(NAME)] == [True, False]
    assert list(local.list_files()) == []


def test_document_storage_service(bucket: S3StorageProvider, cipher: DocumentCipher) -> None:
    service = DocumentStorageService(bucket, cipher)
    storage_path = service.store_encrypted_document(b"secret", 1, "passport.pdf", user_id=123)
    assert b"secret" not in bucket.download_file(storage_path)
    assert service.retrieve_encrypted_document(storage_path)["content"] == b"secret"
    assert service.document_exists(storage_path) is True
    assert (service.get_download_url(storage_path) or "").startswith("http://127.0.0.1")
    assert service.delete_document(storage_path) is True
    assert service.document_exists(storage_path) is False


def test_graceful_fallback(s3_backend: Backend, bucket: S3StorageProvider) -> None:
    """Object gone, then the whole storage: the local file is read."""
    document = s3_backend.document
    with s3_backend.session() as session:
        (row,) = document.upload_files(session, [s3_backend.upload(content=b"content")], USER)
        bucket.delete_file(row.storage_path)
        assert b"".join(document.download_attachment_by_id(session, row.id, USER)["chunks"]) == b"content"
        s3_backend.start(S3_ENDPOINT_URL="http://127.0.0.1:9")
        got = document.download_attachment_by_id(session, row.id, USER, as_json=True)
        assert b64decode(got["content"]) == b"content"


# --------------------------------------------------------------------------- integration tests
def test_full_document_lifecycle(any_backend: Backend) -> None:
    with any_backend.client() as client:
        (added,) = client.post("/file/add", files={"files": ("visa.pdf", b"content", "application/pdf")}).json()
        assert added["storage_path"].endswith(f"{added['id']}_visa.pdf_pdf.json")
        got = client.post("/file/get", json={"id": added["id"]}).json()
        assert (b64decode(got["content"]), got["content_type"]) == (b"content", "application/pdf")
        assert client.post("/file/download", json={"id": added["id"]}).content == b"content"
        assert client.request("DELETE", "/file/delete", json={"id": added["id"]}).status_code == 204
        assert client.post("/file/get", json={"id": added["id"]}).status_code == 404
    assert (any_backend.rows(), any_backend.local_files()) == (0, [])


def test_migration_batch_process(s3_backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        s3_backend.legacy(f"{number}.txt", b"content")
    statistics = s3_backend.migrate("s3")
    assert (statistics.total_files, statistics.successful_migrations) == (12, 12)
    assert capsys.readouterr().out.splitlines() == [
        "total: 10, successful: 10, failed: 0, skipped: 0",
        "total: 12, successful: 12, failed: 0, skipped: 0",
    ]
    assert s3_backend.migrate("--verify").failed_migrations == 0


def test_error_recovery(s3_backend: Backend, bucket: S3StorageProvider) -> None:
    """While storage is away uploads fail and leave nothing; when it is back all goes on."""
    with s3_backend.client() as client:
        upload = {"files": ("a.txt", b"content")}
        s3_backend.start(S3_ENDPOINT_URL="http://127.0.0.1:9")
        assert client.post("/file/add", files=upload).status_code == 503
        assert (s3_backend.rows(), s3_backend.local_files()) == (0, [])
        s3_backend.start()
        assert client.post("/file/add", files=upload).status_code == 201
        assert (s3_backend.rows(), len(s3_backend.local_files()), len(list(bucket.list_files()))) == (1, 1, 1)


# ---------------------------------------------------------------------------------- load tests
@pytest.mark.ci
@pytest.mark.parametrize("where", ["local", "s3"])
def test_1000_concurrent_uploads(
    where: str, local: LocalStorageProvider, bucket: S3StorageProvider, cipher: DocumentCipher
) -> None:
    service = DocumentStorageService(local if where == "local" else bucket, cipher)

    def store(number: int) -> str:
        return service.store_encrypted_document(f"content {number}".encode(), number, "a.txt", user_id=number % 10)

    with ThreadPoolExecutor(32) as pool:
        paths = list(pool.map(store, range(1000)))
        contents = list(pool.map(service.retrieve_encrypted_document, paths))
    assert len(set(paths)) == 1000
    assert [found["content"] for found in contents] == [f"content {number}".encode() for number in range(1000)]


@pytest.mark.ci
@pytest.mark.parametrize("where", ["local", "s3"])
def test_large_file_handling(
    where: str, local: LocalStorageProvider, bucket: S3StorageProvider, cipher: DocumentCipher, tmp_path: Path
) -> None:
    service = DocumentStorageService(local if where == "local" else bucket, cipher)
    source = tmp_path / "large"
    block = bytes(range(256)) * 4096
    with source.open("wb") as file:
        for number in range(48):
            file.write(block + bytes([number]))
    with source.open("rb") as file:
        path = service.store_encrypted_document(file, 1, "video.bin")
    document, chunks = service.open_document(path)
    with source.open("rb") as file:
        assert document.size == source.stat().st_size == 48 * (1024 * 1024 + 1)
        for chunk in chunks:
            assert file.read(len(chunk)) == chunk
        assert file.read() == b""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    require_root()
    mount, umount = require_tool("mount"), require_tool("umount")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", f"test-{uuid4().hex[:8]}", place], check=True)
    try:
        yield place
    finally:
        subprocess.run([umount, place], check=True)


def test_storage_quota_limits(small_disk: Path, cipher: DocumentCipher) -> None:
    """What does not fit is refused with one clear error, and what is there stays whole."""
    service = DocumentStorageService(LocalStorageProvider(small_disk), cipher, compress=False)
    first = service.store_encrypted_document(b"x" * 300_000, 1, "a.bin")
    for content in (b"x" * 900_000, io.BytesIO(b"y" * 20_000_000)):
        with pytest.raises(ProviderError, match="No space left on device"):
            service.store_encrypted_document(content, 2, "b.bin")
    assert service.retrieve_encrypted_document(first)["content"] == b"x" * 300_000
    assert [path.name for path in small_disk.rglob("*") if path.is_file()] == ["1_a.bin_bin.json"]
    assert service.delete_document(first)
    retried: Any = service.store_encrypted_document(b"x" * 500_000, 2, "b.bin")
    assert service.document_exists(retried)
