"""The interface of all storages."""

from storage_service.providers.base import StorageInterface

__all__ = ["StorageInterface"]
