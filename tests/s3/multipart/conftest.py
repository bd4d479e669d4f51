"""A running service with a root key, and boto3 as its client, default settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.support.service import Service

ROOT = {"S3_ROOT_ACCESS_KEY": "rootkey", "S3_ROOT_SECRET_KEY": "root-secret-of-the-tests-0123456789"}


def client_of(service: Service, **options: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=service.url,
        aws_access_key_id=ROOT["S3_ROOT_ACCESS_KEY"],
        aws_secret_access_key=ROOT["S3_ROOT_SECRET_KEY"],
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **options),
    )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place: Path = tmp_path_factory.mktemp("multipart")
    with Service(place / "data", place, environment=ROOT) as running:
        client_of(running).create_bucket(Bucket="films")
        yield running


@pytest.fixture
def s3(service: Service) -> Any:
    return client_of(service)
