"""Weak disks that leave a sync out or make it too late: what a test must catch."""

from __future__ import annotations

from storage_service.app.backends.blobs import read_file
from storage_service.app.backends.disk import Disk
from tests.support.weakdisk import Node, WeakDisk

ROOT = "/s"
STAGING = f"{ROOT}/.storage/staging/w"
DIRECTORIES = (ROOT, f"{ROOT}/.storage", f"{ROOT}/.storage/staging", STAGING)


class NoDirectorySync(WeakDisk):
    def sync_dir(self, path: str) -> None:
        self.names(path)


class NoDataSync(WeakDisk):
    def sync_data(self, fd: int) -> None:
        self.fstat(fd)


class NoWholeSync(WeakDisk):
    def sync_fs(self, path: str) -> None:
        if not self._root.names:
            super().sync_fs(path)  # an empty disk is made


class RenameBeforeSync(WeakDisk):
    """What should be synced before it gets its name is synced after."""

    _late: Node | None = None

    def sync_data(self, fd: int) -> None:
        self._late = self._open[fd]

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self._sync_late()

    def link(self, source: str, target: str) -> None:
        super().link(source, target)
        self._sync_late()

    def _sync_late(self) -> None:
        if self._late is not None:
            self._count()
            self._late.safe_data, self._late.safe_mtime_ns = self._late.data, self._late.mtime_ns


def read(disk: Disk, path: str) -> bytes | None:
    try:
        return read_file(disk, path)
    except (FileNotFoundError, NotADirectoryError):
        return None
