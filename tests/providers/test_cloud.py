"""Google and Azure: the requests on the wire are those their documentation asks for, and the contract holds."""

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15
from cryptography.hazmat.primitives import serialization
from jose import jwt

from storage_service.providers import (
    AzureStorageProvider,
    DocumentCipher,
    DocumentStorageService,
    FileMissing,
    GCSStorageProvider,
    ObjectStorageFactory,
    ProviderError,
    ProviderUnavailable,
    StorageProvider,
)
from tests.providers.clouds import Asked, Cloud, cloud

ACCOUNT, KEY = "account", b64encode(b"0123456789abcdef" * 4).decode()
PAYLOAD = "UNSIGNED-PAYLOAD"
NAME = "documents/user_1/1_ä b.pdf_pdf.json"


@pytest.fixture
def there() -> Iterator[Cloud]:
    with cloud() as found:
        yield found


def gcs(there: Cloud, key_path: Path) -> GCSStorageProvider:
    """With a service account whose key signs."""
    account = {
        "type": "service_account",
        "private_key": key_path.read_text(),
        "private_key_id": "key-id",
        "client_email": "backend@project.iam.gserviceaccount.com",
        "gcs_base_url": there.url,
    }
    options = {"allow_http": True}
    return GCSStorageProvider("bucket", service_account_key=json.dumps(account), client_options=options)


def azure(there: Cloud) -> AzureStorageProvider:
    return AzureStorageProvider(
        "container",
        account_name=ACCOUNT,
        account_key=KEY,
        endpoint=there.url,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


@pytest.fixture(params=["gcs", "azure"])
def provider(request: pytest.FixtureRequest, there: Cloud, key_path: Path) -> StorageProvider:
    return gcs(there, key_path) if request.param == "gcs" else azure(there)


def test_contract_holds(provider: StorageProvider) -> None:
    storage_path = provider.upload_file(NAME, b"content", "application/json")
    assert storage_path == provider.get_storage_path(NAME)
    assert storage_path.startswith(("gs://bucket/", "az://container/"))
    for path in (NAME, storage_path):
        assert provider.file_exists(path)
        assert provider.download_file(path) == b"content"
    provider.upload_file("documents/other", iter([b"a" * 6_000_000, b"b" * 6_000_000]))
    assert provider.download_file("documents/other") == b"a" * 6_000_000 + b"b" * 6_000_000
    assert list(provider.list_files()) == sorted([NAME, "documents/other"])
    assert list(provider.list_files("documents/o")) == ["documents/other"]
    assert [provider.delete_file(NAME), provider.delete_file(NAME)] == [True, False]
    assert not provider.file_exists(NAME)
    for call in (provider.download_file, provider.open_file):
        with pytest.raises(FileMissing):
            call("nope")


def test_documents_are_kept_there(provider: StorageProvider, cipher: DocumentCipher) -> None:
    service = DocumentStorageService(provider, cipher)
    storage_path = service.store_encrypted_document(b"secret", 1, "visa.pdf", user_id=123)
    assert service.retrieve_encrypted_document(storage_path)["content"] == b"secret"
    assert service.delete_document(storage_path)


def test_factory_makes_them(key_path: Path, tmp_path: Path) -> None:
    account = {"private_key": key_path.read_text(), "private_key_id": "1", "client_email": "a@b.c", "type": "x"}
    (tmp_path / "account.json").write_text(json.dumps(account))
    google = {"GCS_BUCKET": "bucket", "GOOGLE_APPLICATION_CREDENTIALS": tmp_path / "account.json"}
    azure = {"AZURE_CONTAINER": "container", "AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": KEY}
    made = [ObjectStorageFactory.create_provider(*how) for how in (("gcs", google), ("azure", azure))]
    assert [(one.storage_type, one.root) for one in made] == [("gcs", "gs://bucket/"), ("azure", "az://container/")]
    for one in made:
        assert (one.get_presigned_url(NAME) or "").startswith("https://")


def test_refusal_is_told(provider: StorageProvider, there: Cloud) -> None:
    there.failing = True
    with pytest.raises(ProviderError) as refused:
        provider.upload_file(NAME, b"1")
    assert not isinstance(refused.value, FileMissing)


def test_google_gets_the_documented_requests(there: Cloud, key_path: Path) -> None:
    provider = gcs(there, key_path)
    provider.upload_file(NAME, b"content", "application/json")
    provider.download_file(NAME)
    provider.delete_file(NAME)
    public = serialization.load_pem_private_key(key_path.read_bytes(), None).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    methods = []
    for asked in there.asked:
        methods.append(asked.method)
        assert asked.path == f"/bucket/{NAME}"
        claims = jwt.decode(
            asked.headers["authorization"].removeprefix("Bearer "),
            pem.decode(),
            ["RS256"],
            options={"verify_aud": False},
        )
        assert claims["iss"] == "backend@project.iam.gserviceaccount.com"
        assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert methods == ["PUT", "GET", "HEAD", "DELETE"]
    assert there.asked[0].headers["content-type"] == "application/json"


def test_google_link_holds_a_day_and_is_signed_by_the_account(there: Cloud, key_path: Path) -> None:
    url = gcs(there, key_path).get_presigned_url(NAME) or ""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert query["X-Goog-Algorithm"] == "GOOG4-RSA-SHA256"
    assert query["X-Goog-Expires"] == "86400"
    assert query["X-Goog-SignedHeaders"] == "host"
    date, day = query["X-Goog-Date"], query["X-Goog-Date"][:8]
    assert query["X-Goog-Credential"] == f"backend@project.iam.gserviceaccount.com/{day}/auto/storage/goog4_request"
    # The string to sign, by cloud.google.com/storage/docs/access-control/signing-urls-manually.
    unsigned = "&".join(sorted(part for part in parts.query.split("&") if not part.startswith("X-Goog-Signature")))
    canonical = "\n".join(["GET", parts.path, unsigned, "host:storage.googleapis.com", "", "host", PAYLOAD])
    scope = f"{day}/auto/storage/goog4_request"
    to_sign = "\n".join(["GOOG4-RSA-SHA256", date, scope, sha256(canonical.encode()).hexdigest()])
    verify_rsa(key_path, bytes.fromhex(query["X-Goog-Signature"]), to_sign.encode())


def verify_rsa(key_path: Path, signature: bytes, text: bytes) -> None:
    pkcs1_15.new(RSA.import_key(key_path.read_bytes())).verify(SHA256.new(text), signature)


def test_azure_gets_the_documented_requests(there: Cloud) -> None:
    provider = azure(there)
    provider.upload_file(NAME, b"content", "application/json")
    provider.download_file(NAME)
    put, get = there.asked
    assert (put.method, put.path) == ("PUT", f"/container/{NAME}")
    assert put.headers["x-ms-blob-type"] == "BlockBlob"
    assert put.headers["x-ms-version"] >= "2021-12-02"
    assert put.headers.get("x-ms-blob-content-type", put.headers.get("content-type")) == "application/json"
    for asked in (put, get):
        assert asked.headers["authorization"] == f"SharedKey {ACCOUNT}:{shared_key(asked)}"


def shared_key(asked: Asked) -> str:
    """Source: learn.microsoft.com, "Authorize with Shared Key", version 2015-02-21 and later."""
    length = asked.headers.get("content-length", "")
    standard = ["content-encoding", "content-language", None, "content-md5", "content-type", "date"]
    named = ["if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"]
    words = [asked.method]
    for name in [*standard, *named]:
        words.append(asked.headers.get(name, "") if name else "")
    words[3] = "" if length == "0" else length
    own = sorted(name for name in asked.headers if name.startswith("x-ms-"))
    words += [f"{name}:{asked.headers[name]}" for name in own]
    words.append(f"/{ACCOUNT}{asked.raw_path}")
    words += [f"{name}:{','.join(sorted(values))}" for name, values in sorted(asked.query.items())]
    return b64encode(hmac.digest(b64decode(KEY), "\n".join(words).encode(), "sha256")).decode()


def test_azure_link_holds_a_day_and_only_reads(there: Cloud) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    url = azure(there).get_presigned_url(NAME) or ""
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert (query["sp"], query["sr"]) == ("r", "b")
    end = datetime.fromisoformat(query["se"])
    assert timedelta(0) <= end - before - timedelta(days=1) < timedelta(minutes=1)
    assert len(b64decode(query["sig"])) == 32


def test_cloud_that_is_not_there_is_told() -> None:
    options = {"allow_http": True, "connect_timeout": "1s"}
    provider = AzureStorageProvider(
        "container",
        account_name=ACCOUNT,
        account_key=KEY,
        endpoint="http://127.0.0.1:9",
        client_options=options,
        retry_config={"max_retries": 0},
    )
    with pytest.raises(ProviderUnavailable):
        provider.upload_file(NAME, b"1")
