"""obstore, on Rust's object_store."""

from pathlib import Path

import obstore
from exercise import Client, main, run
from obstore.store import S3Store


class Obstore(Client):
    def __init__(self, url: str, access_key: str, secret: str, bucket: str) -> None:
        super().__init__(url, access_key, secret, bucket)
        self.store = S3Store(
            bucket,
            endpoint=url,
            access_key_id=access_key,
            secret_access_key=secret,
            client_options={"allow_http": True},
        )

    def make_bucket(self) -> None:
        """It makes none itself."""
        keys = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret}
        run("aws", "--endpoint-url", self.url, "s3", "mb", f"s3://{self.bucket}", environment=keys)

    def put(self, key: str, data: bytes) -> None:
        obstore.put(self.store, key, data)

    def get(self, key: str) -> bytes:
        return bytes(obstore.get(self.store, key).bytes())

    def get_range(self, key: str, start: int, end: int) -> bytes:
        return bytes(obstore.get_range(self.store, key, start=start, end=end))

    def put_file(self, key: str, path: Path) -> None:
        obstore.put(self.store, key, path, use_multipart=True)

    def keys(self, prefix: str) -> list[str]:
        return [str(found["path"]) for page in obstore.list(self.store, prefix or None) for found in page]

    def copy(self, source: str, target: str) -> None:
        obstore.copy(self.store, source, target)

    def delete(self, key: str) -> None:
        obstore.delete(self.store, key)


main(Obstore)
