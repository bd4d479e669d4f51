"""P3: the power goes before every call of the disk, and of what was not synced any part survives.

Each promise is held against the code as it is, and against mutants that must be caught.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from storage_service.app.backends.blobs import BLOB_MODE, BUCKET_SIDECAR, LocalBlobs, is_intact
from storage_service.app.backends.disk import Disk, published
from storage_service.app.backends.local import StagedFile
from storage_service.app.core.objects import BlobName, new_id
from tests.backends.weak_kinds import DIRECTORIES, ROOT, STAGING, NoDataSync, NoDirectorySync, RenameBeforeSync, read
from tests.support.changing import NOW
from tests.support.crash_states import crash_states
from tests.support.weakdisk import PowerCut, WeakDisk

BODY, MTIME = b"all of these bytes", NOW * 1_000_000
BLOB = BlobName("photos", new_id())


def test_weak_disk_has_every_call_of_the_real_one_and_the_same_shape() -> None:
    for name, call in inspect.getmembers(Disk, inspect.isfunction):
        if not name.startswith("_"):
            assert name in vars(WeakDisk), name
            assert list(inspect.signature(vars(WeakDisk)[name]).parameters) == list(inspect.signature(call).parameters)


def test_weak_disk_forgets_what_was_not_synced_and_keeps_what_was() -> None:
    disk = WeakDisk(ROOT)
    fd = disk.create(f"{ROOT}/a", 0o600)
    disk.write(fd, b"12345678")
    states = {read(state, f"{ROOT}/a") for state in crash_states(disk, 20)}
    assert states == {None, b"", b"12345678", b"1234\0\0\0\0"}
    disk.sync_data(fd)
    assert {read(state, f"{ROOT}/a") for state in crash_states(disk, 20)} == {None, b"12345678"}
    disk.sync_dir(ROOT)
    disk.rename(f"{ROOT}/a", f"{ROOT}/b")
    both = {(read(state, f"{ROOT}/a"), read(state, f"{ROOT}/b")) for state in crash_states(disk, 20)}
    assert both == {(b"12345678", None), (None, b"12345678")}  # a rename is kept or lost as a whole
    disk.sync_fs(ROOT)
    assert [read(state, f"{ROOT}/b") for state in crash_states(disk, 20)] == [b"12345678"] * 3


# One call -----------------------------------------------------------------------------------------------------------

Act = Callable[[WeakDisk], None]
Holds = Callable[[WeakDisk, bool], bool]  # of what is left; with whether the call had returned


def violations(make: Callable[[], WeakDisk], act: Act, holds: Holds) -> int:
    """States, of all that a cut before any call of `act` may leave, in which the promise does not hold."""
    wrong, cut, returned = 0, 0, False
    while not returned:
        disk = make()
        disk.cut_at = disk.calls + cut
        try:
            act(disk)
            returned = True
        except PowerCut:
            cut += 1
        wrong += sum(not holds(state, returned) for state in crash_states(disk, 8, cut))
    return wrong


def disk_of(kind: type[WeakDisk], *extra: str) -> Callable[[], WeakDisk]:
    return lambda: kind(*DIRECTORIES, *extra)


def publish(disk: WeakDisk) -> None:
    blobs = LocalBlobs(ROOT, disk)
    staged = StagedFile(f"{STAGING}/1.{BLOB.version_id}", blobs, disk)
    staged.write(BODY[:5])
    staged.write(BODY[5:])
    staged.publish(BLOB, MTIME)


def is_published(disk: WeakDisk, returned: bool) -> bool:
    """Whole, or (before it was said to be safe) absent."""
    blobs = LocalBlobs(ROOT, disk)
    found = blobs.stat(BLOB)
    if found is None:
        return not returned
    return is_intact(found, len(BODY), MTIME) and read(disk, blobs.path(BLOB)) == BODY


def publish_beside_another(disk: WeakDisk) -> None:
    """Another process made the directories a moment ago and has not synced them yet."""
    for path in ("photos", "photos/.blobs", f"photos/.blobs/{BLOB.version_id[-2:]}"):
        disk.make_dir(f"{ROOT}/{path}")
    publish(disk)


def write_bucket_sidecar(disk: WeakDisk) -> None:
    LocalBlobs(ROOT, disk).write_bucket_sidecar("photos", BODY)


def has_bucket_sidecar(disk: WeakDisk, returned: bool) -> bool:
    found = read(disk, f"{ROOT}/photos/{BUCKET_SIDECAR}")
    return found == BODY or (found is None and not returned)


def replace_bucket_sidecar(disk: WeakDisk) -> None:
    cut, disk.cut_at = disk.cut_at, None
    before = disk.calls
    LocalBlobs(ROOT, disk).write_bucket_sidecar("photos", b"the old word")
    disk.sync_fs(ROOT)
    disk.cut_at = None if cut is None else cut + disk.calls - before
    write_bucket_sidecar(disk)


def has_old_or_new_sidecar(disk: WeakDisk, returned: bool) -> bool:
    found = read(disk, f"{ROOT}/photos/{BUCKET_SIDECAR}")
    return found == BODY or (found == b"the old word" and not returned)


def replace_file(disk: WeakDisk) -> None:
    with published(disk, f"{ROOT}/note", BLOB_MODE) as fd:
        disk.write(fd, BODY)
    disk.sync_dir(ROOT)


def has_file(disk: WeakDisk, returned: bool) -> bool:
    found = read(disk, f"{ROOT}/note")
    return found == BODY or (found is None and not returned)


CALLS: list[tuple[Act, Holds]] = [
    (publish, is_published),
    (publish_beside_another, is_published),
    (write_bucket_sidecar, has_bucket_sidecar),
    (replace_bucket_sidecar, has_old_or_new_sidecar),
    (replace_file, has_file),
]
NAMES = [act.__name__ for act, _ in CALLS]


@pytest.mark.parametrize(("act", "holds"), CALLS, ids=NAMES)
def test_call_cut_anywhere_is_whole_or_absent_and_safe_once_it_returned(act: Act, holds: Holds) -> None:
    assert violations(disk_of(WeakDisk), act, holds) == 0


@pytest.mark.parametrize("mutant", [NoDirectorySync, NoDataSync, RenameBeforeSync])
@pytest.mark.parametrize(("act", "holds"), CALLS, ids=NAMES)
def test_call_without_its_syncs_in_order_is_caught(mutant: type[WeakDisk], act: Act, holds: Holds) -> None:
    assert violations(disk_of(mutant), act, holds) > 0
