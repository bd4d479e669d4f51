"""rclone, its provider `Other`: what it uses where it knows nothing of a server."""

from pathlib import Path

from exercise import Client, main, run


class Rclone(Client):
    def rclone(self, *words: str, data: bytes | None = None) -> bytes:
        remote = {
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_CONFIG_OURS_TYPE": "s3",
            "RCLONE_CONFIG_OURS_PROVIDER": "Other",
            "RCLONE_CONFIG_OURS_ENDPOINT": self.url,
            "RCLONE_CONFIG_OURS_ACCESS_KEY_ID": self.access_key,
            "RCLONE_CONFIG_OURS_SECRET_ACCESS_KEY": self.secret,
        }
        return run("rclone", "--retries", "1", *words, environment=remote, data=data)

    def address(self, key: str) -> str:
        return f"ours:{self.bucket}/{key}"

    def make_bucket(self) -> None:
        self.rclone("mkdir", f"ours:{self.bucket}")

    def put(self, key: str, data: bytes) -> None:
        self.rclone("rcat", self.address(key), data=data)

    def get(self, key: str) -> bytes:
        return self.rclone("cat", self.address(key))

    def get_range(self, key: str, start: int, end: int) -> bytes:
        return self.rclone("cat", "--offset", str(start), "--count", str(end - start), self.address(key))

    def put_file(self, key: str, path: Path) -> None:
        self.rclone("--s3-upload-cutoff", "16M", "copyto", str(path), self.address(key))

    def get_file(self, key: str, path: Path) -> None:
        self.rclone("copyto", self.address(key), str(path))

    def put_tree(self, prefix: str, directory: Path) -> None:
        self.rclone("copy", str(directory), self.address(prefix))

    def keys(self, prefix: str) -> list[str]:
        lines = self.rclone("lsf", "--recursive", "--files-only", self.address(prefix)).decode().splitlines()
        return [f"{prefix}{line}" for line in lines]

    def copy(self, source: str, target: str) -> None:
        self.rclone("copyto", self.address(source), self.address(target))

    def delete(self, key: str) -> None:
        self.rclone("deletefile", self.address(key))


main(Rclone)
