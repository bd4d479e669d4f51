"""Providers by the names settings use."""

from collections.abc import Callable, Mapping
from typing import Any

from storage_service.providers.documents.local import LocalStorageProvider
from storage_service.providers.documents.provider import StorageProvider
from storage_service.providers.errors import ConfigurationError

S3_NEEDS = ("S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_BUCKET")


class ObjectStorageFactory:
    """`create_provider("s3", settings)`: the provider of a type, from settings by their names in the environment."""

    @staticmethod
    def create_provider(storage_type: str, settings: Mapping[str, Any]) -> StorageProvider:
        """Types: s3, minio, local, filesystem, gcs, azure. Raises: ConfigurationError, naming what is missing."""
        make = MAKERS.get(storage_type.lower())
        if make is None:
            raise ConfigurationError(f"STORAGE_TYPE={storage_type} is none of {', '.join(MAKERS)}")
        return make(settings)


def _needed(settings: Mapping[str, Any], names: tuple[str, ...], what: str) -> list[str]:
    missing = [name for name in names if not settings.get(name)]
    if missing:
        raise ConfigurationError(f"STORAGE_TYPE={what} needs {', '.join(missing)}")
    return [str(settings[name]) for name in names]


def _s3(settings: Mapping[str, Any], storage_type: str = "s3") -> StorageProvider:
    from storage_service.providers.documents.s3 import S3StorageProvider  # noqa: PLC0415 - boto3 is an extra
    from storage_service.providers.s3_client import S3Config  # noqa: PLC0415

    access_key, secret_key, bucket = _needed(settings, S3_NEEDS, storage_type)
    region, endpoint = settings.get("S3_REGION") or None, settings.get("S3_ENDPOINT_URL") or None
    return S3StorageProvider(S3Config(bucket, access_key, secret_key, region, endpoint), storage_type)


def _minio(settings: Mapping[str, Any]) -> StorageProvider:
    _needed(settings, ("S3_ENDPOINT_URL",), "minio")
    return _s3(settings, "minio")


def _local(settings: Mapping[str, Any]) -> StorageProvider:
    return LocalStorageProvider(*_needed(settings, ("LOCAL_STORAGE_PATH",), "local"))


def _gcs(settings: Mapping[str, Any]) -> StorageProvider:
    from storage_service.providers.documents.cloud import GCSStorageProvider  # noqa: PLC0415 - obstore is an extra

    (bucket,) = _needed(settings, ("GCS_BUCKET",), "gcs")
    account = settings.get("GOOGLE_APPLICATION_CREDENTIALS")
    return GCSStorageProvider(bucket, **({"service_account_path": str(account)} if account else {}))


def _azure(settings: Mapping[str, Any]) -> StorageProvider:
    from storage_service.providers.documents.cloud import AzureStorageProvider  # noqa: PLC0415 - obstore is an extra

    names = ("AZURE_CONTAINER", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY")
    container, account, key = _needed(settings, names, "azure")
    return AzureStorageProvider(container, account_name=account, account_key=key)


MAKERS: dict[str, Callable[[Mapping[str, Any]], StorageProvider]] = {
    "s3": _s3,
    "minio": _minio,
    "local": _local,
    "filesystem": _local,
    "gcs": _gcs,
    "azure": _azure,
}
