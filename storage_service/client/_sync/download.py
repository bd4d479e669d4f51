"""A file to disk in parallel ranges."""

import os
import threading
from functools import partial
from pathlib import Path
from typing import NamedTuple

from storage_service.client._sync import io
from storage_service.client._sync.connection import Connection
from storage_service.client._sync.object import open_object, part_of
from storage_service.client.digests import Algorithm
from storage_service.client.errors import ChecksumMismatch
from storage_service.client.models import FileInfo
from storage_service.client.source import PathSource, Progress
from storage_service.client.wire import Call, quoted_tag, range_header, spans_of

PART_BYTES = 8 * 1024 * 1024


class Parallel(NamedTuple):
    """How a download is cut. `progress` hears of bytes in the order they arrive."""

    at_once: int = 4
    part_bytes: int = PART_BYTES
    progress: Progress | None = None


class Fetching:
    """One version on its way to a file."""

    def __init__(self, connection: Connection, path: str, info: FileInfo, how: Parallel) -> None:
        self._connection = connection
        self._path = path
        self._info = info
        self._how = how
        self._done = 0
        self._lock = threading.Lock()  # parts may run in threads

    def to(self, target: Path) -> None:
        """Raises: PreconditionFailed if it was replaced meanwhile, ChecksumMismatch, ConnectionFailed."""
        part = part_of(target)
        spans = spans_of(self._info.size, self._how.part_bytes)
        try:
            file = io.in_thread(os.open, part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                io.in_thread(os.truncate, file, self._info.size)
                io.run_all([partial(self._fetch, file, span) for span in spans], self._how.at_once)
            finally:
                io.in_thread(os.close, file)
            io.in_thread(check_file, part, self._info)
            io.in_thread(os.replace, part, target)
        except BaseException:
            io.in_thread(part.unlink, missing_ok=True)
            raise

    def _fetch(self, file: int, span: tuple[int, int]) -> None:
        headers = {"range": range_header(span), "if-match": quoted_tag(self._info.etag)}
        position = span[0]
        with open_object(self._connection, Call("GET", self._path, headers=headers)) as found:
            for chunk in found.iter_bytes():
                io.in_thread(os.pwrite, file, chunk, position)
                position += len(chunk)
                self._tell(len(chunk))

    def _tell(self, count: int) -> None:
        with self._lock:
            self._done += count
            if self._how.progress is not None:
                self._how.progress(self._done, self._info.size)


def check_file(path: Path, info: FileInfo) -> None:
    """Raises: ChecksumMismatch."""
    algorithm: Algorithm = "sha256" if info.sha256 else "crc64nvme" if info.crc64nvme else "none"
    found = PathSource(path).digest(algorithm)
    if algorithm != "none" and found != (info.sha256 or info.crc64nvme):
        raise ChecksumMismatch(f"{algorithm} of {info.key!r} is {found}, expected {info.sha256 or info.crc64nvme}")
