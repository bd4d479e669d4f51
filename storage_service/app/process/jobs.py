"""The jobs process: `python -m storage_service.app.process.jobs`. It recovers first, if it is told to."""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable

import apsw

from storage_service.app.backends import shared as words
from storage_service.app.backends.garbage import Garbage
from storage_service.app.backends.key_lists import StoredLists
from storage_service.app.backends.recovery import sweep_staging
from storage_service.app.backends.settle import MOST_ROWS, RETRY_SECONDS
from storage_service.app.backends.upkeep import Upkeep
from storage_service.app.backends.upload_files import LocalUploads
from storage_service.app.backends.upload_garbage import UploadGarbage
from storage_service.app.backends.usage_history import UsageHistory
from storage_service.app.backends.volume import Layout, VolumeRefused, try_lock
from storage_service.app.core.objects import now_ms
from storage_service.app.group import group_id, join
from storage_service.app.jobs.clock import ServiceClock
from storage_service.app.jobs.loop import Loop, Timer
from storage_service.app.keeping import Keeper, Plan, dead_workers, make_keeper, read_plan
from storage_service.app.process.agreement import REFUSED, THOROUGH_VARIABLE
from storage_service.app.process.recover import recover
from storage_service.app.process.system import die_with_parent

log = logging.getLogger(__name__)

NICE = 10  # requests come first
LAST_PASSES = 20  # at the end, so that a stop leaves little for the next start


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    die_with_parent()
    plan = read_plan()
    layout = plan.layout
    lock = try_lock(layout.jobs_lock)
    if lock is None:
        return 0  # somebody does it already
    os.nice(NICE)
    try:
        join(layout, group_id())
        keeper = _open(plan, layout)
    except VolumeRefused as error:
        print(f"storage: {error}", file=sys.stderr)  # as the launcher says what it refuses
        return REFUSED
    can_write = layout.elsewhere is None
    loop = (
        Loop(keeper.shared, lambda: keeper.settler.run_pass().settled, _timers(plan, keeper), _clock())
        if can_write
        else Loop(keeper.shared, lambda: 0, [], _clock())
    )
    signal.signal(signal.SIGTERM, lambda *_: loop.stop())
    signal.signal(signal.SIGINT, lambda *_: loop.stop())
    loop.run()
    if can_write:
        _finish(keeper)
    keeper.close()
    return 0


def _open(plan: Plan, layout: Layout) -> Keeper:
    """Recover, unless the doors are open already: then a predecessor died, and only its numbers are set right."""
    shared = words.Shared(layout.shared)
    if shared[words.VOLUME] == words.REBUILDING:
        return recover(plan, shared, thorough=THOROUGH_VARIABLE in os.environ)
    keeper = make_keeper(plan)
    keeper.settler.show_again()
    return keeper


def _clock() -> ServiceClock:
    return ServiceClock(now_ms)


def _timers(plan: Plan, keeper: Keeper) -> list[Timer]:
    garbage = Garbage(keeper.catalog, keeper.blobs, keeper.disk)
    upkeep = Upkeep(
        keeper.layout,
        keeper.catalog,
        garbage,
        keeper.disk,
        keeper.shared,
        plan.keeping,
    )
    upkeep.recount()
    files = LocalUploads(str(keeper.layout.uploads), keeper.blobs, "")  # nothing is staged here
    history = UsageHistory(str(keeper.layout.usage_history))
    with contextlib.suppress(OSError, apsw.Error):  # a full disk: at the next hour
        history.sample(keeper.catalog, now_ms())
    uploads = UploadGarbage(keeper.catalog, files, keeper.blobs, plan.keeping)
    return [
        Timer(1.0, upkeep.expire, deletes=True),
        Timer(2.0, unless_held(keeper.layout, garbage.run), deletes=True),
        Timer(1.0, lambda _: uploads.clear()),
        Timer(5.0, uploads.expire, deletes=True),
        Timer(60.0, uploads.sweep, deletes=True),
        Timer(5.0, lambda _: _sweep(keeper)),
        Timer(RETRY_SECONDS, lambda _: keeper.settler.show_late()),
        Timer(5.0, unless_held(keeper.layout, lambda now: upkeep.keep_reserve(plan.reserve_bytes, now))),
        Timer(10.0, lambda _: upkeep.recount()),
        Timer(10.0, unless_held(keeper.layout, lambda now: _remove_buckets(plan, garbage, now)), deletes=True),
        Timer(60.0, lambda now: history.sample(keeper.catalog, now), deletes=True),
        Timer(600.0, StoredLists(keeper.layout).remove_old, deletes=True),
        Timer(60.0, lambda now: upkeep.trim(plan.feed_ms, now), deletes=True),
    ]


def unless_held(layout: Layout, job: Callable[[int], object]) -> Callable[[int], None]:
    """The job, left out while a backup copies what it might remove."""

    def run(now_ms: int) -> None:
        lock = try_lock(layout.garbage_lock)
        if lock is not None:
            try:
                job(now_ms)
            finally:
                os.close(lock)

    return run


def _remove_buckets(plan: Plan, garbage: Garbage, now_ms: int) -> None:
    garbage.remove_buckets(now_ms - plan.keeping.longest_ms)


def _sweep(keeper: Keeper) -> None:
    """Conclude the intents of a worker that died while the service goes on."""
    gone = dead_workers(keeper.layout)
    if gone:
        sweep_staging(keeper.catalog, keeper.blobs, gone)


def _finish(keeper: Keeper) -> None:
    """Settle what is left and write the WAL back, as far as that is quick."""
    try:
        for _ in range(LAST_PASSES):
            if not keeper.settler.run_pass(MOST_ROWS).settled:
                break
        keeper.catalog.checkpoint()
    except (OSError, apsw.Error) as error:  # of the disk; the next start goes on from here
        log.error("the last settling: %s: %s; everything is kept", type(error).__name__, error)


if __name__ == "__main__":
    sys.exit(main())
