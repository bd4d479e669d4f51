"""The storage the environment names."""

from storage_service.providers.factory import get_storage

__all__ = ["get_storage"]
