"""Files in a bucket."""

from storage_service.providers.s3 import S3Storage

__all__ = ["S3Storage"]
