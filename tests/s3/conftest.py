"""The service as a person starts it, and boto3 as everybody uses it: default settings, path style by necessity."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from tests.support.service import Service

ROOT = ("rootkey", "root-secret-of-tests")
MAIN = ("mainkey", "main-secret-of-tests")
OTHER = ("otherkey", "other-secret-of-tests")
ENVIRONMENT = {
    "S3_ROOT_ACCESS_KEY": ROOT[0],
    "S3_ROOT_SECRET_KEY": ROOT[1],
    "STORAGE_KEYS": f"{':'.join(MAIN)}:main-user:rw,{':'.join(OTHER)}:other-user:rw",
    "VHOST_DOMAINS": "s3.example.test",
    "DURABILITY": "scratch",  # what power cuts do is tested elsewhere
}

Client = Any  # boto3 makes its classes when asked


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("s3")
    with Service(place / "data", place / "logs", environment=ENVIRONMENT) as running:
        yield running


@pytest.fixture(scope="session")
def client_of(service: Service) -> Iterator[Callable[..., Client]]:
    """A client with a key pair; None = one that signs nothing."""
    made = []

    def make(pair: tuple[str, str] | None, **options: Any) -> Client:
        if pair is None:
            options["signature_version"] = UNSIGNED
        access_key, secret = pair or (None, None)
        client = boto3.client(
            "s3",
            endpoint_url=service.url,
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret,
            config=Config(retries={"max_attempts": 1}, **options),
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="session")
def s3(client_of: Callable[..., Client]) -> Client:
    return client_of(MAIN)


@pytest.fixture(scope="session")
def other(client_of: Callable[..., Client]) -> Client:
    """Somebody else."""
    return client_of(OTHER)


@pytest.fixture(scope="session")
def anonymous(client_of: Callable[..., Client]) -> Client:
    return client_of(None)


@pytest.fixture
def bucket(s3: Client) -> str:
    """A new bucket of the main user."""
    name = f"b-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def versioned(s3: Client, bucket: str) -> str:
    """A new bucket that keeps versions."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    """Plain HTTP, nothing signed."""
    with httpx.Client(base_url=service.url, timeout=20.0) as client:
        yield client
