"""Faults of the directory: whose it is, what disk it lies on, what the clock says."""

import json
import os
import pwd
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from storage_service.app.backends.volume import Layout
from storage_service.app.core.config import Settings
from storage_service.app.process.doctor.fault import Fault

AHEAD_SECONDS = 300  # what two honest clocks may differ by, and then some
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
OVER_A_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "ceph"})
UNSAFE = frozenset({"data=writeback", "nobarrier", "barrier=0"})  # a power cut may then leave old bytes in new files


class Mount(NamedTuple):
    kind: str
    options: frozenset[str]


def faults(settings: Settings) -> Iterator[Fault]:
    layout = Layout(settings.storage_path)
    try:
        owner = layout.root.stat().st_uid
        if owner != os.geteuid():
            yield _owned_by(layout.root, owner)
            return
        record = json.loads(layout.identity.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        detail = f"{layout.root} holds no storage: the disk is not mounted, or the service was never started"
        yield Fault("store_missing", detail, "mount it, set STORAGE_PATH, or start the service once")
        return
    except (PermissionError, ValueError) as error:
        yield Fault("store_unreadable", f"{layout.identity}: {error}", "run `storage doctor` as the service's user")
        return
    yield from _identity(settings, layout, record)
    yield from _modes(settings, layout)
    yield from _disk(settings, layout.root)
    yield from _clock(layout, record)


def _owned_by(root: Path, owner: int) -> Fault:
    try:
        name = f"{pwd.getpwuid(owner).pw_name} ({owner})"
    except KeyError:
        name = str(owner)
    me = os.geteuid()
    fix = f"run this, and the service, as user {owner}; or chown -R {me}:{os.getegid()} {root}"
    return Fault("store_owner", f"{root} belongs to {name}, and this runs as user {me}", fix)


def _identity(settings: Settings, layout: Layout, record: dict[str, object]) -> Iterator[Fault]:
    if settings.storage_id is not None and record.get("id") != settings.storage_id:
        detail = f"{layout.root} is storage {record.get('id')}, and STORAGE_ID is {settings.storage_id}"
        yield Fault("store_other", detail, "mount the right disk, or correct STORAGE_ID")


def _modes(settings: Settings, layout: Layout) -> Iterator[Fault]:
    if stat.S_IMODE(layout.service.stat().st_mode) & 0o077:
        detail = f"{layout.service} is open to other users: catalog, keys and unfinished uploads lie there"
        yield Fault("service_files_open", detail, f"chmod 700 {layout.service}")
    if not os.access(layout.root, os.W_OK | os.X_OK):
        yield Fault("store_closed", f"{layout.root} cannot be written", f"chmod u+rwx {layout.root}")
    group = settings.storage_gid
    if group is None:
        return
    found = layout.root.stat()
    if found.st_gid != group or not found.st_mode & stat.S_ISGID or not found.st_mode & 0o010:
        detail = (
            f"STORAGE_GID is {group}, and that group cannot read the files in {layout.root}: nginx sends none of them"
        )
        fix = "put the service's user into that group (SupplementaryGroups= of the unit) and restart it"
        yield Fault("group_shut_out", detail, fix)


def _disk(settings: Settings, root: Path) -> Iterator[Fault]:
    free = os.statvfs(root)
    left, reserve = free.f_bavail * free.f_frsize, settings.free_space_reserve_bytes
    if left < reserve:
        detail = f"{left >> 20} MiB are free on the disk of {root}; below {reserve >> 20} MiB writes are refused"
        yield Fault("disk_full", detail, "make room, or lower FREE_SPACE_RESERVE_BYTES")
    if free.f_files and free.f_favail == 0:
        yield Fault(
            "disk_inodes", f"the disk of {root} has no inodes left", "remove files, or make the disk anew with more"
        )
    if free.f_flag & os.ST_RDONLY:
        yield Fault(
            "disk_read_only", f"{root} is mounted read-only", "mount it for writing; look at dmesg for the cause"
        )
    mount = mount_of(root)
    if mount.kind in IN_MEMORY and settings.durability != "scratch":
        detail = f"{root} lies in memory ({mount.kind}): a restart of the machine loses everything"
        yield Fault("disk_memory", detail, "set STORAGE_PATH to a real disk, or DURABILITY=scratch to say it is meant")
    if mount.kind in OVER_A_NETWORK:
        detail = f"{root} lies on {mount.kind}: such file systems may lose what they acknowledged"
        yield Fault("disk_network", detail, "use a local disk")
    if unsafe := UNSAFE & mount.options:
        detail = f"{root} is mounted with {', '.join(sorted(unsafe))}: a power cut can damage what was acknowledged"
        yield Fault("disk_unsafe", detail, "mount it without")


def mount_of(path: Path) -> Mount:
    """The file system that holds it. Source: proc_pid_mountinfo(5)."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if fields[2] == number:
            return Mount(rest[0], frozenset({*fields[5].split(","), *rest[2].split(",")}))
    return Mount("unknown", frozenset())


def _clock(layout: Layout, record: dict[str, object]) -> Iterator[Fault]:
    made = record.get("created_ms")
    stamps = [made / 1000] if isinstance(made, int) else []
    stamps += [path.stat().st_mtime for path in (layout.catalog, layout.settled) if path.exists()]
    ahead = max(stamps, default=0.0) - time.time()
    if ahead > AHEAD_SECONDS:
        detail = f"the store was written {int(ahead) // 60} minutes from now: this machine's clock is behind"
        yield Fault("clock_behind", detail, "set the clock (NTP), then restart the service")
