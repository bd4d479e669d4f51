"""The document service over real storages."""

import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from storage_service.providers import (
    ConfigurationError,
    DecryptionFailed,
    DocumentCipher,
    DocumentStorageService,
    FailoverStorageProvider,
    FileMissing,
    LocalStorageProvider,
    S3StorageProvider,
    StorageProvider,
    get_storage_service,
    init_storage_service,
)
from storage_service.providers.documents import service as module
from storage_service.providers.documents.cipher import make_key_file
from storage_service.providers.documents.service import About, object_name

JANUARY = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
LARGE = Random(1).randbytes(1_280_000)


@pytest.fixture
def service(provider: StorageProvider, cipher: DocumentCipher) -> DocumentStorageService:
    """Documents above 1 MB are framed, so that tests need not be large."""
    return DocumentStorageService(provider, cipher, framed_above_bytes=1_000_000)


@pytest.mark.parametrize(
    ("about", "name"),
    [
        (About(1, "passport.pdf", 123), "documents/user_123/2024/01/15/1_passport.pdf_pdf.json"),
        (About(5, "template.pdf"), "documents/system/2024/01/15/5_template.pdf_pdf.json"),
        (About("staging-2", "README", 1), "documents/user_1/2024/01/15/staging-2_README_bin.json"),
        (About(1, "../../etc/passwd", 1), "documents/user_1/2024/01/15/1_.._.._etc_passwd_bin.json"),
        (About(1, "a.tar.GZ", "../x"), "documents/user_.._x/2024/01/15/1_a.tar.GZ_gz.json"),
        (About(1, "bad\0?#%\n.pdf", 1), "documents/user_1/2024/01/15/1_bad_.pdf_pdf.json"),
        (About(1, "résumé 日本.pdf", 1), "documents/user_1/2024/01/15/1_résumé 日本.pdf_pdf.json"),
    ],
)
def test_object_name(about: About, name: str) -> None:
    assert object_name(about._replace(created_at=JANUARY)) == name


def test_object_name_fits_every_storage() -> None:
    name = object_name(About(2**63, "日" * 300 + ".pdf", 2**63, created_at=JANUARY))
    assert max(len(part.encode()) for part in name.split("/")) <= 255
    assert len("s3://" + "b" * 63 + "/" + name) <= 500  # the column


@pytest.mark.parametrize("content", [b"", b"small", LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("form", ["bytes", "file"])
def test_stored_document_comes_back(service: DocumentStorageService, content: bytes, form: str) -> None:
    given = content if form == "bytes" else io.BytesIO(content)
    path = service.store_encrypted_document(given, 1, "passport.pdf", 123, "application/pdf", JANUARY)
    assert path == service.provider.root + "documents/user_123/2024/01/15/1_passport.pdf_pdf.json"
    assert service.document_exists(path)
    assert service.retrieve_encrypted_document(path) == {
        "document_id": "1",
        "user_id": "123",
        "filename": "passport.pdf",
        "content_type": "application/pdf",
        "size": len(content),
        "created_at": JANUARY.isoformat(),
        "storage_path": path,
        "content": content,
    }
    document, chunks = service.open_document(path)
    assert (document.size, b"".join(chunks)) == (len(content), content)
    stored = json.loads(service.provider.download_file(path))
    assert ("frames" in stored) == (len(content) > 1_000_000)


def test_nothing_of_the_content_is_stored_in_the_clear(service: DocumentStorageService) -> None:
    path = service.store_encrypted_document(b"the secret words", 1, "a.txt")
    assert b"secret" not in service.provider.download_file(path)


def test_delete_says_whether_it_was_there(service: DocumentStorageService) -> None:
    path = service.store_encrypted_document(b"1", 1, "a.txt")
    assert [service.delete_document(path), service.delete_document(path)] == [True, False]
    assert not service.document_exists(path)
    with pytest.raises(FileMissing):
        service.retrieve_encrypted_document(path)


def test_download_url_gives_the_encrypted_document_for_a_day(service: DocumentStorageService) -> None:
    path = service.store_encrypted_document(b"secret", 1, "a.txt")
    url = service.get_download_url(path)
    if isinstance(service.provider, LocalStorageProvider):
        assert url is None
        return
    assert url is not None
    assert "X-Amz-Expires=86400" in url
    document, chunks = service.unsealed(iter([httpx.get(url).content]))
    assert (document.id, b"".join(chunks)) == ("1", b"secret")


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
def test_of_an_altered_document_nothing_is_given_out(service: DocumentStorageService, content: bytes) -> None:
    path = service.store_encrypted_document(content, 1, "a.bin")
    stored = json.loads(service.provider.download_file(path))
    member = stored["frames"][-1] if "frames" in stored else stored["ciphertext"]
    wrong = member[:4] + ("A" if member[4] != "A" else "B") + member[5:]
    service.provider.upload_file(path, service.provider.download_file(path).replace(member.encode(), wrong.encode()))
    for read in (service.retrieve_encrypted_document, service.open_document):
        with pytest.raises(DecryptionFailed) as told:
            read(path)
        assert str(told.value) == "the document was altered, or encrypted with another key"


def test_document_of_another_key_is_one_clear_error(
    provider: StorageProvider, cipher: DocumentCipher, tmp_path: Path
) -> None:
    path = DocumentStorageService(provider, cipher).store_encrypted_document(b"1", 1, "a.txt")
    make_key_file(tmp_path / "other.pem")
    other = DocumentStorageService(provider, DocumentCipher.load(tmp_path / "other.pem"))
    with pytest.raises(DecryptionFailed, match=f"needs the RSA key {cipher.key_id}"):
        other.retrieve_encrypted_document(path)


def test_large_document_passes_in_pieces(local: LocalStorageProvider, cipher: DocumentCipher) -> None:
    """A source that is asked for all at once would have to hold it all."""

    class Watched(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert size > 0
            Watched.largest = max(Watched.largest, size)
            return super().read(size)

    service = DocumentStorageService(local, cipher)
    content = LARGE * 14
    path = service.store_encrypted_document(Watched(content), 1, "video.bin")
    assert len(content) > 16 * 1024 * 1024
    assert Watched.largest <= 1024 * 1024
    _, chunks = service.open_document(path, verify=False)
    assert max(len(chunk) for chunk in chunks) <= 1024 * 1024


# ------------------------------------------------------------------------------ one for the app
@pytest.fixture
def no_service() -> Iterator[None]:
    before = list(module._services)
    module._services.clear()
    yield
    module._services[:] = before


@pytest.mark.usefixtures("no_service")
def test_service_is_made_once_from_settings(tmp_path: Path, key_path: Path) -> None:
    settings = {"STORAGE_TYPE": "filesystem", "LOCAL_STORAGE_PATH": tmp_path, "DOCUMENT_KEY_PATH": key_path}
    made = init_storage_service(settings)
    assert get_storage_service() is made
    assert get_storage_service() is made
    assert init_storage_service(settings) is not made
    assert get_storage_service() is not made


@pytest.mark.usefixtures("no_service")
def test_service_is_made_from_the_environment(tmp_path: Path, key_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_TYPE", "local")
    monkeypatch.setenv("LOCAL_STORAGE_PATH", str(tmp_path))
    monkeypatch.delenv("DOCUMENT_KEY_PATH", raising=False)
    with pytest.raises(ConfigurationError, match="openssl genrsa"):
        get_storage_service()
    monkeypatch.setenv("DOCUMENT_KEY_PATH", str(key_path))
    assert get_storage_service().provider.root == f"{tmp_path}/"


@pytest.mark.usefixtures("no_service")
def test_settings_name_a_second_storage_and_older_keys(
    tmp_path: Path, key_path: Path, s3: S3StorageProvider, cipher: DocumentCipher
) -> None:
    make_key_file(tmp_path / "new.pem")
    settings: dict[str, Any] = {
        "STORAGE_TYPE": "minio",
        "S3_ACCESS_KEY": "a",
        "S3_SECRET_KEY": "b",
        "S3_BUCKET": "bucket",
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "STORAGE_FAILOVER_TYPE": "local",
        "LOCAL_STORAGE_PATH": tmp_path / "objects",
        "DOCUMENT_KEY_PATH": tmp_path / "new.pem",
        "DOCUMENT_PREVIOUS_KEY_PATHS": str(key_path),
    }
    service = init_storage_service(settings)
    assert isinstance(service.provider, FailoverStorageProvider)
    path = service.store_encrypted_document(b"1", 1, "a.txt")
    assert re.fullmatch(r".*/objects/documents/system/\d{4}/\d\d/\d\d/1_a\.txt_txt\.json", path)
    assert service.retrieve_encrypted_document(path)["content"] == b"1"
    old = DocumentStorageService(service.provider, cipher).store_encrypted_document(b"2", 2, "b.txt")
    assert service.retrieve_encrypted_document(old)["content"] == b"2"


def test_every_operation_is_one_line_of_the_log_without_content_or_link(
    local: LocalStorageProvider, s3: S3StorageProvider, cipher: DocumentCipher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", module.__name__)
    for provider in (local, s3):
        service = DocumentStorageService(provider, cipher)
        path = service.store_encrypted_document(b"of nobody's business", 7, "a.txt")
        service.retrieve_encrypted_document(path)
        url = service.get_download_url(path)
        assert [service.document_exists(path), service.delete_document(path), service.delete_document(path)] == [
            True,
            True,
            False,
        ]
        lines = [record.message for record in caplog.records if record.name == module.__name__]
        assert len(lines) == 6
        assert [line for line in lines if path not in line] == []
        assert "business" not in caplog.text and (url is None or url not in caplog.text)
        caplog.clear()
