"""A service to move into and a server to move from, as their users reach them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from storage_service.client import Client
from storage_service.moving.buckets import BucketMaker
from storage_service.moving.journal import Journal
from storage_service.moving.model import Source
from storage_service.moving.mover import Mover, Wanted
from storage_service.moving.tally import Tally
from storage_service.remote import Endpoint, S3Server
from tests.support.s3_servers import S3Endpoint, moto_server
from tests.support.service import SERVICE_KEY, Service

ROOT, ROOT_SECRET = "rootkey", "root-secret-of-the-tests"
ROOT_KEYS = {"S3_ROOT_ACCESS_KEY": ROOT, "S3_ROOT_SECRET_KEY": ROOT_SECRET}
Move = Callable[..., Tally]


def endpoint_of(service: Service) -> Endpoint:
    return Endpoint(service.url, ROOT, ROOT_SECRET)


def s3_client(url: str, access_key: str, secret_key: str) -> Any:
    config = Config(retries={"max_attempts": 3}, request_checksum_calculation="when_required")
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
        config=config,
    )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("target")
    with Service(place / "data", place / "logs", environment=ROOT_KEYS) as running:
        yield running


@pytest.fixture(scope="module")
def target(service: Service) -> Any:
    """The service as boto3 sees it."""
    return s3_client(service.url, ROOT, ROOT_SECRET)


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Endpoint]:
    with moto_server(tmp_path_factory.mktemp("moto")) as endpoint:
        yield endpoint


@pytest.fixture
def move(service: Service, tmp_path: Path) -> Move:
    """Run a move from a source; a second call of a test goes on with the first one's state."""

    def run(source: Source, **wanted: Any) -> Tally:
        server = S3Server(endpoint_of(service))
        journal = Journal(tmp_path / "state", source.name, service.url)
        with Client(service.url, api_key=SERVICE_KEY) as api:
            try:
                return Mover(source, server, BucketMaker(server, api), journal, Wanted(**wanted)).run()
            finally:
                journal.close()

    return run
