"""awscli."""

import tempfile
from pathlib import Path

from exercise import Client, main, run


class AwsCli(Client):
    def aws(self, *words: str, data: bytes | None = None) -> bytes:
        keys = {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return run("aws", "--endpoint-url", self.url, *words, environment=keys, data=data)

    def address(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def make_bucket(self) -> None:
        self.aws("s3", "mb", f"s3://{self.bucket}")

    def put(self, key: str, data: bytes) -> None:
        self.aws("s3", "cp", "-", self.address(key), data=data)

    def get(self, key: str) -> bytes:
        return self.aws("s3", "cp", self.address(key), "-")

    def get_range(self, key: str, start: int, end: int) -> bytes:
        asked = ("--bucket", self.bucket, "--key", key, "--range", f"bytes={start}-{end - 1}")
        with tempfile.TemporaryDirectory() as directory:
            piece = Path(directory, "piece")
            self.aws("s3api", "get-object", *asked, str(piece))
            return piece.read_bytes()

    def put_file(self, key: str, path: Path) -> None:
        self.aws("s3", "cp", "--only-show-errors", str(path), self.address(key))

    def get_file(self, key: str, path: Path) -> None:
        self.aws("s3", "cp", "--only-show-errors", self.address(key), str(path))

    def put_tree(self, prefix: str, directory: Path) -> None:
        self.aws("s3", "sync", "--only-show-errors", str(directory), self.address(prefix))

    def keys(self, prefix: str) -> list[str]:
        lines = self.aws("s3", "ls", "--recursive", self.address(prefix)).decode().splitlines()
        return [line.split(maxsplit=3)[3] for line in lines]

    def copy(self, source: str, target: str) -> None:
        self.aws("s3", "cp", self.address(source), self.address(target))

    def delete(self, key: str) -> None:
        self.aws("s3", "rm", self.address(key))


main(AwsCli)
