"""smart_open, on boto3."""

from pathlib import Path

import boto3
from exercise import Client, main
from smart_open import open as smart_open


class SmartOpen(Client):
    def __init__(self, url: str, access_key: str, secret: str, bucket: str) -> None:
        super().__init__(url, access_key, secret, bucket)
        self.s3 = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
        )

    def open(self, key: str, mode: str):  # type: ignore[no-untyped-def]
        return smart_open(
            f"s3://{self.bucket}/{key}", mode, transport_params={"client": self.s3}, compression="disable"
        )

    def make_bucket(self) -> None:
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key: str, data: bytes) -> None:
        with self.open(key, "wb") as file:
            file.write(data)

    def get(self, key: str) -> bytes:
        with self.open(key, "rb") as file:
            return bytes(file.read())

    def get_range(self, key: str, start: int, end: int) -> bytes:
        with self.open(key, "rb") as file:
            file.seek(start)
            return bytes(file.read(end - start))

    def put_file(self, key: str, path: Path) -> None:
        with path.open("rb") as source, self.open(key, "wb") as file:
            while chunk := source.read(1 << 20):
                file.write(chunk)

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def copy(self, source: str, target: str) -> None:
        self.s3.copy({"Bucket": self.bucket, "Key": source}, self.bucket, target)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=key)


main(SmartOpen)
