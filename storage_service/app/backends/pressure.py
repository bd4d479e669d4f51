"""The disk as a whole, as every worker sees it: ready or not, how far settle is behind, what is free."""

from dataclasses import dataclass

from storage_service.app.backends import shared as words
from storage_service.app.backends.catalog.committer import unavailable
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.settle import INODES_A_ROW, KEPT_INODES
from storage_service.app.backends.shared import Shared
from storage_service.app.core.objects import now_ms


@dataclass(frozen=True, slots=True)
class Backlog:
    """What settle may owe before writers wait: rows, bytes of bodies, seconds."""

    rows: int
    bytes: int
    seconds: float


class DiskVolume:
    """The core's `Volume`."""

    def __init__(self, root: str, disk: Disk, shared: Shared, backlog: Backlog) -> None:
        self._root = root
        self._disk = disk
        self._shared = shared
        self._backlog = backlog

    def is_ready(self) -> bool:
        return self._shared[words.VOLUME] == words.READY

    def why_not(self) -> str:
        return unavailable(self._shared).detail

    def is_behind(self) -> bool:
        rows = self._shared.backlog_rows
        if not rows:
            return False
        if rows > self._backlog.rows or self._shared.backlog_bytes > self._backlog.bytes:
            return True
        oldest = self._shared[words.OLDEST_MS]
        return bool(oldest) and now_ms() - oldest > self._backlog.seconds * 1000

    def backlog_bytes(self) -> int:
        return self._shared.backlog_bytes

    def free_bytes(self) -> int:
        """0 where files run out before bytes do: what waits to be settled needs some too."""
        needed = 4 * KEPT_INODES + INODES_A_ROW * self._shared.backlog_rows
        return self._disk.free_bytes(self._root) if self._disk.free_inodes(self._root) > needed else 0
