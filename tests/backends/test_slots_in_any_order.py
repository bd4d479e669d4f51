"""Parts in place under anything that may come between: other writers, refused completions, power cuts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage_service.app.backends import slots as slots_module
from storage_service.app.backends.blobs import LocalBlobs, read_file
from storage_service.app.backends.slots import Slots
from storage_service.app.backends.staged_parts import StagedPart
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import BlobName, Part
from tests.backends.slot_place import UPLOAD, Place, made_under, part_of
from tests.backends.weak_kinds import DIRECTORIES, ROOT, STAGING, NoDataSync, NoDirectorySync
from tests.support.crash_states import crash_states
from tests.support.weakdisk import PowerCut, WeakDisk

UPLOADS = f"{ROOT}/.storage/uploads"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of four bytes is large enough to begin with."""
    monkeypatch.setattr(slots_module, "MIN_PART_BYTES", 4)


class SlotMachine(RuleBasedStateMachine):
    """Writers come, write in pieces, publish or fail; completions come in between, are refused, or end it all."""

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self._kept = tempfile.TemporaryDirectory()
        self.place = made_under(Path(self._kept.name))
        self.writing: list[tuple[StagedPart, int, bytes, int]] = []
        self.stored: dict[int, tuple[Part, bytes]] = {}
        self.object: bytes | None = None
        self._letters: Iterator[int] = iter(range(1, 1 << 20))

    def teardown(self) -> None:
        if hasattr(self, "_kept"):
            self._kept.cleanup()

    @rule(number=st.integers(1, 4), size=st.sampled_from([1, 3, 4, 4, 4, 6, 8]), known=st.booleans())
    def start(self, number: int, size: int, known: bool) -> None:
        staged = self.place.stage(number, size if known or size == 4 else None)
        self.writing.append((staged, number, bytes([next(self._letters) % 256]) * size, 0))

    @precondition(lambda self: self.writing)
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.writing) - 1))
        staged, number, body, done = self.writing[at]
        staged.write(body[done : done + 2])
        self.writing[at] = (staged, number, body, done + 2)

    @precondition(lambda self: self.writing)
    @rule(data=st.data(), fails=st.sampled_from([False, False, True]))
    def finish(self, data: st.DataObject, fails: bool) -> None:
        staged, number, body, done = self.writing.pop(data.draw(st.integers(0, len(self.writing) - 1)))
        if fails:
            staged.discard()
            return
        staged.write(body[done:])
        part = part_of(number, body)
        staged.publish(part)
        if self.object is None:
            if number in self.stored:
                self.place.uploads.discard(self.stored[number][0])
            self.stored[number] = (part, body)

    @precondition(lambda self: self.stored and self.object is None)
    @rule(data=st.data(), refused=st.sampled_from([True, True, False]))
    def complete(self, data: st.DataObject, refused: bool) -> None:
        numbers = sorted(data.draw(st.sets(st.sampled_from(sorted(self.stored)), min_size=1)))
        chosen = [self.stored[number] for number in numbers]
        expected = b"".join(body for _, body in chosen)
        assert self.place.join(*[part for part, _ in chosen]) == expected
        if refused:
            self.place.uploads.disown(self.place.blob)
        else:
            self.object = expected

    @invariant()
    def object_stays(self) -> None:
        if getattr(self, "object", None) is not None:
            assert self.place.bytes() == self.object

    @invariant()
    def parts_stay(self) -> None:
        for part, body in getattr(self, "stored", {}).values():
            piece = Slots(self.place.directory, self.place.disk).find(part)
            assert Path(piece.path).read_bytes()[piece.offset : piece.offset + piece.size] == body


SlotMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestSlotMachine = SlotMachine.TestCase


# Power cuts -----------------------------------------------------------------------------------------------------------


class Story:
    """What was promised before the power went."""

    def __init__(self, disk: WeakDisk) -> None:
        self.disk = disk
        self.parts: dict[int, tuple[Part, bytes]] = {}
        self.object: bytes | None = None
        self.blob: BlobName | None = None

    def tell(self) -> None:
        place = Place(ROOT, self.disk)
        place.begin()
        for number, body in ((1, b"AAAA"), (2, b"BBBB"), (3, b"c")):
            self.parts[number] = (place.put(number, body), body)
        place.join(*[part for part, _ in self.parts.values()])
        self.object, self.blob = b"AAAABBBBc", place.blob

    def broken_in(self, state: WeakDisk) -> bool:
        """Whether a part that was acknowledged, or the object, is not there with all its bytes."""
        try:
            for part, body in self.parts.values():
                piece = Slots(f"{UPLOADS}/{UPLOAD}", state).find(part)
                if read_file(state, piece.path)[piece.offset : piece.offset + piece.size] != body:
                    return True
            if self.blob is not None:
                return read_file(state, LocalBlobs(ROOT, state).path(self.blob)) != self.object
        except (FileNotFoundError, DamagedObject):
            return True
        return False


def broken_states(kind: type[WeakDisk]) -> int:
    broken, cut, done = 0, 0, False
    while not done:
        disk = kind(*DIRECTORIES, STAGING, UPLOADS)
        disk.cut_at = disk.calls + cut
        story = Story(disk)
        try:
            story.tell()
            done = True
        except PowerCut:
            cut += 1
        broken += sum(story.broken_in(state) for state in crash_states(disk, 4, cut))
    assert cut > 50
    return broken


def test_no_cut_takes_an_acknowledged_part_or_the_object() -> None:
    assert broken_states(WeakDisk) == 0


@pytest.mark.parametrize("kind", [NoDataSync, NoDirectorySync])
def test_disk_that_does_not_sync_is_caught(kind: type[WeakDisk]) -> None:
    assert broken_states(kind) > 0
