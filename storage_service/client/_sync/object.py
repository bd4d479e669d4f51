"""A file being downloaded."""

import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import httpx

from storage_service.client._sync import io
from storage_service.client._sync.connection import Connection
from storage_service.client.digests import Digest, announced
from storage_service.client.errors import ConnectionFailed
from storage_service.client.source import Progress
from storage_service.client.wire import Call, pause_seconds, quoted_tag

PARTIAL = 206
MAX_PART_NAME_BYTES = 200  # of 255, as letters may have several


class Object:
    """The bytes of one version, once: `read`, `iter_bytes` or `save`. Close it if none of them ran to its end.

    A connection that breaks is taken up again where it broke. The whole content is compared with its checksum.
    """

    def __init__(self, connection: Connection, call: Call, response: httpx.Response) -> None:
        self._connection = connection
        self._call = call
        self._response = response
        headers = response.headers
        length = headers.get("content-length")
        self.size = int(length) if length else None  # of what is sent: a range's own length
        self.content_type: str = headers.get("content-type", "")
        self.etag: str = headers.get("etag", "").strip('"')
        self.version_id: str = headers.get("x-version-id", "")
        self.headers = headers
        self._first = _first_byte(response)

    def __repr__(self) -> str:
        return f"<object at {self._call.path}, {self.size} bytes of {self.content_type}>"

    def read(self) -> bytes:
        """All of it. Raises: ChecksumMismatch, ConnectionFailed."""
        return b"".join([chunk for chunk in self.iter_bytes()])

    def iter_bytes(self) -> Iterator[bytes]:
        """Chunks as they come. Raises: ChecksumMismatch at the end, ConnectionFailed."""
        whole = self._response.status_code != PARTIAL
        digest, expected = announced(self.headers) if whole else (Digest("none"), None)
        done = failures = 0
        try:
            while True:
                try:
                    for chunk in self._response.iter_raw():
                        digest.update(chunk)
                        done += len(chunk)
                        failures = 0
                        _tell(self._call.progress, done, self.size)
                        yield chunk
                    break
                except httpx.TransportError as error:
                    self._resume(done, failures, error)
                    failures += 1
        finally:
            self.close()
        digest.check(expected)

    def save(self, path: os.PathLike[str] | str) -> Path:
        """Write it to this path, which then holds all of it, or what it held before. Raises: as `iter_bytes`."""
        target = Path(path)
        part = part_of(target)
        try:
            file = io.in_thread(part.open, "xb")
            try:
                self._write(file)
            finally:
                io.in_thread(file.close)
            io.in_thread(os.replace, part, target)
        except BaseException:
            io.in_thread(part.unlink, missing_ok=True)
            raise
        return target

    def close(self) -> None:
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, file: BinaryIO) -> None:
        for chunk in self.iter_bytes():
            io.in_thread(file.write, chunk)

    def _resume(self, done: int, failures: int, error: httpx.TransportError) -> None:
        """Ask for the rest of the same version. Raises: ConnectionFailed, PreconditionFailed if it was replaced."""
        self._response.close()
        if failures >= self._connection.retries or not self.etag:
            raise ConnectionFailed(f"{self._call.path}: broken off after {done} bytes") from error
        io.pause(pause_seconds(failures, error))
        end = "" if self.size is None else self._first + self.size - 1
        headers = {"range": f"bytes={self._first + done}-{end}", "if-match": quoted_tag(self.etag)}
        self._response = self._connection.open(replace(self._call, headers=headers))


def open_object(connection: Connection, call: Call) -> Object:
    """Raises: NotFound, NotModified and what else the service says."""
    return Object(connection, call, connection.open(call))


def part_of(target: Path) -> Path:
    """Where a download grows until it is whole: beside its target, so that a rename is enough."""
    start = os.fsencode(target.name)[:MAX_PART_NAME_BYTES].decode(errors="ignore")
    return target.with_name(f".{start}.{secrets.token_hex(4)}.part")


def _first_byte(response: httpx.Response) -> int:
    if response.status_code != PARTIAL:
        return 0
    return int(response.headers["content-range"].removeprefix("bytes ").partition("-")[0])


def _tell(progress: Progress | None, done: int, size: int | None) -> None:
    if progress is not None:
        progress(done, size)
