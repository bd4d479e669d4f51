"""boto3's transfer calls: what most programs use."""

import io
from pathlib import Path

import boto3
from exercise import Client, main


class Boto3(Client):
    odd_keys = (*Client.odd_keys, "a//b", "trailing/", "..", "/leading", "line\nbreak")

    def __init__(self, url: str, access_key: str, secret: str, bucket: str) -> None:
        super().__init__(url, access_key, secret, bucket)
        self.s3 = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
        )

    def make_bucket(self) -> None:
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key: str, data: bytes) -> None:
        self.s3.upload_fileobj(io.BytesIO(data), self.bucket, key)

    def get(self, key: str) -> bytes:
        target = io.BytesIO()
        self.s3.download_fileobj(self.bucket, key, target)
        return target.getvalue()

    def get_range(self, key: str, start: int, end: int) -> bytes:
        answer = self.s3.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={start}-{end - 1}")
        return bytes(answer["Body"].read())

    def put_file(self, key: str, path: Path) -> None:
        self.s3.upload_file(str(path), self.bucket, key)

    def get_file(self, key: str, path: Path) -> None:
        self.s3.download_file(self.bucket, key, str(path))

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def copy(self, source: str, target: str) -> None:
        self.s3.copy({"Bucket": self.bucket, "Key": source}, self.bucket, target)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=key)


main(Boto3)
