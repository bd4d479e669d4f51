"""`storage backup` and `storage restore`: replicas of a store under names that tell their time, and back again.

TARGET/backups.json                    whose backups these are
TARGET/2026-11-21T10-00-00Z/           one backup: a store itself, with a catalog, blobs and sidecars
TARGET/.unfinished-<id>/               what an interrupted run left; the next one goes on with it
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from storage_service.app.backends import shared as words
from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.bringing import is_inside
from storage_service.app.backends.disk import Disk, published
from storage_service.app.backends.replica import Earlier, Made, Options, Replica, read_note
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.view_rebuild import ViewRebuild
from storage_service.app.backends.volume import Layout, try_lock, wait_lock
from storage_service.app.core.objects import new_id, now_ms
from storage_service.app.keeping import Plan
from storage_service.app.process.admin import (
    Refused,
    alone,
    auditor_of,
    check_ready,
    is_served,
    load_settings,
    open_store,
)
from storage_service.app.process.recover import recover
from storage_service.app.wiring import plan_of

FORMAT = 1  # of a place of backups
PLACE, MANIFEST = "backups.json", "backup.json"
UNFINISHED = ".unfinished-"
NAME = "%Y-%m-%dT%H-%M-%SZ"
NICE = 10  # requests come first
START_SECONDS = 300.0  # for a service that starts
LOOK_SECONDS = 0.2

Progress = Callable[[int], None]


class Wanted(NamedTuple):
    """A backup to be made. `keep`: how many there are to be afterwards; None = all."""

    target: Path
    keep: int | None = None
    link: bool = False
    secrets: bool = True


# Backup -----------------------------------------------------------------------------------------------------------


def backup(wanted: Wanted, progress: Progress) -> dict[str, Any]:
    """Make one, with a running service or without. What `Made` says, with `name`, `path` and `removed` backups.

    Raises: Refused.
    """
    plan, layout = open_store()
    target = wanted.target.absolute()
    if is_inside(str(target), str(layout.root)) or is_inside(str(layout.root), str(target)):
        raise Refused(f"{target} and {layout.root} may not lie in one another")
    with _refusing(target), _place(target, layout):
        os.nice(NICE)
        _settle_first(plan, layout)
        held = wait_lock(layout.garbage_lock, shared=True)
        try:
            name, made = _make(layout, target, wanted, progress)
        finally:
            os.close(held)
        removed = _prune(target, wanted.keep)
    return {"name": name, "path": str(target / name), **_record(made), "removed": removed}


def _settle_first(plan: Plan, layout: Layout) -> None:
    """Without a service: have a catalog that is whole, and as much as possible in files. One that starts is waited for.

    Raises: Refused.
    """
    deadline = time.monotonic() + START_SECONDS
    while is_served(layout):
        if Shared(layout.shared)[words.VOLUME] != words.REBUILDING:
            return
        if time.monotonic() > deadline:
            check_ready(layout)
        time.sleep(LOOK_SECONDS)
    with alone(layout) as shared:
        keeper = recover(plan, shared)
        keeper.catalog.checkpoint()
        keeper.close()


@contextlib.contextmanager
def _refusing(place: Path) -> Iterator[None]:
    """What disk and catalog say, in one line."""
    try:
        yield
    except OSError as error:
        raise Refused(f"{place}: {error.strerror or error}; what was done so far is kept for the next run") from None
    except apsw.Error as error:
        raise Refused(f"the catalog cannot be copied: {error}") from None


@contextlib.contextmanager
def _place(target: Path, layout: Layout) -> Iterator[None]:
    """A directory for backups of this store, alone. Raises: Refused."""
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    identity = read_note(layout.identity).get("id")
    note = read_note(target / PLACE)
    if not note:
        if _names(target) - {".lock", "lost+found"}:
            raise Refused(f"{target} holds something else: name an empty directory")
        _write(target / PLACE, {"format": FORMAT, "store": identity})
    elif note.get("store") != identity:
        raise Refused(f"{target} holds backups of another store ({note.get('store')})")
    lock = try_lock(target / ".lock")
    if lock is None:
        raise Refused(f"another backup to {target} is under way")
    try:
        yield
    finally:
        os.close(lock)


def _make(layout: Layout, target: Path, wanted: Wanted, progress: Progress) -> tuple[str, Made]:
    leftovers = sorted(target.glob(f"{UNFINISHED}*"))
    finished = backups_in(target)
    earlier = [_earlier(target / name, finished=True) for name in reversed(finished[-1:])]
    earlier += [_earlier(path, finished=False) for path in leftovers]
    unfinished = target / f"{UNFINISHED}{new_id()}"
    unfinished.mkdir(mode=0o750)
    made = Replica(layout, Layout(unfinished), earlier, Options(wanted.link, wanted.secrets, progress)).run()
    name = time.strftime(NAME, time.gmtime())
    while (target / name).exists():  # two within a second
        time.sleep(0.2)
        name = time.strftime(NAME, time.gmtime())
    _write(Layout(unfinished).service / MANIFEST, {"format": FORMAT, "made_ms": now_ms(), **_record(made)})
    unfinished.rename(target / name)
    Disk().sync_dir(str(target))
    for path in leftovers:
        shutil.rmtree(path)
    return name, made


def _earlier(path: Path, *, finished: bool) -> Earlier:
    layout = Layout(path)
    sequence = read_note(layout.service / MANIFEST).get("sequence", -1) if finished else -1
    epoch = str(read_note(layout.settled).get("epoch"))
    return Earlier(LocalBlobs(str(path), Disk()), int(str(sequence)), epoch, finished)


def _record(made: Made) -> dict[str, Any]:
    return made._asdict() | {"damaged": [damaged._asdict() for damaged in made.damaged]}


def backups_in(target: Path) -> list[str]:
    """Names of finished backups, oldest first."""
    return sorted(path.parents[1].name for path in target.glob(f"[0-9]*/.storage/{MANIFEST}"))


def _prune(target: Path, keep: int | None) -> list[str]:
    removed = backups_in(target)[:-keep] if keep else []
    for name in removed:
        doomed = target / f"{UNFINISHED}{name}"  # half removed it must not look like a backup
        (target / name).rename(doomed)
        shutil.rmtree(doomed)
    return removed


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def _write(path: Path, record: dict[str, Any]) -> None:
    disk = Disk()
    with published(disk, str(path), 0o600) as fd:
        disk.write(fd, json.dumps(record, indent=2, ensure_ascii=False).encode() + b"\n")
    disk.sync_dir(str(path.parent))


# Restore ----------------------------------------------------------------------------------------------------------


def restore(source: Path, name: str | None, progress: Progress) -> dict[str, Any]:
    """Fill STORAGE_PATH, which must be empty, from a backup: the newest, or the one of this name.

    An interrupted one is begun again and goes on where it was; until it has ended nothing serves the directory.
    Raises: Refused.
    """
    plan = plan_of(load_settings())
    layout, origin = plan.layout, _choose(source.absolute(), name)
    with _refusing(layout.root):
        _begin(layout, origin)
        with alone(layout) as shared:
            made = Replica(Layout(origin), layout, [], Options(link=False, secrets=True, progress=progress)).run()
            _finish(plan, layout, shared)
    return {"name": origin.name, "path": str(layout.root), **_record(made)}


def _choose(source: Path, name: str | None) -> Path:
    """The directory of one backup; `source` may be the place of many, or one itself."""
    if (source / ".storage" / MANIFEST).exists() and name is None:
        return source
    names = backups_in(source)
    if not names:
        raise Refused(f"{source} holds no finished backup")
    if name is not None and name not in names:
        raise Refused(f"{source} holds no backup {name}; there are {', '.join(names)}")
    return source / (name or names[-1])


def _begin(layout: Layout, origin: Path) -> None:
    """Raises: Refused where something else is."""
    layout.root.mkdir(parents=True, exist_ok=True, mode=0o750)
    note = read_note(layout.restoring)
    if note and note.get("from") != str(origin):
        raise Refused(f"{layout.root} is half restored from {note.get('from')}: go on with that, or empty it")
    if not note and _names(layout.root) - {"lost+found"}:
        raise Refused(f"{layout.root} is not empty: name an empty directory in STORAGE_PATH")
    if is_inside(str(layout.root), str(origin)):
        raise Refused(f"{layout.root} lies in the backup itself")
    for path in (layout.service, layout.run):
        path.mkdir(exist_ok=True, mode=0o700)
    _write(layout.restoring, {"from": str(origin)})


def _finish(plan: Plan, layout: Layout, shared: Shared) -> None:
    """The history that follows is another than the one the source went on with: so it has an epoch of its own."""
    keeper = recover(replace(plan, first_buckets=[]), shared)
    try:
        keeper.catalog.set_state("epoch", new_id())
        with auditor_of(layout) as auditor:
            ViewRebuild(auditor, keeper.blobs, keeper.view).run()
        keeper.disk.sync_fs(str(layout.root))
        keeper.catalog.checkpoint()
    finally:
        keeper.close()
    layout.restoring.unlink()
    Disk().sync_dir(str(layout.service))
