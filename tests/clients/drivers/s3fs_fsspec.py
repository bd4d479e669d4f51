"""s3fs, fsspec's file system."""

from pathlib import Path

import s3fs
from exercise import Client, main


class S3fs(Client):
    def __init__(self, url: str, access_key: str, secret: str, bucket: str) -> None:
        super().__init__(url, access_key, secret, bucket)
        self.files = s3fs.S3FileSystem(key=access_key, secret=secret, endpoint_url=url, use_listings_cache=False)

    def make_bucket(self) -> None:
        self.files.mkdir(self.bucket)

    def put(self, key: str, data: bytes) -> None:
        self.files.pipe_file(f"{self.bucket}/{key}", data)

    def get(self, key: str) -> bytes:
        return bytes(self.files.cat_file(f"{self.bucket}/{key}"))

    def get_range(self, key: str, start: int, end: int) -> bytes:
        return bytes(self.files.cat_file(f"{self.bucket}/{key}", start=start, end=end))

    def put_file(self, key: str, path: Path) -> None:
        self.files.put_file(str(path), f"{self.bucket}/{key}")

    def get_file(self, key: str, path: Path) -> None:
        self.files.get_file(f"{self.bucket}/{key}", str(path))

    def put_tree(self, prefix: str, directory: Path) -> None:
        self.files.put(f"{directory}/", f"{self.bucket}/{prefix}", recursive=True)

    def keys(self, prefix: str) -> list[str]:
        return [found.partition("/")[2] for found in self.files.find(f"{self.bucket}/{prefix}")]

    def copy(self, source: str, target: str) -> None:
        self.files.copy(f"{self.bucket}/{source}", f"{self.bucket}/{target}")

    def delete(self, key: str) -> None:
        self.files.rm_file(f"{self.bucket}/{key}")


main(S3fs)
