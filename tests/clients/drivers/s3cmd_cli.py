"""s3cmd."""

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from exercise import Client, main, run


class S3cmd(Client):
    def s3cmd(self, *words: str) -> bytes:
        host = urlsplit(self.url).netloc
        keys = (f"--access_key={self.access_key}", f"--secret_key={self.secret}")
        # Without a %(bucket) in it, buckets stand in the path: its documented way to an own endpoint.
        place = (f"--host={host}", f"--host-bucket={host}", "--no-ssl", "--config=/dev/null", "--no-progress")
        return run("s3cmd", *keys, *place, *words)

    def address(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def make_bucket(self) -> None:
        self.s3cmd("mb", f"s3://{self.bucket}")

    def put(self, key: str, data: bytes) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            self.s3cmd("put", file.name, self.address(key))

    def get(self, key: str) -> bytes:
        with tempfile.NamedTemporaryFile() as file:
            self.s3cmd("get", "--force", self.address(key), file.name)
            return Path(file.name).read_bytes()

    def get_range(self, key: str, start: int, end: int) -> None:
        return None

    def put_file(self, key: str, path: Path) -> None:
        self.s3cmd("put", str(path), self.address(key))

    def get_file(self, key: str, path: Path) -> None:
        self.s3cmd("get", "--force", self.address(key), str(path))

    def put_tree(self, prefix: str, directory: Path) -> None:
        self.s3cmd("sync", f"{directory}/", self.address(prefix))

    def keys(self, prefix: str) -> list[str]:
        lines = self.s3cmd("ls", "--recursive", self.address(prefix)).decode().splitlines()
        return [line.partition(f"s3://{self.bucket}/")[2] for line in lines]

    def copy(self, source: str, target: str) -> None:
        self.s3cmd("cp", self.address(source), self.address(target))

    def delete(self, key: str) -> None:
        self.s3cmd("rm", self.address(key))


main(S3cmd)
