"""The example backend on each database and storage it is made for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage_service.providers import S3StorageProvider
from storage_service.providers.documents.cipher import make_key_file
from tests.examples.backend import Backend, backend_of
from tests.support.postgres import postgres
from tests.support.s3_servers import SERVERS, S3Endpoint, new_bucket
from tests.support.service import SECRET_KEY


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Endpoint]:
    with SERVERS["moto"](tmp_path_factory.mktemp("moto")) as found:
        yield found


@pytest.fixture(scope="session")
def key_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "document-key.pem"
    make_key_file(path)
    return path


@pytest.fixture
def bucket(moto: S3Endpoint) -> S3StorageProvider:
    """A bucket of the test's own."""
    return new_bucket(moto)


@pytest.fixture
def s3_settings(moto: S3Endpoint, bucket: S3StorageProvider) -> dict[str, str]:
    return {
        "STORAGE_TYPE": "s3",
        "S3_ACCESS_KEY": moto.access_key,
        "S3_SECRET_KEY": moto.secret_key,
        "S3_BUCKET": bucket.bucket,
        "S3_REGION": moto.region,
        "S3_ENDPOINT_URL": moto.url,
    }


@pytest.fixture
def settings(tmp_path: Path, key_path: Path) -> dict[str, str]:
    """On SQLite, documents in a directory."""
    (tmp_path / "uploads").mkdir()
    return {
        "DATABASE_URL": f"sqlite:///{tmp_path}/backend.db",
        "SECRET_KEY": SECRET_KEY,
        "STORAGE_TYPE": "local",
        "LOCAL_STORAGE_PATH": str(tmp_path / "uploads"),
        "DOCUMENT_KEY_PATH": str(key_path),
    }


def started(settings: dict[str, str]) -> Iterator[Backend]:
    with backend_of(settings) as found:
        found.upgrade()
        found.start()
        yield found
        found.drop()


@pytest.fixture
def backend(settings: dict[str, str]) -> Iterator[Backend]:
    yield from started(settings)


@pytest.fixture
def s3_backend(settings: dict[str, str], s3_settings: dict[str, str]) -> Iterator[Backend]:
    """On SQLite, documents in a bucket."""
    yield from started(settings | s3_settings)


@pytest.fixture(params=["sqlite-local", "sqlite-s3", "postgresql-s3"])
def any_backend(request: pytest.FixtureRequest, settings: dict[str, str]) -> Iterator[Backend]:
    database, storage = request.param.split("-")
    found = dict(settings)
    if database == "postgresql":
        found["DATABASE_URL"] = request.getfixturevalue("postgres_url")
    if storage == "s3":
        found |= request.getfixturevalue("s3_settings")
    yield from started(found)
