"""A running service that is stopped at each disk call of an operation, and what a power cut there would have left.

The shim freezes every process at the call; then the image below the disk is copied as a cut would leave it, and the
service goes on by one call. So one run of the operation shows every cut, with bytes that a cut at that moment leaves:
`test_calibration.py` holds such copies against real cuts. Copies whose files are equal, byte for byte, are one start.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.catalog.auditing import Auditor
from storage_service.app.backends.check import Check
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.findings import Finding
from tests.power.door import Door
from tests.power.steps import LARGE, Change
from tests.support.cuts import CutDisk, CutValue, FileSystem, cut_disk
from tests.support.model import render_body
from tests.support.service import Service
from tests.support.shim import Shim, shim_over

BUCKET: Final = "stops"
QUIET_SECONDS: Final = 1.2  # settle looks ten times a second; a call too few would leave a stop point out
ANSWER_SECONDS: Final = 120.0
DISK_MIB: Final = 1024  # writes leave a reserve free
MADE_ANEW: Final = Path(".storage/run")  # by each start
ZEROS: Final = "ballast"
GRACE_MS: Final = 60_000  # the default


class Stop(NamedTuple):
    """Before one call: an image of what a cut left, and whether the operation had been acknowledged by then. Stops
    between which no write reached the disk have one image."""

    call: str
    image: Path
    acknowledged: bool


class Live:
    """The service that is stopped, and no other: what was left is looked at on other mounts, by other services."""

    def __init__(self, disk: CutDisk, service: Service, shim: Shim, images: Path) -> None:
        self.disk = disk
        self._service = service
        self._shim = shim
        self._images = images
        with self._door(BUCKET) as door:
            door.create_bucket().raise_for_status()
            door.put("beside", render_body("beside", LARGE)).raise_for_status()

    def _door(self, bucket: str) -> Door:
        return Door(self._service, bucket, timeout_seconds=ANSWER_SECONDS)

    def stops(self, change: Change, value: CutValue) -> list[Stop]:
        """Run the operation until it is settled, stopped before each of its disk calls."""
        with self._door(change.bucket()) as door:
            change.prepare(door)
            self._shim.wait_until_quiet(QUIET_SECONDS, timeout_seconds=60.0)
            asking = _Asking(change, door)
            self._shim.arm(1, "freeze")
            try:
                asking.start()
                stops = list(self._each_stop(asking, value))
            finally:
                self._shim.disarm()
                asking.join()
            assert asking.succeeded, "it was refused"
            return stops

    def _each_stop(self, asking: _Asking, value: CutValue) -> Iterator[Stop]:
        deadline, written_ns, image = time.monotonic() + ANSWER_SECONDS, 0, self._images
        while (is_frozen := self._shim.wait_until_frozen(QUIET_SECONDS)) or not asking.answered:
            assert time.monotonic() < deadline, "the operation does not come to an end"
            if not is_frozen:
                continue
            at = self._shim.stop_at
            if value == 1 or self.disk.written_ns != written_ns:
                image = self._images / f"{at}-{value}.img"
                self.disk.copy_as_cut(value, image)
                written_ns = self.disk.written_ns
            yield Stop(" ".join(self._shim.log(at, at)[0]), image, asking.succeeded)
            self._shim.thaw_one()


class _Asking(threading.Thread):
    """One request, and whether its answer has come."""

    def __init__(self, change: Change, door: Door) -> None:
        super().__init__(daemon=True)
        self._change = change
        self._door = door
        self.answered = False
        self.succeeded = False

    def run(self) -> None:
        try:
            self.succeeded = self._change.run(self._door).is_success
        except httpx.TransportError:
            self.succeeded = False
        self.answered = True


@contextmanager
def live_on(
    kind: FileSystem, directory: Path, environment: Mapping[str, str] | None = None, python_path: Iterable[Path] = ()
) -> Iterator[Live]:
    """A fresh service on a disk of this kind."""
    images = directory / "images"
    images.mkdir()
    with cut_disk(directory, kind, DISK_MIB) as disk:
        (data := disk.mount_point / "data").mkdir()
        with (
            shim_over(disk.mount_point, directory) as shim,
            Service(data, directory, 1, shim.environment() | dict(environment or {}), python_path) as service,
        ):
            yield Live(disk, service, shim, images)


class Seen(NamedTuple):
    """Of all stops of an operation: how many, how many different ones, and after how many of those it was done."""

    stops: int
    different: int
    done: int


def start_after_each(stops: list[Stop], change: Change, kind: FileSystem, directory: Path) -> Seen:
    """Start a service on what each cut left; everything that `change` demands must hold, and `check` find no damage."""
    seen: set[str] = set()
    done = 0
    # Of equal ones the last: it may be the one that was acknowledged.
    for stop in reversed({stop.image: stop for stop in stops}.values()):
        disk = CutDisk(kind, stop.image, directory / "after")
        with disk.mounted() as root:
            tree = tree_of(root / "data")
            if tree not in seen:
                seen.add(tree)
                done += _start_after(stop, change, root / "data", directory)
        stop.image.unlink()
    return Seen(len(stops), len(seen), done)


def _start_after(stop: Stop, change: Change, data: Path, logs: Path) -> bool:
    service = Service(data, logs)
    try:
        with service, Door(service, change.bucket()) as door:
            done = change.finish(door, stop.acknowledged)
            found = damages(data)
            assert found == [], found
            service.kill_all()
    except AssertionError as error:
        error.add_note(f"stopped before: {stop.call}; acknowledged: {stop.acknowledged}")
        raise
    return done


def damages(data: Path) -> list[Finding]:
    """What `storage check --deep` names, without a process of its own for each of hundreds of starts."""
    auditor = Auditor(str(data / ".storage/catalog.db"))
    try:
        return Check(auditor, LocalBlobs(str(data), Disk()), GRACE_MS, deep=True).run().problems
    finally:
        auditor.close()


def tree_of(data: Path) -> str:
    """A digest of all that a start can see: names, kinds, links, bytes, and the times of objects."""
    digest = hashlib.blake2b()
    inodes: dict[int, str] = {}
    for path in sorted(data.rglob("*")):
        name, found = path.relative_to(data), path.lstat()
        if name.is_relative_to(MADE_ANEW):
            continue
        first = inodes.setdefault(found.st_ino, str(name))
        is_object = name.parts[0] != ".storage" and path.is_file()
        digest.update(repr((str(name), found.st_mode, first, found.st_mtime_ns if is_object else 0)).encode())
        if path.is_file() and first == str(name) and name.name != ZEROS:
            digest.update(path.read_bytes())
            digest.update(os.fsencode(f"{found.st_size}"))
    return digest.hexdigest()
