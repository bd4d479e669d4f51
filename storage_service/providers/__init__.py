"""Adapters for apps that name their storage otherwise: `get_storage()` of small apps, `documents` for encrypted files.

Imports neither `app` nor `cli`. A name is loaded when it is first used: what needs an optional package
(`pip install 'storage-service[providers]'`) asks for it only then.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storage_service.providers.base import StorageInterface
    from storage_service.providers.documents.bulk import BulkResult
    from storage_service.providers.documents.cipher import DocumentCipher
    from storage_service.providers.documents.cloud import AzureStorageProvider, GCSStorageProvider
    from storage_service.providers.documents.columns import ObjectStorageColumns
    from storage_service.providers.documents.factory import ObjectStorageFactory
    from storage_service.providers.documents.failover import FailoverStorageProvider
    from storage_service.providers.documents.local import LocalStorageProvider
    from storage_service.providers.documents.migration import DocumentMigrationService, MigrationStatistics
    from storage_service.providers.documents.provider import StorageProvider
    from storage_service.providers.documents.s3 import S3StorageProvider
    from storage_service.providers.documents.service import (
        DocumentStorageService,
        get_storage_service,
        init_storage_service,
    )
    from storage_service.providers.errors import (
        ConfigurationError,
        DecryptionFailed,
        FileMissing,
        InvalidPath,
        ProviderError,
        ProviderUnavailable,
    )
    from storage_service.providers.factory import get_storage
    from storage_service.providers.filesystem import FilesystemStorage
    from storage_service.providers.s3 import S3Storage

__all__ = [
    "AzureStorageProvider",
    "BulkResult",
    "ConfigurationError",
    "DecryptionFailed",
    "DocumentCipher",
    "DocumentMigrationService",
    "DocumentStorageService",
    "FailoverStorageProvider",
    "FileMissing",
    "FilesystemStorage",
    "GCSStorageProvider",
    "InvalidPath",
    "LocalStorageProvider",
    "MigrationStatistics",
    "ObjectStorageColumns",
    "ObjectStorageFactory",
    "ProviderError",
    "ProviderUnavailable",
    "S3Storage",
    "S3StorageProvider",
    "StorageInterface",
    "StorageProvider",
    "get_storage",
    "get_storage_service",
    "init_storage_service",
]

_MODULES = {
    "base": ("StorageInterface",),
    "documents.bulk": ("BulkResult",),
    "documents.cipher": ("DocumentCipher",),
    "documents.cloud": ("AzureStorageProvider", "GCSStorageProvider"),
    "documents.columns": ("ObjectStorageColumns",),
    "documents.factory": ("ObjectStorageFactory",),
    "documents.failover": ("FailoverStorageProvider",),
    "documents.local": ("LocalStorageProvider",),
    "documents.migration": ("DocumentMigrationService", "MigrationStatistics"),
    "documents.provider": ("StorageProvider",),
    "documents.s3": ("S3StorageProvider",),
    "documents.service": ("DocumentStorageService", "get_storage_service", "init_storage_service"),
    "errors": (
        "ConfigurationError",
        "DecryptionFailed",
        "FileMissing",
        "InvalidPath",
        "ProviderError",
        "ProviderUnavailable",
    ),
    "factory": ("get_storage",),
    "filesystem": ("FilesystemStorage",),
    "s3": ("S3Storage",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
