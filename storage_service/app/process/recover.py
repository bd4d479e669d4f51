"""Recovery of a directory, once for each start of a service, before anything is served."""

import contextlib
import logging
import time

from storage_service.app.backends import shared as words
from storage_service.app.backends.rebuild import Rebuild
from storage_service.app.backends.recovery import examine, make_fresh, settle_all, sweep_staging
from storage_service.app.backends.sharing import share_store
from storage_service.app.backends.volume import Layout, VolumeRefused, fill_ballast
from storage_service.app.core.changes import CreateBucket
from storage_service.app.core.decision import Moment
from storage_service.app.core.objects import BucketOptions, new_id, now_ms
from storage_service.app.keeping import Keeper, Plan, dead_workers, make_blobs, make_keeper

log = logging.getLogger(__name__)


def recover(plan: Plan, shared: words.Shared, *, thorough: bool = False) -> Keeper:
    """Make the catalog whole, conclude what the last run left behind, settle it, and open the volume.

    Raises:
        VolumeRefused: a newer format.
    """
    started = time.monotonic()
    layout = plan.layout
    if layout.elsewhere is not None:
        return _open_copy(plan, shared)
    rebuilt = _make_whole(plan, layout, shared, thorough=thorough)
    keeper = make_keeper(plan)
    swept = sweep_staging(keeper.catalog, keeper.blobs, dead_workers(layout), undo=not rebuilt)
    settled = settle_all(keeper.catalog, keeper.settler, shared)
    create_first_buckets(plan, keeper)
    if plan.gid is not None:
        share_store(plan.root, plan.gid)
    with contextlib.suppress(OSError):
        fill_ballast(layout, keeper.disk.free_bytes(str(layout.root)))
    shared[words.VOLUME] = words.READY
    log.info("ready after %.2f s: %d intents, %d rows settled", time.monotonic() - started, swept, settled)
    return keeper


def _open_copy(plan: Plan, shared: words.Shared) -> Keeper:
    """The disk cannot be written: what its catalog knows is served from a copy, and nothing is settled.

    Raises:
        VolumeRefused: the catalog is not whole.
    """
    layout = plan.layout
    verdict = examine(layout)
    if verdict != "whole":
        raise VolumeRefused(f"{layout.root} is mounted read-only and its catalog is {verdict}: mount it for writing")
    make_fresh(layout)
    keeper = make_keeper(plan)
    keeper.settler.show_again()
    shared[words.VOLUME] = words.MOUNTED_READ_ONLY
    log.warning("the disk is mounted read-only: reads are served, writes get 503")
    return keeper


def _make_whole(plan: Plan, layout: Layout, shared: words.Shared, *, thorough: bool) -> bool:
    """Whether the catalog had to be rebuilt."""
    verdict = examine(layout, thorough=thorough)
    if verdict in {"fresh", "whole"}:
        make_fresh(layout)  # of one that is whole: the tables that newer releases added
    elif verdict != "whole":
        log.error("catalog: %s; it is set aside and rebuilt from the sidecars", verdict)
        rebuild(plan, shared, salvage=verdict == "damaged")
    return verdict not in {"fresh", "whole"}


def rebuild(plan: Plan, shared: words.Shared, *, salvage: bool) -> dict[str, object]:
    """Rebuild from sidecars; what `storage reindex` runs. The result as plain values."""
    layout = plan.layout
    blobs = make_blobs(plan)
    report = Rebuild(layout, blobs, blobs.disk, shared, plan.trash_ms).run(salvage=salvage)
    layout.catalog.chmod(0o600)
    return report._asdict()


def create_first_buckets(plan: Plan, keeper: Keeper) -> None:
    """STORAGE_BUCKETS, those that are not there yet. They belong to the service itself."""
    there = {bucket.name for bucket in keeper.catalog.open_buckets().values()}
    at_ms = now_ms()
    changes = [
        CreateBucket(name, new_id(), "@service", BucketOptions(public=public), "start", at_ms)
        for name, public in plan.first_buckets
        if name not in there
    ]
    if not changes:
        return
    keeper.catalog.apply(changes, lambda sequence: Moment(at_ms, sequence, plan.keeping))
    keeper.shared.add(words.BUCKETS, 1)
    settle_all(keeper.catalog, keeper.settler, keeper.shared)
