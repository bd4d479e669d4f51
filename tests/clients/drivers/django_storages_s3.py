"""django-storages: boto3 stores and reads; the addresses it gives to browsers are still signed by version 2."""

import urllib.request
from pathlib import Path

import django
from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from exercise import Client, main

settings.configure(USE_TZ=True)
django.setup()

from storages.backends.s3 import S3Storage  # noqa: E402 - reads Django's settings


class DjangoStorages(Client):
    def __init__(self, url: str, access_key: str, secret: str, bucket: str) -> None:
        super().__init__(url, access_key, secret, bucket)
        self.storage = S3Storage(access_key=access_key, secret_key=secret, bucket_name=bucket, endpoint_url=url)

    def make_bucket(self) -> None:
        self.storage.connection.create_bucket(Bucket=self.bucket)

    def put(self, key: str, data: bytes) -> None:
        assert self.storage.save(key, ContentFile(data)) == key

    def get(self, key: str) -> bytes:
        address = self.storage.url(key)
        assert "AWSAccessKeyId=" in address, f"not signed by version 2: {address}"
        with urllib.request.urlopen(address) as answer:
            data = bytes(answer.read())
        assert self.storage.exists(key)
        assert self.storage.size(key) == len(data)
        return data

    def get_range(self, key: str, start: int, end: int) -> bytes:
        with self.storage.open(key) as file:
            file.seek(start)
            return bytes(file.read(end - start))

    def put_file(self, key: str, path: Path) -> None:
        with path.open("rb") as file:
            self.storage.save(key, File(file))

    def get_file(self, key: str, path: Path) -> None:
        with self.storage.open(key) as source, path.open("wb") as file:
            while chunk := source.read(1 << 20):
                file.write(chunk)

    def keys(self, prefix: str) -> list[str]:
        directories, files = self.storage.listdir(prefix)
        found = [f"{prefix}{name}" for name in files]
        return found + [key for name in directories for key in self.keys(f"{prefix}{name}/")]

    def copy(self, source: str, target: str) -> None:
        with self.storage.open(source) as file:
            self.storage.save(target, File(file))

    def delete(self, key: str) -> None:
        self.storage.delete(key)


main(DjangoStorages)
