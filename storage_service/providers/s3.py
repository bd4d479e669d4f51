"""Files in a bucket of AWS or any S3 endpoint."""

import mimetypes
from urllib.parse import quote

from storage_service.providers.base import StorageInterface
from storage_service.providers.disk import checked
from storage_service.providers.errors import FileMissing
from storage_service.providers.s3_client import DEFAULT_REGION, S3Config, make_client, own_errors


class S3Storage(StorageInterface):
    """For production. URLs begin with `cdn_url` where there is one; they read where the bucket or its CDN is public."""

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        bucket: str,
        endpoint_url: str | None = None,
        region: str | None = None,
        cdn_url: str | None = None,
    ) -> None:
        self.bucket = bucket
        self.cdn_url = cdn_url
        self._base_url = (cdn_url or _bucket_url(bucket, endpoint_url, region or DEFAULT_REGION)).rstrip("/")
        self._client = make_client(S3Config(bucket, access_key, secret_key, region, endpoint_url))

    def ensure_directories(self, *paths: str) -> None:
        """S3 has none: a path that is no path is refused, and that is all."""
        for path in paths:
            checked(path)

    def save_file(self, content: bytes, path: str, content_type: str | None = None) -> str:
        key = checked(path)
        kind = content_type or mimetypes.guess_type(key)[0] or "application/octet-stream"
        with own_errors(path):
            self._client.put_object(Bucket=self.bucket, Key=key, Body=content, ContentType=kind)
        return self.get_file_url(path)

    def get_file(self, path: str) -> bytes:
        with own_errors(path):
            body: bytes = self._client.get_object(Bucket=self.bucket, Key=checked(path))["Body"].read()
        return body

    def file_exists(self, path: str) -> bool:
        try:
            with own_errors(path):
                self._client.head_object(Bucket=self.bucket, Key=checked(path))
        except FileMissing:
            return False
        return True

    def delete_file(self, path: str) -> bool:
        """S3 does not say whether there was one: it is asked first."""
        found = self.file_exists(path)
        with own_errors(path):
            self._client.delete_object(Bucket=self.bucket, Key=checked(path))
        return found

    def list_files(self, prefix: str = "") -> list[str]:
        with own_errors(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def get_file_url(self, path: str) -> str:
        return f"{self._base_url}/{quote(checked(path))}"


def _bucket_url(bucket: str, endpoint_url: str | None, region: str) -> str:
    return f"{endpoint_url.rstrip('/')}/{bucket}" if endpoint_url else f"https://{bucket}.s3.{region}.amazonaws.com"
