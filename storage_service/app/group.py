"""One service on a directory: the processes that belong together hold one lock, and nobody else gets in.

A group has an id: the supervisor's, or that of uvicorn's parent process. Its first member finds the directory free.
"""

import fcntl
import json
import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path

from storage_service.app.backends.shared import REBUILDING, VOLUME, Shared
from storage_service.app.backends.volume import Layout, VolumeRefused, try_lock, wait_lock

GROUP_VARIABLE = "STORAGE_GROUP"  # set by the supervisor for its children


def group_id() -> str:
    """The same for all processes of one service."""
    if given := os.environ.get(GROUP_VARIABLE):
        return given
    parent = multiprocessing.parent_process()  # uvicorn --workers spawns; a lone uvicorn has no such parent
    return f"uvicorn-{parent.pid if parent else os.getpid()}"


@dataclass(frozen=True, slots=True)
class Membership:
    """Holds the lock until the process ends. `first`: nobody has recovered this directory yet."""

    first: bool
    descriptor: int


def join(layout: Layout, group: str) -> Membership:
    """Become a member.

    Raises:
        VolumeRefused: another service has this directory.
    """
    start = wait_lock(layout.start_lock)
    try:
        alone = try_lock(layout.serve_lock)
        if alone is not None:
            return _found(layout, group, alone)
        member = try_lock(layout.serve_lock, shared=True)
        owner = _owner(_group_file(layout))
        if member is None or owner.get("group") != group:
            if member is not None:
                os.close(member)
            raise VolumeRefused(
                f"{layout.root} is already served by another process (pid {owner.get('pid', 'unknown')}); stop it first"
            )
        return Membership(False, member)
    finally:
        os.close(start)


def _found(layout: Layout, group: str, descriptor: int) -> Membership:
    """The first member: say who we are, and close the doors until recovery is done. Counters begin anew."""
    Shared.create(layout.shared)[VOLUME] = REBUILDING
    for counted in layout.counters():
        counted.unlink()
    _group_file(layout).write_text(json.dumps({"group": group, "pid": os.getpid()}))
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # under the start lock, so nobody slips in between
    return Membership(True, descriptor)


def _group_file(layout: Layout) -> Path:
    return layout.run / "group.json"


def _owner(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
