"""A boto3 client for AWS or any S3 endpoint, and its errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from storage_service.providers.errors import FileMissing, ProviderError, ProviderUnavailable

DEFAULT_REGION = "us-east-1"
MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
FIRST_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class S3Config:
    """Where a bucket is and how it is reached. Without keys boto3 looks for credentials of its own."""

    bucket: str
    access_key: str | None = None
    secret_key: str | None = None
    region: str | None = None
    endpoint_url: str | None = None


def make_client(config: S3Config) -> Any:
    """Signature V4; buckets in the path where an endpoint is named: few of those have a DNS name for each bucket."""
    return boto3.client(
        "s3",
        aws_access_key_id=config.access_key,
        aws_secret_access_key=config.secret_key,
        region_name=config.region or DEFAULT_REGION,
        endpoint_url=config.endpoint_url,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if config.endpoint_url else "auto"},
            retries={"mode": "standard", "max_attempts": 3},
        ),
    )


@contextmanager
def own_errors(what: str) -> Iterator[None]:
    """Raises: FileMissing, ProviderUnavailable (not reached, 5xx), ProviderError."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in MISSING:
            raise FileMissing(what) from None
        kind = ProviderUnavailable if status >= FIRST_SERVER_ERROR else ProviderError
        raise kind(f"{what}: {code} (status {status})") from error
    except BotoCoreError as error:
        raise ProviderUnavailable(f"{what}: {error}") from error
