"""Parts written in place: joined without a copy where that is right, copied where it is not, never wrong."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from storage_service.app.backends import slots as slots_module
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.slots import CLAIM
from storage_service.app.backends.staged_parts import SlottedPart
from storage_service.app.core.errors import DamagedObject, InvalidRequest, NoSuchUpload
from storage_service.app.core.objects import Part
from tests.backends.slot_place import MTIME, UPLOAD, CountingDisk, Place, made_under, part_of


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of four bytes is large enough to begin with."""
    monkeypatch.setattr(slots_module, "MIN_PART_BYTES", 4)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return made_under(tmp_path)


def copied(place: Place) -> int:
    assert isinstance(place.disk, CountingDisk)
    return place.disk.copied


# Where nothing is copied --------------------------------------------------------------------------------------------


def test_equal_parts_in_any_order_become_the_object_where_they_lie(place: Place) -> None:
    two, one, three = place.put(2, b"BBBB"), place.put(1, b"AAAA"), place.put(3, b"cc")
    assert place.uploads.to_copy(UPLOAD, [one, two, three]) == 0
    assert place.join(one, two, three) == b"AAAABBBBcc"
    assert copied(place) == 0
    blob = place.disk.stat(place.blobs.path(place.blob))
    assert blob is not None
    assert (blob.size, blob.mtime_ns) == (10, MTIME)


def test_only_what_lies_elsewhere_is_copied_behind(place: Place) -> None:
    small = place.put(3, b"c")  # came first, and is too small to say how long a slot is
    one, two = place.put(1, b"AAAA"), place.put(2, b"BBBB")
    assert place.uploads.to_copy(UPLOAD, [one, two, small]) == 1
    assert place.join(one, two, small) == b"AAAABBBBc"
    assert copied(place) == 1


def test_part_of_its_own_alone_is_taken_as_it_is(place: Place) -> None:
    alone = place.put(7, b"x")
    assert place.uploads.to_copy(UPLOAD, [alone]) == 0
    assert place.join(alone) == b"x"
    assert copied(place) == 0


def test_refused_completion_leaves_the_parts_for_another(place: Place) -> None:
    one, two = place.put(1, b"AAAA"), place.put(2, b"BBBB")
    assert place.join(one, two) == b"AAAABBBB"
    place.uploads.disown(place.blob)
    three = place.put(3, b"CCCC")
    assert not isinstance(place.stage(4, 4), SlottedPart)
    assert place.join(one, two, three) == b"AAAABBBBCCCC"
    place.uploads.disown(place.blob)
    assert place.join(one, two) == b"AAAABBBB"
    assert copied(place) == 4


def test_part_that_failed_gives_its_slot_back(place: Place) -> None:
    one = place.put(1, b"AAAA")
    failed = place.stage(2, 4)
    failed.write(b"zz")
    failed.discard()
    two = place.put(2, b"BBBB")
    failed.discard()  # again, and late: the slot is another's now
    assert place.join(one, two) == b"AAAABBBB"
    assert copied(place) == 0


def test_slot_of_a_part_that_was_stored_but_did_not_come_to_count_stays_taken(place: Place) -> None:
    stored = place.stage(1, 4)
    stored.write(b"zzzz")
    stored.publish(part := part_of(1, b"zzzz"))
    stored.discard()
    one, two = place.put(1, b"AAAA"), place.put(2, b"BBBB")
    with pytest.raises(FileNotFoundError):
        place.join(part, two)
    assert place.join(one, two) == b"AAAABBBB"
    assert copied(place) == 8


def test_descriptor_that_is_not_to_be_had_leaves_the_slot_free(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    one = place.put(1, b"AAAA")
    with monkeypatch.context() as refused, pytest.raises(OSError, match="Too many"):
        refused.setattr(place.disk, "open_at", Mock(side_effect=OSError(errno.EMFILE, "Too many open files")))
        place.stage(2, 4)
    assert place.join(one, place.put(2, b"BBBB")) == b"AAAABBBB"
    assert copied(place) == 0


# Where it must be copied ----------------------------------------------------------------------------------------------


def put_twice(place: Place) -> list[Part]:
    place.uploads.discard(place.put(1, b"aaaa"))
    return [place.put(1, b"AAAA"), place.put(2, b"BBBB")]


def leave_one_out(place: Place) -> list[Part]:
    place.put(3, b"CCCC")
    return [place.put(1, b"AAAA"), place.put(2, b"BBBB")]


def still_written(place: Place) -> list[Part]:
    place.stage(3, 4).write(b"CC")
    return [place.put(1, b"AAAA"), place.put(2, b"BBBB")]


def shorter_one_between(place: Place) -> list[Part]:
    return [place.put(1, b"AAAA"), place.put(2, b"BBB"), place.put(3, b"CCCC")]


def only_the_second(place: Place) -> list[Part]:
    return [place.put(2, b"BBBB")]


def with_a_gap(place: Place) -> list[Part]:
    return [place.put(1, b"AAAA"), place.put(3, b"CCCC")]


def first_one_longer(place: Place) -> list[Part]:
    two = place.put(2, b"BBBB")
    return [place.put(1, b"AAAAAAAA"), two]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (put_twice, b"AAAABBBB"),
        (leave_one_out, b"AAAABBBB"),
        (still_written, b"AAAABBBB"),
        (shorter_one_between, b"AAAABBBCCCC"),
        (with_a_gap, b"AAAACCCC"),
        (only_the_second, b"BBBB"),
        (first_one_longer, b"AAAAAAAABBBB"),
    ],
)
def test_what_does_not_lie_in_a_row_is_copied(
    place: Place, make: Callable[[Place], list[Part]], expected: bytes
) -> None:
    parts = make(place)
    assert place.uploads.to_copy(UPLOAD, parts) == len(expected)
    assert place.join(*parts) == expected
    assert copied(place) == len(expected)


def test_who_still_writes_cannot_touch_the_object(place: Place) -> None:
    one, late = place.put(1, b"AAAA"), place.stage(2, 4)
    late.write(b"zz")
    assert place.join(one) == b"AAAA"
    late.write(b"zz")
    late.publish(part_of(2, b"zzzz"))
    assert place.bytes() == b"AAAA"


# Who gets a slot ------------------------------------------------------------------------------------------------------


def test_two_workers_never_write_to_one_slot(place: Place) -> None:
    other = Place(str(Path(place.directory).parents[2]), Disk())
    first, second = place.stage(1, 4), other.stage(1, 4)
    assert [type(one) is SlottedPart for one in (first, second)] == [True, False]
    second.write(b"BBBB")
    first.write(b"AAAA")
    latest = part_of(1, b"BBBB")
    second.publish(latest)
    first.publish(part_of(1, b"AAAA"))
    assert place.join(latest) == b"BBBB"


def test_byte_more_than_announced_is_refused_before_it_reaches_the_next_slot(place: Place) -> None:
    two = place.put(2, b"BBBB")
    one = place.stage(1, 4)
    one.write(b"AAA")
    with pytest.raises(InvalidRequest, match="longer than was announced"):
        one.write(b"AA")
    one.discard()
    assert place.join(two) == b"BBBB"


@pytest.mark.parametrize(("number", "size"), [(1, None), (1, 0), (1, 3), (1, 5), ((5 << 40) // 4 + 1, 4)])
def test_parts_without_a_slot_are_files_of_their_own(place: Place, number: int, size: int | None) -> None:
    if size != 3:
        place.put(2, b"BBBB")  # 4 bytes are a slot
    assert not isinstance(place.stage(number, size), SlottedPart)


def test_upload_of_an_earlier_release_goes_on_without_slots(place: Place) -> None:
    Path(place.directory, "slots").unlink()
    one, two = place.put(1, b"AAAA"), place.put(2, b"BBBB")
    assert place.join(one, two) == b"AAAABBBB"
    assert sorted(name for name in place.disk.names(place.directory) if name.startswith(CLAIM)) == []


def test_upload_that_was_aborted_takes_no_part(place: Place) -> None:
    staged = place.stage(1, 4)
    staged.write(b"AAAA")
    assert place.uploads.clear(UPLOAD)
    with pytest.raises(NoSuchUpload):
        staged.publish(part_of(1, b"AAAA"))
    assert not isinstance(place.stage(2, 4), SlottedPart)


def cut_slots(place: Place) -> None:
    Path(place.directory, "slots").write_bytes(b"AAA")


def damage_length(place: Place) -> None:
    path = Path(place.directory, "slot-bytes")
    path.chmod(0o600)
    path.write_text("four")


@pytest.mark.parametrize(
    "hurt",
    [
        cut_slots,
        damage_length,
        lambda place: Path(place.directory, "slots").unlink(),
        lambda place: Path(place.directory, "slot-bytes").unlink(),
    ],
    ids=["slots cut", "length damaged", "slots gone", "length gone"],
)
def test_damage_is_said_and_never_passed_on(place: Place, hurt: Callable[[Place], None]) -> None:
    one = place.put(1, b"AAAA")
    hurt(place)
    with pytest.raises(DamagedObject):
        place.join(one)
