"""The view: names for people. It follows no link, touches nobody else's file, and never stops settling."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from typing import NoReturn

import apsw
import pytest

from storage_service.app.backends.catalog.settling import Settling
from storage_service.app.backends.settle import Pass, Settler
from storage_service.app.backends.view import View, clone_into, has_reflinks, segments
from tests.support.changing import delete, put
from tests.support.store import Store


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("a", ["a"]),
        ("a/b c/ü", ["a", "b c", "ü"]),
        ("...", ["..."]),
        ("a/.blobs", ["a", ".blobs"]),  # only the first segment is the service's own
        ("x" * 255, ["x" * 255]),
        ("x" * 256, None),
        ("ü" * 128, None),
        ("", None),
        ("a//b", None),
        ("/a", None),
        ("a/", None),
        (".", None),
        ("..", None),
        ("a/../b", None),
        ("../a", None),
        ("a/./b", None),
        ("a\nb", None),
        ("a\x7f", None),
        (".bucket.json", None),
        (".BUCKET.json", None),
        (".blobs/x", None),
        (".Blobs", None),
        (".storage", None),
        (".storage.tmp", None),
        (".\u017ftorage", None),  # a long s folds to `s`
    ],
)
def test_names_a_key_walks_through(key: str, names: list[str] | None) -> None:
    assert segments(key) == names


@pytest.fixture
def bucket(store: Store) -> Path:
    store.bucket()
    return store.layout.root / "photos"


def view(store: Store) -> View:
    assert store.view is not None
    return store.view


def shown(bucket: Path) -> set[str]:
    paths = (path.relative_to(bucket) for path in bucket.rglob("*") if not path.is_dir() or path.is_symlink())
    return {str(path) for path in paths if not path.parts[0].startswith(".b")}


def test_names_follow_what_is_current(store: Store, bucket: Path) -> None:
    store.commit_all([put(1, "a", b"old"), put(1, "dir/sub/b"), put(1, "c")])
    store.settle()
    assert shown(bucket) == {"a", "dir/sub/b", "c"}
    store.commit_all([put(1, "a", b"new"), delete(1, "dir/sub/b")])
    store.settle()
    assert shown(bucket) == {"a", "c"}
    assert (bucket / "a").read_bytes() == b"new"
    assert not (bucket / "dir").exists()  # nothing was left in it


def test_directory_that_holds_more_stays(store: Store, bucket: Path) -> None:
    store.commit_all([put(1, "dir/a"), put(1, "dir/b")])
    store.settle()
    store.commit(delete(1, "dir/a"))
    store.settle()
    assert shown(bucket) == {"dir/b"}


@pytest.mark.parametrize(("first", "second", "seen"), [("a", "a/b", "a"), ("a/b", "a", "a/b")])
def test_of_a_key_beside_a_key_below_it_one_is_shown_and_the_other_counted(
    store: Store, bucket: Path, first: str, second: str, seen: str
) -> None:
    store.put(1, first)
    store.settle()
    store.put(1, second)
    assert store.settle() == Pass(1, 0)
    assert (shown(bucket), view(store).hidden) == ({seen}, 1)
    assert (store.read(1, first), store.read(1, second)) == (b"x", b"x")


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a")])
def test_key_that_goes_makes_room_in_the_same_pass(store: Store, bucket: Path, first: str, second: str) -> None:
    store.put(1, first)
    store.settle()
    store.commit_all([delete(1, first), put(1, second)])
    store.settle()
    assert (shown(bucket), view(store).hidden) == ({second}, 0)


@pytest.mark.parametrize("key", ["../out", ".blobs/x", "a//b", "x" * 300])
def test_key_that_cannot_be_shown_is_stored_and_counted(store: Store, bucket: Path, key: str) -> None:
    store.put(1, key)
    assert store.settle() == Pass(2, 0)
    assert (shown(bucket), view(store).hidden, store.read(1, key)) == (set(), 1, b"x")
    assert not (store.layout.root / "out").exists()


@pytest.mark.parametrize("change", ["put", "overwrite", "delete"])
def test_file_of_somebody_else_stays(store: Store, bucket: Path, change: str) -> None:
    if change != "put":
        store.put(1, "a")
        store.settle()
        (bucket / "a").unlink()
    else:
        store.settle()
    (bucket / "a").write_text("mine")
    store.commit(delete(1, "a") if change == "delete" else put(1, "a", b"theirs"))
    assert store.settle() == Pass(1, 0)
    assert (bucket / "a").read_text() == "mine"
    assert view(store).foreign == (0 if change == "delete" else 1)


def test_file_of_somebody_else_below_a_hidden_directory_keeps_it(store: Store, bucket: Path) -> None:
    store.put(1, "dir/a")
    store.settle()
    (bucket / "dir/mine").write_text("mine")
    store.commit(delete(1, "dir/a"))
    store.settle()
    assert shown(bucket) == {"dir/mine"}


def test_planted_link_to_a_directory_is_not_followed(store: Store, bucket: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("canary")
    store.settle()
    (bucket / "dir").symlink_to(outside)
    store.put(1, "dir/a", b"inside")
    store.put(1, "dir/new", b"inside")
    assert store.settle() == Pass(2, 0)
    store.commit(delete(1, "dir/a"))
    store.settle()
    assert [path.name for path in outside.iterdir()] == ["a"]
    assert (outside / "a").read_text() == "canary"
    assert view(store).hidden + view(store).foreign >= 2


def test_planted_link_under_a_key_is_neither_written_through_nor_removed(
    store: Store, bucket: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.write_text("canary")
    store.settle()
    (bucket / "a").symlink_to(canary)
    store.put(1, "a", b"inside")
    store.settle()
    store.commit(delete(1, "a"))
    store.settle()
    assert (bucket / "a").is_symlink() and canary.read_text() == "canary"


def test_name_that_somebody_removed_comes_back_with_the_next_version(store: Store, bucket: Path) -> None:
    store.put(1, "a", b"one")
    store.settle()
    (bucket / "a").unlink()
    store.put(1, "a", b"two")
    store.settle()
    assert (bucket / "a").read_bytes() == b"two"


def test_name_left_by_an_interrupted_replacement_is_used_up(store: Store, bucket: Path) -> None:
    store.put(1, "a", b"one")
    store.settle()
    version = store.put(1, "a", b"two")
    (bucket / f".storage.{version.version_id}").write_bytes(b"half")
    store.settle()
    assert (bucket / "a").read_bytes() == b"two"
    assert not list(bucket.glob(".storage*"))


def test_showing_again_what_is_shown_changes_nothing(store: Store, bucket: Path) -> None:
    version = store.put(1, "a", b"one")
    store.settle()
    before = (bucket / "a").stat()
    view(store).show("photos", "a", version, lambda: [version])
    after = (bucket / "a").stat()
    assert (before.st_ino, before.st_nlink) == (after.st_ino, after.st_nlink) == (before.st_ino, 2)
    assert shown(bucket) == {"a"}


def test_reflinks_are_found_out_by_trying_and_leave_nothing(store: Store, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    answer = has_reflinks(str(work), store.disk)
    assert answer in {True, False}
    assert list(work.iterdir()) == []
    source, target = work / "a", work / "b"
    source.write_bytes(bytes(4096))
    fd = os.open(target, os.O_CREAT | os.O_WRONLY)
    try:
        if answer:
            clone_into(str(source), fd)
            assert target.stat().st_mtime_ns == source.stat().st_mtime_ns
        else:
            with pytest.raises(OSError, match=r"\S"):
                clone_into(str(source), fd)
    finally:
        os.close(fd)


def test_error_of_the_view_never_stops_settling(store: Store, bucket: Path) -> None:
    store.put(1, "a")
    store.settle()
    (bucket / "dir").mkdir()
    (bucket / "dir").chmod(0)
    store.put(1, "dir/b")
    try:
        assert store.settle() == Pass(1, 0)
    finally:
        (bucket / "dir").chmod(0o750)
    assert store.read(1, "dir/b") == b"x"


class Refused(View):
    """A view whose disk refuses so many changes."""

    left = 0

    def show(self, *said: object) -> None:
        if self.left:
            self.left -= 1
            raise OSError(errno.EIO, "Input/output error")
        super().show(*said)  # type: ignore[arg-type]


def refused(store: Store, most: int) -> Settler:
    """A settler whose view refuses the next changes."""
    found = Refused(store.blobs, store.disk, reflinks=False)
    found.left = most
    store.view = found
    return store.make_settler()


@pytest.mark.parametrize("busy", [False, True])
def test_name_that_could_not_be_changed_is_tried_again(store: Store, bucket: Path, busy: bool) -> None:
    """Left as it is, it would show a deleted object for ever: once its blob is gone it is nobody's."""
    for key in ("over", "gone"):
        store.put(1, key, b"old")
    store.settle()
    settler = refused(store, 2)
    store.put(1, "over", b"new")
    store.commit(delete(1, "gone"))
    settler.run_pass()
    if busy:
        store.put(1, "another", b"one")
        settler.run_pass()
    settler.show_late()
    assert (bucket / "over").read_bytes() == b"new"
    assert not (bucket / "gone").exists()


def test_name_that_could_not_be_changed_is_tried_again_after_a_start(store: Store, bucket: Path) -> None:
    store.put(1, "gone", b"old")
    store.settle()
    settler = refused(store, 1_000)
    store.commit(delete(1, "gone"))
    settler.run_pass()
    store.put(1, "later", b"later")
    settler.run_pass()
    assert (bucket / "gone").exists()
    store.view = View(store.blobs, store.disk, reflinks=False)
    store.make_settler().show_again()
    assert not (bucket / "gone").exists()


def test_name_that_cannot_be_changed_is_given_up(store: Store, bucket: Path) -> None:
    store.put(1, "a", b"a")
    settler = refused(store, 1_000)
    settler.run_pass()
    for _ in range(50):
        settler.show_late()
    assert isinstance(store.view, Refused)
    assert 1_000 - store.view.left == 10


@pytest.mark.parametrize("started", [False, True])
def test_name_of_a_row_that_was_marked_before_the_disk_refused_is_shown(
    store: Store, bucket: Path, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    """Marking is more than one transaction: a row may be settled, and in no later pass, when an error ends it."""
    store.put(1, "a", b"old")
    store.settle()
    settler = store.make_settler()
    store.put(1, "a", b"new")
    with monkeypatch.context() as broken:
        broken.setattr(Settling, "progress", refuse)
        with pytest.raises(apsw.IOError):
            settler.run_pass()
    for key in ("later", "last"):
        store.put(1, key, b"later")
        assert settler.run_pass() == Pass(1, 0)
    assert (bucket / "a").read_bytes() == b"old"
    if started:
        store.make_settler().show_again()
    else:
        settler.show_late()
    assert (bucket / "a").read_bytes() == b"new"


def refuse(_: Settling) -> NoReturn:
    raise apsw.IOError("disk I/O error")


def test_directory_that_the_disk_refuses_is_nobody_elses(store: Store, bucket: Path) -> None:
    """Told as an error, so that it is tried again; a planted link is told as somebody's own."""
    store.put(1, "a/b", b"x")
    store.settle()
    shown = view(store)
    head = store.find(1, "a/b")
    assert head is not None
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest := os.open("/", os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, limits[1]))  # one more: the bucket's own directory
    try:
        with pytest.raises(OSError, match="Too many open files"):
            shown.show("photos", "a/b", head.version, list)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert shown.foreign == 0
