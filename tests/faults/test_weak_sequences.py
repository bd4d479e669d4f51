"""P3: any sequence of changes, passes and power cuts on the simulated weak disk, where any part of what was not synced
may survive. What was settled is told by the files alone, and settling once more mends the rest."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage_service.app.backends.settle import Settler
from storage_service.app.core.errors import StorageError
from storage_service.app.core.objects import BlobName
from tests.backends.test_weak_passes import NoSecondSync, current, large, recovered
from tests.backends.weak_kinds import DIRECTORIES, ROOT, NoWholeSync
from tests.support.changing import NOW, copy, delete, patch, put
from tests.support.crash_states import crash_states
from tests.support.rows import TRASH_MS
from tests.support.store import Store
from tests.support.weakdisk import PowerCut, WeakDisk

BUCKETS: Final = {1: "photos", 2: "versioned"}
KEYS: Final = ("a", "b", "a/b")
STATES: Final = 8  # of those that a cut may leave, looked at each time; one of them goes on
LATER: Final = NOW + TRASH_MS + 1


class Step(NamedTuple):
    """`cut`: the call of the disk before which the power goes; None: it stays."""

    kind: str
    bucket: int
    key: str
    other: str
    cut: int | None
    seed: int


CHANGES: Final = ("small", "small", "large", "delete", "copy", "move", "patch")
steps: Final = st.lists(
    st.builds(
        Step,
        st.sampled_from((*CHANGES, "settle", "settle", "garbage")),
        st.sampled_from(tuple(BUCKETS)),
        st.sampled_from(KEYS),
        st.sampled_from(KEYS),
        st.none() | st.integers(0, 60),
        st.integers(0, 1 << 16),
    ),
    min_size=4,
    max_size=14,
)


class Machine:
    """A store that lives through cuts. The catalog is SQLite's matter and keeps what it committed."""

    def __init__(self, root: Path, kind: type[WeakDisk] = WeakDisk, settler: type[Settler] = Settler) -> None:
        self._root = root
        self._kind = kind
        self._settler = settler
        self._number = 0
        self.wrong: list[str] = []
        self._open(kind(*DIRECTORIES, f"{ROOT}/.storage/trash"))
        self.store.bucket("photos")
        self.store.bucket("versioned", versioning="on")

    def _open(self, disk: WeakDisk) -> None:
        disk.__class__ = self._kind
        self._disk = disk
        self.store = Store(self._root, disk, ROOT)

    def close(self) -> None:
        self.store.close()

    def do(self, step: Step) -> None:
        act: Callable[[Step], object] = {"settle": self._settle, "garbage": self._clear}.get(step.kind, self._change)
        if step.cut is None:
            act(step)
            return
        self._disk.cut_at = self._disk.calls + step.cut
        with contextlib.suppress(PowerCut):
            act(step)
        self._reboot(step.seed)

    def _settle(self, _: Step) -> None:
        self.store.make_settler(self._settler).run_pass()

    def _clear(self, _: Step) -> None:
        self.store.garbage.run(LATER)

    def _change(self, step: Step) -> None:
        """Refused where there is nothing to change, as it should be."""
        self._number += 1
        body = f"{step.key} {self._number}".encode()
        with contextlib.suppress(StorageError):
            match step.kind:
                case "small":
                    self.store.commit(put(step.bucket, step.key, body))
                case "large":
                    self.store.commit(large(self.store, step.bucket, step.key, body))
                case "delete":
                    self.store.commit(delete(step.bucket, step.key))
                case "patch":
                    self.store.commit(patch(step.bucket, step.key, {"tags": {"t": str(self._number)}}))
                case _:
                    self._copy(step)

    def _copy(self, step: Step) -> None:
        found = self.store.find(step.bucket, step.key)
        if found is None or step.key == step.other:
            return
        change = copy(found.version, step.bucket, step.other, move=step.kind == "move", linked=found.body is None)
        origin = f"{self.store.settling.open_buckets()[step.bucket].uuid}/{found.version.version_id}"
        doc = orjson.dumps({**orjson.loads(found.version.doc), "copied_from": origin}).decode()  # as `copy_draft` does
        change = change._replace(draft=change.draft._replace(doc=doc))
        if found.body is None:
            name = BUCKETS[step.bucket]
            self.store.blobs.copy(BlobName(name, found.version.version_id), BlobName(name, change.draft.version_id))
        self.store.commit(change)

    def _reboot(self, seed: int) -> None:
        owed = {row.key for row in self.store.settling.owed(1_000, 1 << 20)}
        settled = {place: body for place, body in current(self.store).items() if place[1] not in owed}
        left = list(crash_states(self._disk, STATES, seed, STATES))
        for state in left:
            found = recovered(state)
            self.wrong += [
                f"{place} was {body!r}, is {found.get(place)!r}"
                for place, body in settled.items()
                if found.get(place) != body
            ]
            self.wrong += [
                f"{place} is back" for place in found.keys() - current(self.store).keys() if place[1] not in owed
            ]
        self.store.close()
        self._open(left[seed % len(left)])

    def end(self) -> None:
        """All that was committed is there, by the catalog and by the files alone."""
        self._kind = WeakDisk
        self._reboot(0)
        for _ in range(3):
            self.store.settle()
        if self.store.owed():
            self.wrong.append(f"owed {self.store.owed()}")
        if (found := recovered(self._disk)) != (expected := current(self.store)):
            self.wrong.append(f"{found} instead of {expected}")


@contextlib.contextmanager
def machine(root: Path, **mutant: type) -> Iterator[Machine]:
    shutil.rmtree(root, ignore_errors=True)
    made = Machine(root, **mutant)
    try:
        yield made
    finally:
        made.close()


def run(root: Path, plan: list[Step], **mutant: type) -> list[str]:
    with machine(root, **mutant) as made:
        for step in plan:
            made.do(step)
        made.end()
        return made.wrong


@pytest.mark.parametrize("examples", [60, pytest.param(3_000, marks=[pytest.mark.full, pytest.mark.timeout(3600)])])
def test_any_sequence_of_changes_and_cuts_keeps_what_was_settled(tmp_path: Path, examples: int) -> None:
    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(steps)
    def check(plan: list[Step]) -> None:
        assert run(tmp_path / "store", plan) == []

    check()


@pytest.mark.parametrize(
    ("mutant", "kinds"),
    [({"kind": NoWholeSync}, ["small"]), ({"settler": NoSecondSync}, ["small", "settle", "delete"])],
    ids=["no sync", "no second sync"],
)
def test_sequence_shows_a_sync_that_is_missing(tmp_path: Path, mutant: dict[str, type], kinds: list[str]) -> None:
    """These, settled; and then the power goes."""
    settle = Step("settle", 1, "a", "a", 1_000, 0)
    plan = [*(settle._replace(kind=kind, cut=None) for kind in kinds), settle]
    assert run(tmp_path / "sound", plan) == []
    assert run(tmp_path / "mutant", plan, **mutant) != []
