"""The parts that settle, clear and repair, from plain values: the jobs process has them, recovery and CLI for a while.

Imports no settings library, no event loop and no web: the jobs process stays small.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.catalog.schema import Durability
from storage_service.app.backends.catalog.settling import Progress, Settling
from storage_service.app.backends.disk import Disk, ScratchDisk
from storage_service.app.backends.settle import Settler
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.view import View, has_reflinks
from storage_service.app.backends.volume import Layout, SettledNote, keep_settled, layout_of, try_lock
from storage_service.app.core.decision import Keeping

PLAN_VARIABLE = "STORAGE_PLAN"


@dataclass(frozen=True, slots=True)
class Plan:
    """What keeping a directory takes. Times in milliseconds, sizes in bytes; JSON as it stands."""

    root: str
    durability: Durability
    gid: int | None
    grace_ms: int
    trash_ms: int
    feed_ms: int
    reserve_bytes: int
    first_buckets: list[tuple[str, bool]]  # name, public

    @property
    def keeping(self) -> Keeping:
        return Keeping(self.grace_ms, self.trash_ms)

    @property
    def layout(self) -> Layout:
        return layout_of(Path(self.root))

    def as_variable(self) -> dict[str, str]:
        """For the environment of a process that calls `read_plan`."""
        return {PLAN_VARIABLE: json.dumps(asdict(self))}


def read_plan() -> Plan:
    """The plan that whoever started this process has put into its environment."""
    return Plan(**json.loads(os.environ[PLAN_VARIABLE]))


def make_disk(durability: Durability) -> Disk:
    return ScratchDisk() if durability == "scratch" else Disk()


def make_blobs(plan: Plan) -> LocalBlobs:
    return LocalBlobs(plan.root, make_disk(plan.durability), plan.gid)


@dataclass(slots=True)
class Keeper:
    """What settles and clears."""

    layout: Layout
    catalog: Settling
    blobs: LocalBlobs
    disk: Disk
    settler: Settler
    shared: Shared
    view: View

    def close(self) -> None:
        self.catalog.close()


def make_keeper(plan: Plan) -> Keeper:
    """Opens the catalog; only where it is whole."""
    layout, blobs = plan.layout, make_blobs(plan)
    disk, shared = blobs.disk, Shared(layout.shared)
    catalog = Settling(str(layout.catalog), str(layout.commit_lock))
    view = View(blobs, disk, reflinks=has_reflinks(str(layout.run), disk))

    def note(progress: Progress, epoch: str) -> None:
        keep_settled(layout, disk, SettledNote(*progress), epoch)

    settler = Settler(catalog, blobs, disk, view, shared, note)
    return Keeper(layout, catalog, blobs, disk, settler, shared, view)


def dead_workers(layout: Layout) -> list[Path]:
    """Staging directories whose worker is gone: its lock is free."""
    gone = []
    for path in layout.staging.iterdir():
        lock_path = layout.run / f"worker-{path.name}.lock"
        lock = try_lock(lock_path)
        if lock is not None:
            lock_path.unlink(missing_ok=True)
            (layout.run / f"requests-{path.name}.ring").unlink(missing_ok=True)
            os.close(lock)
            gone.append(path)
    return gone
