"""Files below a directory."""

from storage_service.providers.filesystem import FilesystemStorage

__all__ = ["FilesystemStorage"]
