"""What every client must manage with its default settings. Runs in the clients' own environment: standard library only.

python DRIVER.py URL ACCESS_KEY SECRET_KEY MEGABYTES
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

ODD_KEYS = ("a b.txt", "plus+plus", "per%41cent", "é ü 日本.txt", "a&b=c;d,e", "deep/er/down", "(x) [y] {z}", "q'uote")
MANY = 1005  # more than one page of a list


class Client:
    """A client with one bucket. Methods raise whatever the client raises."""

    odd_keys: Sequence[str] = ODD_KEYS

    def __init__(self, url: str, access_key: str, secret: str, bucket: str) -> None:
        self.url, self.access_key, self.secret, self.bucket = url, access_key, secret, bucket

    def make_bucket(self) -> None:
        raise NotImplementedError

    def put(self, key: str, data: bytes) -> None:
        raise NotImplementedError

    def get(self, key: str) -> bytes:
        raise NotImplementedError

    def get_range(self, key: str, start: int, end: int) -> bytes | None:
        """Half-open. None of a client that has no ranges."""
        raise NotImplementedError

    def put_file(self, key: str, path: Path) -> None:
        raise NotImplementedError

    def get_file(self, key: str, path: Path) -> None:
        path.write_bytes(self.get(key))

    def put_tree(self, prefix: str, directory: Path) -> None:
        for path in sorted(directory.iterdir()):
            self.put(f"{prefix}{path.name}", path.read_bytes())

    def keys(self, prefix: str) -> list[str]:
        raise NotImplementedError

    def copy(self, source: str, target: str) -> None:
        raise NotImplementedError

    def delete(self, key: str) -> None:
        raise NotImplementedError


def run(*command: str, environment: dict[str, str] | None = None, data: bytes | None = None) -> bytes:
    """What a program prints; its failure with its words is an error."""
    # Default settings: whatever the machine says of AWS is not one of them.
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_", "RESTIC_"))}
    done = subprocess.run(
        command, input=data, capture_output=True, env={**plain, **(environment or {})}, timeout=300, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def main(make: Callable[[str, str, str, str], Client]) -> None:
    url, access_key, secret, megabytes = sys.argv[1:]
    bucket = f"c-{uuid.uuid4().hex[:10]}"
    client = make(url, access_key, secret, bucket)
    client.make_bucket()
    with tempfile.TemporaryDirectory() as place:
        check_small(client)
        check_odd_keys(client)
        check_large(client, Path(place), int(megabytes))
        check_many(client, Path(place))
    check_copy_and_delete(client)
    check_wrong_secret(make(url, access_key, f"{secret}-wrong", bucket))


def step(name: str) -> None:
    print(name, flush=True)


def check_small(client: Client) -> None:
    step("put and get")
    for key, data in (("small.txt", b"hello"), ("empty", b""), ("binary", bytes(range(256)) * 64)):
        client.put(key, data)
        assert client.get(key) == data, key
    step("range")
    assert client.get_range("binary", 10, 20) in (bytes(range(10, 20)), None)


def check_odd_keys(client: Client) -> None:
    step("odd keys")
    for key in client.odd_keys:
        client.put(f"odd/{key}", key.encode())
    for key in client.odd_keys:
        assert client.get(f"odd/{key}") == key.encode(), key
    listed, stored = sorted(client.keys("odd/")), sorted(f"odd/{key}" for key in client.odd_keys)
    assert listed == stored, f"{listed} instead of {stored}"


def check_large(client: Client, place: Path, megabytes: int) -> None:
    step("multipart")
    path, back = place / "large.bin", place / "back.bin"
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1 << 20))
    client.put_file("large.bin", path)
    client.get_file("large.bin", back)
    assert digest(back) == digest(path)
    path.unlink()
    back.unlink()


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_many(client: Client, place: Path) -> None:
    step("more than a page")
    tree = place / "many"
    tree.mkdir()
    for number in range(MANY):
        (tree / f"{number:05}").write_bytes(b"x")
    client.put_tree("many/", tree)
    assert sorted(client.keys("many/")) == [f"many/{number:05}" for number in range(MANY)]


def check_copy_and_delete(client: Client) -> None:
    step("copy")
    client.copy("small.txt", "copied.txt")
    assert client.get("copied.txt") == b"hello"
    step("delete")
    client.delete("copied.txt")
    assert "copied.txt" not in client.keys("")


def check_wrong_secret(client: Client) -> None:
    step("wrong key")
    try:
        client.put("forged", b"x")
    except AssertionError:
        raise
    except Exception as error:
        print("refused:", type(error).__name__)
        return
    raise AssertionError("a wrong secret was accepted")
