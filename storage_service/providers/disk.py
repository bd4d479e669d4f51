"""Files in a directory tree: whole or absent, never outside of it."""

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from storage_service.providers.errors import FileMissing, InvalidPath, ProviderError

CHUNK_BYTES = 1024 * 1024
PART_SUFFIX = ".part"


def checked(path: str) -> str:
    """The path itself. Raises: InvalidPath for one that is absolute, or has empty, `.` or `..` segments."""
    if "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise InvalidPath(f"{path!r} is no path inside a storage")
    return path


class Tree:
    """A directory and all below it. Paths are relative, with slashes."""

    def __init__(self, root: os.PathLike[str] | str) -> None:
        self.root = Path(root).absolute()

    def place(self, path: str) -> Path:
        """Where this is on disk, links resolved. Raises: InvalidPath if that is outside."""
        found = (self.root / checked(path)).resolve()
        if not found.is_relative_to(self.root.resolve()):
            raise InvalidPath(f"{path!r} leads out of the storage")
        return found

    def write(self, path: str, chunks: Iterable[bytes]) -> Path:
        """The file holds all of it, or what it held before. Raises: ProviderError: no space, no permission."""
        target = self.place(path)
        part = target.with_name(f".{secrets.token_hex(8)}{PART_SUFFIX}")
        try:
            with own_errors(path):
                target.parent.mkdir(parents=True, exist_ok=True)
                file = part.open("xb")
            with file:
                for chunk in chunks:  # what the source raises is its own matter
                    with own_errors(path):
                        file.write(chunk)
                with own_errors(path):
                    file.flush()
                    os.fsync(file.fileno())  # before the rename: a crash may keep the name and lose the bytes
            with own_errors(path):
                part.replace(target)
                _sync(target.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return target

    def read(self, path: str) -> Iterator[bytes]:
        """Chunks. Raises: FileMissing, before the first."""
        try:
            file = self.place(path).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise FileMissing(path) from None
        return _chunks(file)

    def delete(self, path: str) -> bool:
        """Whether it was there."""
        try:
            self.place(path).unlink()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return False
        return True

    def exists(self, path: str) -> bool:
        return self.place(path).is_file()

    def list(self, prefix: str = "") -> list[str]:
        """Paths that begin so, in order."""
        start = self.root / PurePosixPath(prefix).parent if "/" in prefix else self.root
        if ".." in prefix.split("/"):
            raise InvalidPath(f"{prefix!r} leads out of the storage")
        found = (path.relative_to(self.root).as_posix() for path in start.rglob("*") if _is_own(path))
        return sorted(path for path in found if path.startswith(prefix))


@contextmanager
def own_errors(path: str) -> Iterator[None]:
    """Raises: ProviderError for what the disk says."""
    try:
        yield
    except OSError as error:
        raise ProviderError(f"{path}: {error.strerror}") from error


def _is_own(path: Path) -> bool:
    return path.is_file() and not (path.name.startswith(".") and path.name.endswith(PART_SUFFIX))


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
