"""Documents in a bucket of AWS or any S3 endpoint."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

from storage_service.providers.disk import CHUNK_BYTES
from storage_service.providers.documents.bulk import BulkResult
from storage_service.providers.documents.provider import DAY_SECONDS, OCTET_STREAM, Content, StorageProvider
from storage_service.providers.errors import FileMissing, ProviderError
from storage_service.providers.s3_client import S3Config, make_client, own_errors

MAX_BULK_KEYS = 1000  # of one DeleteObjects. Source: Amazon S3 API Reference


class S3StorageProvider(StorageProvider):
    """The bucket must be there: `ensure_bucket` makes it where the key may."""

    storage_type = "s3"

    def __init__(self, config: S3Config, storage_type: str = "s3") -> None:
        self.bucket = config.bucket
        self.storage_type = storage_type
        self._client = make_client(config)

    @property
    def root(self) -> str:
        return f"s3://{self.bucket}/"

    def ensure_bucket(self) -> None:
        """Raises: ProviderUnavailable, ProviderError."""
        try:
            with own_errors(self.bucket):
                self._client.head_bucket(Bucket=self.bucket)
        except FileMissing:
            with own_errors(self.bucket):
                self._client.create_bucket(Bucket=self.bucket)

    def upload_file(self, path: str, content: Content, content_type: str = OCTET_STREAM) -> str:
        name = self.name_of(path)
        with own_errors(name):
            if isinstance(content, bytes):
                self._client.put_object(Bucket=self.bucket, Key=name, Body=content, ContentType=content_type)
            else:  # in parts: they become an object only when the last is there
                kind = {"ContentType": content_type}
                self._client.upload_fileobj(Joined(iter(content)), self.bucket, name, ExtraArgs=kind)
        return self.root + name

    def open_file(self, path: str) -> Iterator[bytes]:
        name = self.name_of(path)
        with own_errors(name):
            body = self._client.get_object(Bucket=self.bucket, Key=name)["Body"]
        return _chunks(name, body)

    def delete_file(self, path: str) -> bool:
        """S3 does not say whether it was there: it is asked first."""
        found = self.file_exists(path)
        name = self.name_of(path)
        with own_errors(name):
            self._client.delete_object(Bucket=self.bucket, Key=name)
        return found

    def delete_files(self, paths: Sequence[str]) -> BulkResult[bool]:
        """A thousand in one request; as S3 does not say which were there, each counts as deleted."""
        result = BulkResult[bool]()
        names = {self.name_of(path): path for path in paths}
        keys = list(names)
        for start in range(0, len(keys), MAX_BULK_KEYS):
            some = keys[start : start + MAX_BULK_KEYS]
            with own_errors("delete of many"):
                wanted = {"Objects": [{"Key": key} for key in some], "Quiet": True}
                answer = self._client.delete_objects(Bucket=self.bucket, Delete=wanted)
            failed = {error["Key"]: error for error in answer.get("Errors", ())}
            for key in some:
                if key in failed:
                    result.errors[names[key]] = ProviderError(f"{key}: {failed[key].get('Code')}")
                else:
                    result.done[names[key]] = True
        return result

    def file_exists(self, path: str) -> bool:
        name = self.name_of(path)
        try:
            with own_errors(name):
                self._client.head_object(Bucket=self.bucket, Key=name)
        except FileMissing:
            return False
        return True

    def list_files(self, prefix: str = "") -> Iterator[str]:
        with own_errors(prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                yield from (entry["Key"] for entry in page.get("Contents", ()))

    def get_presigned_url(self, path: str, expires_seconds: int = DAY_SECONDS) -> str | None:
        params = {"Bucket": self.bucket, "Key": self.name_of(path)}
        url: str = self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=expires_seconds)
        return url


def _chunks(name: str, body: Any) -> Iterator[bytes]:
    with own_errors(name):
        yield from body.iter_chunks(CHUNK_BYTES)


class Joined(io.RawIOBase):
    """Chunks as a file to read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, have = [self._left], len(self._left)
        while size < 0 or have < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            parts.append(chunk)
            have += len(chunk)
        joined = b"".join(parts)
        end = len(joined) if size < 0 else size
        self._left = joined[end:]
        return joined[:end]
