"""Records: JSON documents of the service's own, one file each, that outlive the catalog. Every call blocks.

Whatever DURABILITY is chosen, a record that was written survives a power cut.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from typing import Any

from storage_service.app.backends.disk import Disk, published
from storage_service.app.backends.volume import Layout

log = logging.getLogger(__name__)

MODE, DIRECTORY_MODE = 0o600, 0o700
MOST_BYTES = 16 << 20


class Records:
    """By kind and id. An id is anybody's text, so it never stands in a file name; the record holds it."""

    def __init__(self, layout: Layout, disk: Disk) -> None:
        self._folder = str(layout.records)
        self._lock = f"{self._folder}/lock"
        self._disk = disk

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among all threads and processes; around every change."""
        if self._disk.make_dir(self._folder, DIRECTORY_MODE):
            self._disk.sync_dir(os.path.dirname(self._folder))
        fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def has(self, kind: str, record_id: str) -> bool:
        """Whether it is there, readable or not."""
        return self._disk.stat(self._path(kind, record_id)) is not None

    def read(self, kind: str, record_id: str) -> dict[str, Any] | None:
        """None if there is none. Raises: OSError, ValueError for a damaged one."""
        return self._read(self._path(kind, record_id))

    def write(self, kind: str, record_id: str, record: dict[str, Any]) -> None:
        """Whole or not at all, also in a power cut; replaces. Under `locked`."""
        text = json.dumps({"kind": kind, "id": record_id, **record}, indent=2, ensure_ascii=False)
        with published(self._disk, self._path(kind, record_id), MODE) as fd:
            self._disk.write(fd, text.encode() + b"\n")
        self._disk.sync_dir(self._folder)

    def remove(self, kind: str, record_id: str) -> None:
        """One that is not there is no error. Under `locked`."""
        path = self._path(kind, record_id)
        if self._disk.stat(path) is not None:
            self._disk.unlink(path)
            self._disk.sync_dir(self._folder)

    def count(self, kind: str) -> int:
        """How many there are, readable or not. Raises: OSError of the directory."""
        return sum(name.startswith(f"{kind}.") for name in self._disk.names(self._folder))

    def all(self, kind: str) -> list[dict[str, Any]]:
        """In no order. One that cannot be read is left out and logged. Raises: OSError of the directory."""
        names = self._disk.names(self._folder)
        found = []
        for name in names:
            if name.startswith(f"{kind}.") and name.endswith(".json"):
                try:
                    record = self._read(f"{self._folder}/{name}")
                except (OSError, ValueError) as error:
                    log.error("record %s cannot be read and is ignored: %s", name, error)
                    continue
                if record is not None:
                    found.append(record)
        return found

    def _read(self, path: str) -> dict[str, Any] | None:
        try:
            fd = self._disk.open(path)
        except FileNotFoundError:
            return None
        try:
            record = json.loads(self._disk.read(fd, MOST_BYTES, 0))
        finally:
            self._disk.close(fd)
        if not isinstance(record, dict):
            raise ValueError("not a JSON object")
        return record

    def _path(self, kind: str, record_id: str) -> str:
        return f"{self._folder}/{kind}.{hashlib.sha256(record_id.encode()).hexdigest()[:32]}.json"
