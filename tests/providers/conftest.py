"""Real storages for both interfaces: directories, S3 servers, and keys to encrypt with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage_service.providers import DocumentCipher, LocalStorageProvider, S3StorageProvider, StorageProvider
from storage_service.providers.documents.cipher import make_key_file
from tests.support.s3_servers import PARAMS, SERVERS, S3Endpoint, new_bucket


@pytest.fixture(scope="session", params=PARAMS)
def endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Endpoint]:
    """Each S3 server."""
    with SERVERS[request.param](tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Endpoint]:
    with SERVERS["moto"](tmp_path_factory.mktemp("moto")) as found:
        yield found


@pytest.fixture
def s3(moto: S3Endpoint) -> S3StorageProvider:
    return new_bucket(moto)


@pytest.fixture
def local(tmp_path: Path) -> LocalStorageProvider:
    return LocalStorageProvider(tmp_path / "objects")


@pytest.fixture(scope="session", params=[None, *PARAMS], ids=["local", *SERVERS])
def anywhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Endpoint | Path]:
    """A directory, or an S3 server."""
    here = tmp_path_factory.mktemp("anywhere")
    if request.param is None:
        yield here
    else:
        with SERVERS[request.param](here) as found:
            yield found


@pytest.fixture
def provider(anywhere: S3Endpoint | Path, tmp_path: Path) -> StorageProvider:
    """Each provider, empty."""
    if isinstance(anywhere, Path):
        return LocalStorageProvider(tmp_path / "objects")
    return new_bucket(anywhere)


@pytest.fixture(scope="session")
def key_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "document-key.pem"
    make_key_file(path)
    return path


@pytest.fixture(scope="session")
def cipher(key_path: Path) -> DocumentCipher:
    return DocumentCipher.load(key_path)
