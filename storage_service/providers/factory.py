"""The storage that the environment names.

STORAGE_TYPE: `filesystem` (the default; `local` is the same) or `s3` (`minio` is the same). UPLOAD_DIR for the first;
S3_ACCESS_KEY, S3_SECRET_KEY, S3_BUCKET, S3_ENDPOINT_URL, S3_REGION, S3_CDN_URL for the second.
"""

import os

from storage_service.providers.base import StorageInterface
from storage_service.providers.errors import ConfigurationError
from storage_service.providers.filesystem import FilesystemStorage

S3_TYPES = frozenset({"s3", "minio"})
FILESYSTEM_TYPES = frozenset({"filesystem", "local"})


def get_storage() -> StorageInterface:
    """A storage as the environment says. Raises: ConfigurationError, naming what is missing.

    >>> os.environ.update(STORAGE_TYPE="filesystem", UPLOAD_DIR="media")
    >>> type(get_storage()).__name__
    'FilesystemStorage'
    >>> os.environ.update(STORAGE_TYPE="s3")
    >>> get_storage()
    Traceback (most recent call last):
    storage_service.providers.errors.ConfigurationError: STORAGE_TYPE=s3 needs S3_ACCESS_KEY, S3_SECRET_KEY, S3_BUCKET
    """
    storage_type = os.getenv("STORAGE_TYPE", "filesystem").lower()
    if storage_type in S3_TYPES:
        return _create_s3_storage()
    if storage_type in FILESYSTEM_TYPES:
        return _create_filesystem_storage()
    raise ConfigurationError(f"STORAGE_TYPE={storage_type} is none of {', '.join(sorted(S3_TYPES | FILESYSTEM_TYPES))}")


def _create_filesystem_storage() -> StorageInterface:
    return FilesystemStorage(base_path=os.getenv("UPLOAD_DIR", "static/uploads"))


def _create_s3_storage() -> StorageInterface:
    from storage_service.providers.s3 import S3Storage  # noqa: PLC0415 - boto3 is an extra

    needed = ("S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_BUCKET")
    missing = [name for name in needed if not os.getenv(name)]
    if missing:
        raise ConfigurationError(f"STORAGE_TYPE=s3 needs {', '.join(missing)}")
    return S3Storage(
        access_key=os.environ["S3_ACCESS_KEY"],
        secret_key=os.environ["S3_SECRET_KEY"],
        bucket=os.environ["S3_BUCKET"],
        endpoint_url=os.getenv("S3_ENDPOINT_URL") or None,
        region=os.getenv("S3_REGION") or None,
        cdn_url=os.getenv("S3_CDN_URL") or None,
    )
