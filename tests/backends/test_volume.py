"""The directory itself: what is refused, its identity, locks, ballast, the note of what is settled; shared words."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from storage_service.app.backends import shared as words
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.pressure import Backlog, DiskVolume
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.volume import (
    BALLAST_BYTES,
    Layout,
    SettledNote,
    VolumeRefused,
    fill_ballast,
    keep_settled,
    open_volume,
    release_ballast,
    settled_note,
    try_lock,
)
from storage_service.app.core.objects import is_uuid, now_ms


def test_identity_is_made_once_and_kept(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "data"
    identity = open_volume(root, None)
    assert is_uuid(identity)
    assert open_volume(root, None) == open_volume(root, identity) == identity
    assert Layout(root).service.stat().st_mode & 0o777 == 0o700
    assert Layout(root).identity.stat().st_mode & 0o777 == 0o600


def test_directory_that_is_not_the_one_asked_for_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "not mounted"
    with pytest.raises(VolumeRefused, match="is the disk mounted"):
        open_volume(empty, "0b9f2f6e")
    assert not empty.exists()  # nothing is written under the mount point
    other = open_volume(tmp_path / "other", None)
    with pytest.raises(VolumeRefused, match=f"is storage {other}, not"):
        open_volume(tmp_path / "other", "0b9f2f6e")


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"id":"x"}', "damaged"),
        ('{"format":99,"id":"x"}', "upgrade the service"),
        ('{"format":"1","id":"x"}', "upgrade the service"),
    ],
)
def test_identity_that_cannot_be_read_is_refused_and_left_as_it_is(tmp_path: Path, record: str, why: str) -> None:
    open_volume(tmp_path, None)
    Layout(tmp_path).identity.write_text(record)
    with pytest.raises(VolumeRefused, match=why):
        open_volume(tmp_path, None)
    assert Layout(tmp_path).identity.read_text() == record


def test_directory_of_minio_is_refused_with_the_command_that_brings_it_in(tmp_path: Path) -> None:
    (tmp_path / ".minio.sys").mkdir()
    with pytest.raises(VolumeRefused, match="storage import "):
        open_volume(tmp_path, None)
    assert not Layout(tmp_path).service.exists()


def test_path_below_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VolumeRefused, match="STORAGE_PATH") as refused:
        open_volume(tmp_path / "file" / "data", None)
    assert "\n" not in str(refused.value)


def test_lock_is_had_by_one_and_shared_by_several(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = try_lock(path)
    assert first is not None and try_lock(path) is None and try_lock(path, shared=True) is None
    os.close(first)
    readers = [try_lock(path, shared=True), try_lock(path, shared=True)]
    assert None not in readers and try_lock(path) is None
    for fd in readers:
        os.close(fd or 0)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"sequence":1}', '{"sequence":"x","whole":1}'])
def test_note_that_is_missing_or_torn_says_nothing(tmp_path: Path, text: str | None) -> None:
    open_volume(tmp_path, None)
    if text is not None:
        Layout(tmp_path).settled.write_text(text)
    assert settled_note(Layout(tmp_path)) == SettledNote(0, None)


def test_note_is_kept(tmp_path: Path) -> None:
    open_volume(tmp_path, None)
    keep_settled(Layout(tmp_path), Disk(), SettledNote(7, 5), "epoch")
    assert settled_note(Layout(tmp_path)) == SettledNote(7, 5)
    assert json.loads(Layout(tmp_path).settled.read_bytes())["epoch"] == "epoch"


def test_ballast_is_laid_down_where_there_is_room_and_given_up_once(tmp_path: Path) -> None:
    open_volume(tmp_path, None)
    layout = Layout(tmp_path)
    fill_ballast(layout, 8 * BALLAST_BYTES - 1)
    assert not layout.ballast.exists()
    fill_ballast(layout, 8 * BALLAST_BYTES)
    assert layout.ballast.stat().st_size == BALLAST_BYTES
    assert [release_ballast(layout), release_ballast(layout)] == [True, False]


# Words that all processes share -------------------------------------------------------------------------------------


def test_words_are_seen_by_every_process_that_maps_them_and_begin_at_zero(tmp_path: Path) -> None:
    first = Shared.create(tmp_path / "shared")
    second = Shared(tmp_path / "shared")
    first.add(words.COMMITTED_ROWS, 5)
    second[words.SETTLED_ROWS] = 2
    assert (second.backlog_rows, first.backlog_rows) == (3, 3)
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o600
    again = Shared.create(tmp_path / "shared")
    assert (again.backlog_rows, first.backlog_rows) == (0, 3)  # who still maps the old one keeps it


def test_backlog_is_never_negative(tmp_path: Path) -> None:
    shared = Shared.create(tmp_path / "shared")
    shared[words.SETTLED_ROWS] = shared[words.SETTLED_BYTES] = 9
    assert (shared.backlog_rows, shared.backlog_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("rows", "size", "age_ms", "behind"),
    [
        (0, 0, 0, False),
        (10, 100, 1_000, False),
        (11, 0, 0, True),
        (1, 101, 0, True),
        (1, 0, 60_000, True),
        (0, 0, 60_000, False),  # nothing waits: an old word means nothing
    ],
)
def test_volume_is_behind_by_rows_bytes_or_seconds(
    tmp_path: Path, rows: int, size: int, age_ms: int, behind: bool
) -> None:
    shared = Shared.create(tmp_path / "shared")
    volume = DiskVolume(str(tmp_path), Disk(), shared, Backlog(rows=10, bytes=100, seconds=30))
    shared[words.COMMITTED_ROWS], shared[words.COMMITTED_BYTES] = rows, size
    shared[words.OLDEST_MS] = now_ms() - age_ms if age_ms else 0
    assert volume.is_behind() is behind
    assert volume.backlog_bytes() == size
    assert volume.free_bytes() > 0
