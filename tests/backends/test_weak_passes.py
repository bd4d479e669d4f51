"""P3 of whole passes: the power goes anywhere in settling and in garbage; mutants of them must be caught."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from storage_service.app.backends.blobs import BUCKET_SIDECAR, LocalBlobs, is_intact
from storage_service.app.backends.local import StagedFile
from storage_service.app.backends.settle import MOST_BYTES, MOST_ROWS, Pass, Settler
from storage_service.app.core import sidecar
from storage_service.app.core.changes import DeleteBucket, PutVersion
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import ANY_WRITE, BlobName, Version, new_id
from tests.backends.weak_kinds import DIRECTORIES, ROOT, STAGING, NoWholeSync, read
from tests.support.changing import ACTOR, NOW, copy, delete, draft, patch, put
from tests.support.crash_states import crash_states
from tests.support.rows import TRASH_MS
from tests.support.store import Store, opened
from tests.support.weakdisk import PowerCut, WeakDisk

BODY, MTIME = b"all of these bytes", NOW * 1_000_000
BLOB = BlobName("photos", new_id())


class MarkBeforeSync(Settler):
    def run_pass(self, most_rows: int = MOST_ROWS) -> Pass:
        rows = self._catalog.owed(most_rows, MOST_BYTES)
        self._refresh_buckets(rows)
        written, failed, replaced = self._write(rows)
        self._mark(written, failed)
        self._finish(replaced)
        return Pass(len(written), len(failed))

    def _finish(self, replaced: dict[str, str]) -> None:
        self._disk.sync_fs(self._blobs.root)
        for temporary, path in replaced.items():
            self._disk.rename(temporary, path)
        self._disk.sync_fs(self._blobs.root)


class RenameSidecarsBeforeSync(MarkBeforeSync):
    """A version is said to be dead before its successor is safe."""

    def _mark(self, written, failed) -> None:  # type: ignore[no-untyped-def]
        self._waiting = (written, failed)

    def _finish(self, replaced: dict[str, str]) -> None:
        for temporary, path in replaced.items():
            self._disk.rename(temporary, path)
        self._disk.sync_fs(self._blobs.root)
        super()._mark(*self._waiting)


class NoSecondSync(RenameSidecarsBeforeSync):
    def _finish(self, replaced: dict[str, str]) -> None:
        self._disk.sync_fs(self._blobs.root)
        for temporary, path in replaced.items():
            self._disk.rename(temporary, path)
        Settler._mark(self, *self._waiting)


Bodies = dict[tuple[str, str], bytes | None]


class Filled(NamedTuple):
    """A store with settled objects and changes that wait; the bodies before those and after."""

    root: Path
    disk: WeakDisk
    before: Bodies
    after: Bodies


def large(store: Store, bucket: int, key: str, body: bytes) -> PutVersion:
    """A put whose blob lies ready, as a worker leaves it."""
    version = draft(bucket, key, len(body), etag=body.decode())
    staged = StagedFile(f"{STAGING}/1.{version.version_id}", store.blobs, store.disk)
    staged.write(body)
    staged.publish(store.blob(version), MTIME)
    staged.keep()
    return PutVersion(version, None, ACTOR, ANY_WRITE)


def fill_first(store: Store) -> None:
    store.bucket("photos")
    store.bucket("versioned", versioning="on")
    store.bucket("leaving")
    store.commit_all([put(1, key, f"old {key}".encode()) for key in ("kept", "over", "gone", "patched", "moved")])
    store.commit_all([put(2, "v", b"v1"), put(2, "v", b"v2"), put(3, "x", b"gone with its bucket")])
    store.commit(large(store, 1, "large", b"large old"))


def fill_second(store: Store) -> None:
    """One change of each kind, some of the same key in one pass."""
    store.commit(large(store, 1, "large", b"large new"))
    store.commit(put(1, "over", b"new over"))
    store.commit(put(1, "over", b"newer over"))
    store.commit(delete(1, "gone"))
    store.commit(put(1, "made", b"made"))
    store.commit(patch(1, "patched", {"tags": {"t": "1"}}))
    moved = store.find(1, "moved")
    assert moved is not None
    move = copy(moved.version, 1, "target", move=True, linked=True)
    store.blobs.copy(BlobName("photos", moved.version.version_id), BlobName("photos", move.draft.version_id))
    store.commit(move)
    store.commit(delete(2, "v"))
    store.commit(put(2, "w", b"w1"))
    store.commit(delete(2, "w", None))
    store.commit(DeleteBucket(3, ACTOR, NOW, force=True))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    root = tmp_path_factory.mktemp("weak") / "template"
    disk = WeakDisk(*DIRECTORIES, f"{ROOT}/.storage/trash")
    with opened(root, disk, ROOT) as store:
        fill_first(store)
        store.settle(2)
        assert store.owed() == []
        before = recovered(disk)
        fill_second(store)
        after = current(store)
    return Filled(root, disk.copy(), before, after)


def current(store: Store) -> Bodies:
    """Every key the catalog has and its body, which its ETag tells."""
    names = {bucket.id: bucket.name for bucket in store.reader.buckets()}
    rows = store.everything()["heads"]
    return {(names[row[0]], row[1]): row[5].encode() for row in rows if row[0] in names}


def recovered(disk: WeakDisk) -> Bodies:
    """What a catalog made again from this disk alone would say: per key the highest `sequence` that is whole and has
    no `removed_sequence`."""
    blobs = LocalBlobs(ROOT, disk)
    found: dict[tuple[str, str], Version] = {}
    for bucket in set(disk.names(ROOT)) - {".storage"}:
        if read(disk, f"{ROOT}/{bucket}/{BUCKET_SIDECAR}") is None:
            continue
        for version in living(blobs, bucket):
            newest = found.get((bucket, version.key))
            if newest is None or newest.sequence < version.sequence:
                found[bucket, version.key] = version
    return {place: one.etag.encode() for place, one in found.items() if not one.is_marker}


def living(blobs: LocalBlobs, bucket: str) -> Iterator[Version]:
    """Versions whose sidecar and bytes are whole, and that are not said to be dead."""
    for version_id, is_sidecar in blobs.version_ids(bucket):
        with contextlib.suppress(DamagedObject):
            if is_sidecar:
                record = sidecar.parse_file(blobs.read_sidecar(BlobName(bucket, version_id)))
                version = sidecar.version_of(record, 1)
                if version.gone_sequence is None and (version.is_marker or is_whole(blobs, bucket, version)):
                    yield version


def is_whole(blobs: LocalBlobs, bucket: str, version: Version) -> bool:
    blob = BlobName(bucket, version.version_id)
    found = blobs.stat(blob)
    intact = found is not None and is_intact(found, version.size, version.mtime_ns)
    return intact and read(blobs.disk, blobs.path(blob)) == version.etag.encode()


class Kinds(NamedTuple):
    """What is tried: the product, or a mutant of it."""

    disk: type[WeakDisk] = WeakDisk
    settler: type[Settler] = Settler


class Cut(NamedTuple):
    root: Path  # of the catalog as it is at the cut
    disk: WeakDisk
    calls: int
    waiting: set[str | None]  # keys with something owed


def cut_pass(filled: Filled, root: Path, kinds: Kinds, number: int | None) -> Cut:
    """A pass that is cut before its call of this number, or not at all."""
    shutil.copytree(filled.root, root)
    disk = filled.disk.copy()
    disk.__class__ = kinds.disk
    with opened(root, disk, ROOT) as store:
        start = disk.calls
        disk.cut_at = None if number is None else start + number
        with contextlib.suppress(PowerCut):
            store.make_settler(kinds.settler).run_pass()
        owed = store.settling.owed(1000, 1 << 20)
    return Cut(root, disk, disk.calls - start, {row.key for row in owed} | {None})


def broken_promises(filled: Filled, work: Path, kinds: Kinds, every: int = 1, most_singles: int = 1000) -> list[str]:
    """What a lost catalog would cost beyond the backlog, and what settling again does not mend. The last cuts first:
    there something is at stake."""
    whole = cut_pass(filled, work / "whole", kinds, None)
    wrong: list[str] = []
    for number in range(whole.calls, -1, -every):
        cut = cut_pass(filled, work / f"cut-{number}", kinds, number)
        for index, state in enumerate(crash_states(cut.disk, 10, number, most_singles)):
            wrong += missing(filled, recovered(state), cut.waiting)
            if index % 13 == 3:
                wrong += not_mended(filled, cut.root, state)
            if wrong:
                return wrong
        shutil.rmtree(cut.root)
    return wrong


def missing(filled: Filled, found: Bodies, waiting: set[str | None]) -> list[str]:
    """Of keys with nothing owed the new state stands; of the others the old or a new one, if there was one in both."""
    wrong = []
    for place in filled.before.keys() | filled.after.keys():
        old, new, now = filled.before.get(place), filled.after.get(place), found.get(place)
        if place[0] == "leaving":
            continue
        if place[1] not in waiting:
            if now != new:
                wrong.append(f"{place} was settled, and is {now!r} instead of {new!r}")
        elif old is not None and new is not None and now not in {old, b"new over", new}:
            wrong.append(f"{place} is neither old nor new but {now!r}")
    return wrong


def not_mended(filled: Filled, root: Path, state: WeakDisk) -> list[str]:
    again = root.with_name(f"{root.name}-again")
    shutil.copytree(root, again)
    disk = state.copy()
    disk.__class__ = WeakDisk
    with opened(again, disk, ROOT) as store:
        store.settle(2)
        left = store.owed()
    shutil.rmtree(again)
    found = recovered(disk)
    return [] if (found, left) == (filled.after, []) else [f"settled again: owed {left}, {found} not {filled.after}"]


def test_pass_cut_anywhere_loses_nothing_that_was_settled_and_mends_the_rest(filled: Filled, tmp_path: Path) -> None:
    assert broken_promises(filled, tmp_path, Kinds(), every=7, most_singles=5) == []


@pytest.mark.ci
def test_pass_cut_before_every_call(filled: Filled, tmp_path: Path) -> None:
    assert broken_promises(filled, tmp_path, Kinds()) == []


@pytest.mark.parametrize(
    "kinds",
    [
        Kinds(NoWholeSync),
        Kinds(settler=MarkBeforeSync),
        Kinds(settler=RenameSidecarsBeforeSync),
        Kinds(settler=NoSecondSync),
    ],
    ids=["no sync", "mark before sync", "rename before sync", "no second sync"],
)
def test_pass_with_its_steps_out_of_order_is_caught(filled: Filled, tmp_path: Path, kinds: Kinds) -> None:
    assert broken_promises(filled, tmp_path, kinds, most_singles=12) != []


def garbage_cut(filled: Filled, work: Path, kind: type[WeakDisk]) -> int:
    """States in which a sidecar outlived its blob, or a second run does not finish."""
    wrong, number, ended = 0, 0, False
    later = NOW + TRASH_MS + 1
    root = work / "settled"
    shutil.copytree(filled.root, root)
    disk = filled.disk.copy()
    with opened(root, disk, ROOT) as store:
        store.settle(2)
    while not ended:
        again, cut = work / f"garbage-{number}", disk.copy()
        shutil.copytree(root, again)
        cut.__class__ = kind
        with opened(again, cut, ROOT) as store:
            cut.cut_at = cut.calls + number
            try:
                assert store.garbage.run(later) > 0
                ended = True
            except PowerCut:
                number += 1
        for state in crash_states(cut, 4, number):
            wrong += len(lonely_sidecars(state))
        shutil.rmtree(again)
    return wrong


def lonely_sidecars(disk: WeakDisk) -> set[str]:
    blobs = LocalBlobs(ROOT, disk)
    names = set(blobs.version_ids("photos"))
    return {version_id for version_id, is_sidecar in names if is_sidecar and (version_id, False) not in names}


def test_garbage_cut_anywhere_leaves_no_sidecar_without_its_blob(filled: Filled, tmp_path: Path) -> None:
    assert garbage_cut(filled, tmp_path, WeakDisk) == 0


def test_garbage_that_does_not_sync_between_is_caught(filled: Filled, tmp_path: Path) -> None:
    assert garbage_cut(filled, tmp_path, NoWholeSync) > 0
