"""Where an upload's bytes come from: memory, a file on disk, an open file, or an iterator."""

import io
import os
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from storage_service.client.digests import Algorithm, Digest

CHUNK_BYTES = 256 * 1024

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all (None = not known)
Data = bytes | bytearray | memoryview | os.PathLike[str] | BinaryIO | Iterable[bytes] | AsyncIterable[bytes]


class Source:
    """Bytes to send. `size` is None where only the end will tell; rewindable ones can be sent again.

    `passing`, where set, is fed with what is sent.
    """

    rewindable = True
    size: int | None = None
    passing: Digest | None = None

    def chunks(self) -> Iterator[bytes]:
        raise NotImplementedError

    def part(self, start: int, end: int) -> "Source":
        """The bytes from `start` to before `end`, or to where it ends; only of rewindable ones."""
        raise NotImplementedError

    def identity(self) -> str:
        """What tells a file from any other, and from itself once changed; empty of what has no name."""
        return ""

    def digest(self, algorithm: Algorithm) -> str:
        """Of all bytes, read once more for it; only of rewindable ones."""
        found = Digest(algorithm)
        for chunk in self.chunks():
            found.update(chunk)
        return found.text()


class MemorySource(Source):
    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._view = memoryview(data).cast("B")
        self.size = len(self._view)

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self._view), CHUNK_BYTES):
            yield bytes(self._view[start : start + CHUNK_BYTES])

    def part(self, start: int, end: int) -> Source:
        return MemorySource(self._view[start:end])


class PathSource(Source):
    """A file by name, or the bytes from `start` to before `end` of it, opened anew for each sending."""

    def __init__(self, path: Path, start: int = 0, end: int | None = None) -> None:
        self._path = path
        self._start = start
        found = path.stat()
        self._length = max(0, min(found.st_size, found.st_size if end is None else end) - start)
        self.size = self._length
        self._identity = f"{path.absolute()} {found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns}"

    def chunks(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(self._start)
            yield from _read(file, self._length)

    def part(self, start: int, end: int) -> Source:
        return PathSource(self._path, self._start + start, self._start + min(end, self._length))

    def identity(self) -> str:
        return self._identity


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    """So many bytes: of a file that grows no more than was announced."""
    while size > 0 and (chunk := file.read(min(CHUNK_BYTES, size))):
        size -= len(chunk)
        yield chunk


class FileSource(Source):
    """An open file, from where it stands. It stays open."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.rewindable = file.seekable()
        if self.rewindable:
            self._start = file.tell()
            self.size = file.seek(0, io.SEEK_END) - self._start
            file.seek(self._start)

    def chunks(self) -> Iterator[bytes]:
        if self.rewindable:
            self._file.seek(self._start)
        while chunk := self._file.read(CHUNK_BYTES):
            yield chunk

    def part(self, start: int, end: int) -> Source:
        return FilePart(self._file, self._start + start, self._start + min(end, self.size or 0))


class FilePart(Source):
    """The bytes from `start` to before `end` of an open file that can be sought."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file = file
        self._start = start
        self._length = self.size = end - start

    def chunks(self) -> Iterator[bytes]:
        self._file.seek(self._start)
        yield from _read(self._file, self._length)


class IteratorSource(Source):
    """Chunks that come once."""

    rewindable = False

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    def chunks(self) -> Iterator[bytes]:
        return iter(self._chunks)


class AsyncSource(Source):
    """Chunks of an async iterator, once; only `AsyncClient` can send them."""

    rewindable = False

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self.async_chunks = chunks


def source_of(data: object) -> Source:
    """Raises: TypeError for a str: it may mean a path or a text, `Path(...)` and `.encode()` say which."""
    if isinstance(data, bytes | bytearray | memoryview):
        return MemorySource(data)
    if isinstance(data, os.PathLike):
        return PathSource(Path(data))
    if isinstance(data, io.TextIOBase):
        raise TypeError("cannot upload a file that was opened as text: open it in binary mode")
    if hasattr(data, "read"):
        return FileSource(cast(BinaryIO, data))
    if isinstance(data, AsyncIterable):
        return AsyncSource(data)
    if isinstance(data, Iterable) and not isinstance(data, str):
        return IteratorSource(data)
    raise TypeError(f"cannot upload {type(data).__name__}: give bytes, a Path, an open binary file or an iterator")
