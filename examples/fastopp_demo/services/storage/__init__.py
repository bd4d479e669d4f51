"""Where the demo keeps its uploads: `from services.storage import get_storage`."""

from services.storage.base import StorageInterface
from services.storage.factory import get_storage
from services.storage.filesystem import FilesystemStorage
from services.storage.s3 import S3Storage

__all__ = ["FilesystemStorage", "S3Storage", "StorageInterface", "get_storage"]
