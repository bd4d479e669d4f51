"""pyarrow's file system, on the C++ SDK of AWS."""

from pathlib import Path
from urllib.parse import urlsplit

from exercise import Client, main
from pyarrow import fs


class Arrow(Client):
    def __init__(self, url: str, access_key: str, secret: str, bucket: str) -> None:
        super().__init__(url, access_key, secret, bucket)
        self.files = fs.S3FileSystem(
            access_key=access_key,
            secret_key=secret,
            endpoint_override=urlsplit(url).netloc,
            scheme="http",
            allow_bucket_creation=True,
        )

    def make_bucket(self) -> None:
        self.files.create_dir(self.bucket)

    def put(self, key: str, data: bytes) -> None:
        with self.files.open_output_stream(f"{self.bucket}/{key}") as stream:
            stream.write(data)

    def get(self, key: str) -> bytes:
        with self.files.open_input_stream(f"{self.bucket}/{key}") as stream:
            return bytes(stream.read())

    def get_range(self, key: str, start: int, end: int) -> bytes:
        with self.files.open_input_file(f"{self.bucket}/{key}") as file:
            return bytes(file.read_at(end - start, start))

    def put_file(self, key: str, path: Path) -> None:
        with path.open("rb") as file, self.files.open_output_stream(f"{self.bucket}/{key}") as stream:
            while chunk := file.read(1 << 20):
                stream.write(chunk)

    def keys(self, prefix: str) -> list[str]:
        selector = fs.FileSelector(f"{self.bucket}/{prefix}".rstrip("/"), recursive=True)
        found = self.files.get_file_info(selector)
        return [one.path.partition("/")[2] for one in found if one.type == fs.FileType.File]

    def copy(self, source: str, target: str) -> None:
        self.files.copy_file(f"{self.bucket}/{source}", f"{self.bucket}/{target}")

    def delete(self, key: str) -> None:
        self.files.delete_file(f"{self.bucket}/{key}")


main(Arrow)
