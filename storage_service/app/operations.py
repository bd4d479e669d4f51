"""What an operator asks of a running service: is it well, and how much of everything."""

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Any

from storage_service.app.apis.context import Health, Operator, Requests
from storage_service.app.backends import shared as words
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.usage_history import UsageHistory
from storage_service.app.backends.volume import Layout, layout_of
from storage_service.app.core.config import Settings
from storage_service.app.core.objects import Usage, now_ms
from storage_service.app.core.storage import ObjectStore
from storage_service.app.edge.names import iso
from storage_service.app.edge.observe import Gauge, Metrics, Snapshot, merge

SILENT_MS = 120_000  # without a pass although rows wait: the jobs process is stuck
PUBLISH_SECONDS = 1.0  # how old the counters of another worker may be


class Operations:
    """Answers for one worker, from the shared words, the disk and the catalog."""

    def __init__(self, settings: Settings, shared: Shared, metrics: Metrics, name: str, requests: Requests) -> None:
        self._requests = requests
        self._settings = settings
        self._layout = layout_of(settings.storage_path)
        self._shared = shared
        self.metrics = metrics
        self._file = self._layout.counters_of(name)
        self._history = UsageHistory(str(self._layout.usage_history))
        self.store: ObjectStore | None = None

    @property
    def operator(self) -> Operator:
        return Operator(self.health, self.gauges, self.counters, self.status, self.history, self._requests)

    def is_recovering(self) -> bool:
        """Whether the catalog is not open to anybody yet."""
        return self._shared[words.VOLUME] == words.REBUILDING

    async def health(self) -> Health:
        """Never fails: what cannot be found out is itself a problem."""
        return await asyncio.to_thread(self._health)

    def _health(self) -> Health:
        shared = self._shared
        problems = list(self._problems())
        ready = shared[words.VOLUME] == words.READY
        details: dict[str, object] = {
            "durability": self._settings.durability,
            "backlog_rows": shared.backlog_rows,
            "backlog_bytes": shared.backlog_bytes,
        }
        if shared[words.VOLUME] == words.REBUILDING:
            details["rebuild"] = {"done": shared[words.DONE], "total": shared[words.TOTAL]}
        if (lost := read_loss(self._layout)) is not None:
            details["lost_after"] = lost
        return Health("degraded" if problems else "healthy", ready, tuple(problems), details)

    def _problems(self) -> list[str]:
        shared, found = self._shared, []
        if shared[words.VOLUME] == words.REBUILDING:
            found.append(f"starting: {shared[words.DONE]} of {shared[words.TOTAL]} objects read")
        if shared[words.VOLUME] == words.READ_ONLY:
            found.append("the disk failed: read-only until it is checked and the service is restarted")
        if shared[words.VOLUME] == words.MOUNTED_READ_ONLY:
            found.append("the disk is mounted read-only: mount it for writing and restart the service")
        if parked := shared[words.PARKED_ROWS]:
            found.append(f"{parked} changes could not be written to files and were set aside; see `storage check`")
        if (lost := read_loss(self._layout)) is not None:
            found.append(f"the catalog was rebuilt; what was acknowledged after change {lost} and not settled is lost")
        if shared[words.CLOCK_PAUSED]:
            found.append("the wall clock jumped: clean-up and expiry wait until it is right")
        beat = shared[words.HEARTBEAT_MS]
        if shared.backlog_rows and beat and now_ms() - beat > SILENT_MS:
            found.append("nothing has been settled for two minutes")
        return found + self._disk_problems()

    def _disk_problems(self) -> list[str]:
        try:
            free = os.statvfs(self._layout.root)
        except OSError as error:
            return [f"the storage directory cannot be read: {error.strerror}"]
        found = []
        if free.f_bavail * free.f_frsize < self._settings.free_space_reserve_bytes:
            found.append("the disk is full: less is free than the reserve")
        if free.f_files and free.f_favail == 0:
            found.append("the disk has no inodes left")
        return found

    async def gauges(self) -> list[Gauge]:
        """Backlog, disk and usage now."""
        disk = await asyncio.to_thread(os.statvfs, self._layout.root)
        shared = self._shared
        found = [
            Gauge("storage_ready", "1 while requests are served", int(shared[words.VOLUME] == words.READY)),
            Gauge("storage_backlog_rows", "Commits that wait to be settled", shared.backlog_rows),
            Gauge("storage_backlog_bytes", "Bodies that wait to be settled", shared.backlog_bytes),
            Gauge("storage_backlog_limit_rows", "Commits that may wait", self._settings.backlog_rows),
            Gauge("storage_parked_rows", "Commits that could not be settled", shared[words.PARKED_ROWS]),
            Gauge("storage_disk_free_bytes", "Free space of the volume", disk.f_bavail * disk.f_frsize),
            Gauge(
                "storage_disk_reserve_bytes", "Space that writes leave free", self._settings.free_space_reserve_bytes
            ),
            Gauge("storage_disk_total_bytes", "Size of the volume", disk.f_blocks * disk.f_frsize),
            Gauge("storage_disk_total_inodes", "Inodes of the volume", disk.f_files),
            Gauge("storage_disk_free_inodes", "Free inodes of the volume", disk.f_favail),
            Gauge("storage_view_hidden", "Keys that cannot be shown as files", shared[words.VIEW_HIDDEN]),
            Gauge("storage_view_foreign", "Foreign files in the way of the view", shared[words.VIEW_FOREIGN]),
        ]
        return found + await self._usage()

    async def _usage(self) -> list[Gauge]:
        if self.store is None:
            return []
        usages = await self.store.usages("bucket")
        found = []
        for bucket in await self.store.list_buckets():
            if (usage := usages.get(str(bucket.id))) is not None:
                for name, value in usage._asdict().items():
                    gauge = f"storage_bucket_{name}"
                    found.append(Gauge(gauge, f"Usage of a bucket: {name}", value, {"bucket": bucket.name}))
        return found

    async def status(self) -> dict[str, Any]:
        """The disk, what waits to be settled, and what was begun and not finished; as JSON has it."""
        disk = await asyncio.to_thread(os.statvfs, self._layout.root)
        uploads, upload_bytes = (0, 0) if self.store is None else await self.store.open_uploads()
        shared = self._shared
        return {
            "disk": {
                "total_bytes": disk.f_blocks * disk.f_frsize,
                "free_bytes": disk.f_bavail * disk.f_frsize,
                "reserve_bytes": self._settings.free_space_reserve_bytes,
                "total_inodes": disk.f_files,
                "free_inodes": disk.f_favail,
            },
            "settle": {
                "rows": shared.backlog_rows,
                "limit_rows": self._settings.backlog_rows,
                "bytes": shared.backlog_bytes,
                "set_aside_rows": shared[words.PARKED_ROWS],
                "oldest_at": _iso(shared[words.OLDEST_MS]),
                "last_pass_at": _iso(shared[words.HEARTBEAT_MS]),
            },
            "view": {"hidden_keys": shared[words.VIEW_HIDDEN], "foreign_files": shared[words.VIEW_FOREIGN]},
            "uploads": {"open": uploads, "bytes": upload_bytes},
        }

    async def history(self, bucket: str, since_ms: int) -> list[tuple[int, Usage]]:
        """What a bucket (by uuid; empty = all) kept hour by hour."""
        return [
            (at_ms, usage) for at_ms, usage in await asyncio.to_thread(self._history.read, bucket, since_ms, now_ms())
        ]

    async def counters(self) -> Snapshot:
        """The counters of all workers since the service started, of those that died too; others' are at most a second
        old."""
        return await asyncio.to_thread(self._counters)

    def _counters(self) -> Snapshot:
        others = [path for path in self._layout.counters() if path.suffix == ".json" and path != self._file]
        return merge([self.metrics.snapshot(), *(_read(path) for path in others)])

    async def publish(self) -> None:
        """Keep this worker's counters where the others find them, until cancelled."""
        last: Snapshot | None = None
        while True:
            await asyncio.sleep(PUBLISH_SECONDS)
            snapshot = self.metrics.snapshot()
            if snapshot != last:
                with contextlib.suppress(OSError):  # a full disk: the others see older figures
                    await asyncio.to_thread(self._write, snapshot)
                    last = snapshot

    def _write(self, snapshot: Snapshot) -> None:
        temporary = self._file.with_suffix(".new")
        temporary.write_text(json.dumps(snapshot))
        temporary.replace(self._file)


def _iso(at_ms: int) -> str | None:
    return iso(at_ms) if at_ms else None


def _read(path: Path) -> Snapshot:
    try:
        found: Snapshot = json.loads(path.read_text())
    except (OSError, ValueError):
        return Metrics().snapshot()
    return found


def read_loss(layout: Layout) -> int | None:
    """The sequence behind which a rebuild may have lost what was acknowledged; None when nothing is known to be."""
    try:
        return int(json.loads(layout.loss.read_bytes())["lost_after"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return 0
