"""Bytes on their way into a file that is synced at its end."""

from storage_service.app.backends.disk import Disk

BEGIN_BYTES = 8 << 20


class Outflow:
    """Writes to one file. From time to time the kernel is asked to begin with the disk: the sync at the end then finds
    little left (docs/decisions/0010)."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._kept = 0  # bytes the kernel may still keep to itself

    def write(self, fd: int, data: bytes) -> None:
        self._disk.write(fd, data)
        self._kept += len(data)
        if self._kept >= BEGIN_BYTES:
            self._kept = 0
            self._disk.begin_sync(fd)
