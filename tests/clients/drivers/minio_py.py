"""minio-py."""

import io
from pathlib import Path
from urllib.parse import urlsplit

from exercise import Client, main
from minio import Minio
from minio.commonconfig import CopySource


class MinioPy(Client):
    def __init__(self, url: str, access_key: str, secret: str, bucket: str) -> None:
        super().__init__(url, access_key, secret, bucket)
        self.minio = Minio(urlsplit(url).netloc, access_key, secret, secure=False)

    def make_bucket(self) -> None:
        self.minio.make_bucket(self.bucket)
        assert self.minio.bucket_exists(self.bucket)

    def put(self, key: str, data: bytes) -> None:
        self.minio.put_object(self.bucket, key, io.BytesIO(data), len(data))

    def get(self, key: str) -> bytes:
        answer = self.minio.get_object(self.bucket, key)
        try:
            return bytes(answer.read())
        finally:
            answer.close()
            answer.release_conn()

    def get_range(self, key: str, start: int, end: int) -> bytes:
        answer = self.minio.get_object(self.bucket, key, offset=start, length=end - start)
        try:
            return bytes(answer.read())
        finally:
            answer.close()
            answer.release_conn()

    def put_file(self, key: str, path: Path) -> None:
        self.minio.fput_object(self.bucket, key, str(path))

    def get_file(self, key: str, path: Path) -> None:
        self.minio.fget_object(self.bucket, key, str(path))

    def keys(self, prefix: str) -> list[str]:
        return [str(found.object_name) for found in self.minio.list_objects(self.bucket, prefix, recursive=True)]

    def copy(self, source: str, target: str) -> None:
        self.minio.copy_object(self.bucket, target, CopySource(self.bucket, source))

    def delete(self, key: str) -> None:
        self.minio.remove_object(self.bucket, key)


main(MinioPy)
