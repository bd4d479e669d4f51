"""The smallest store there is, for calibrating the bench: one file per write, temp then rename.

    python tiny_writer.py DIRECTORY synced|unsynced

Each finished write is acknowledged on stdout as `NAME MONOTONIC_NS`. A file's name is the SHA-256
of its bytes. It runs until it is killed or the disk is gone.
"""

import hashlib
import os
import sys
import time
from pathlib import Path


def write_one(directory: Path, counter: int, synced: bool) -> str:
    body = hashlib.shake_128(str(counter).encode()).digest(64 + counter * 7919 % 40_000)
    name = hashlib.sha256(body).hexdigest()
    fresh = directory / f"{name}.tmp"
    with fresh.open("wb") as file:
        file.write(body)
        file.flush()
        if synced:
            os.fsync(file.fileno())
    fresh.rename(directory / name)
    if synced:
        sync_directory(directory)
    return name


def sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def main() -> None:
    directory, synced = Path(sys.argv[1]), sys.argv[2] == "synced"
    counter = 0
    while True:
        counter += 1
        name = write_one(directory, counter, synced)
        os.write(1, f"{name} {time.monotonic_ns()}\n".encode())


if __name__ == "__main__":
    main()
