"""Object storage for documents: the names the backend uses, from `storage_service.providers`."""

from storage_service.providers import (
    DocumentStorageService,
    LocalStorageProvider,
    ObjectStorageFactory,
    S3StorageProvider,
    StorageProvider,
    get_storage_service,
    init_storage_service,
)

__all__ = [
    "DocumentStorageService",
    "LocalStorageProvider",
    "ObjectStorageFactory",
    "S3StorageProvider",
    "StorageProvider",
    "get_storage_service",
    "init_storage_service",
]
