"""Rows become files: each step repeatable, one bad row never in the way of the others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from storage_service.app.backends import shared as words
from storage_service.app.backends.blobs import BLOB_MODE
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.settle import Pass
from storage_service.app.backends.volume import settled_note
from storage_service.app.core import sidecar
from storage_service.app.core.changes import Change, DeleteBucket, PutVersion, UpdateBucket
from storage_service.app.core.errors import NoSuchKey
from storage_service.app.core.objects import ANY_WRITE, TAKEN_MS, BlobName, Version
from tests.support.changing import ACTOR, NOW, copy, create, delete, draft, patch, put
from tests.support.rows import TRASH_MS
from tests.support.store import Store, opened


def lost_blob(bucket: int, key: str) -> PutVersion:
    """A put whose blob should lie ready, and does not."""
    return PutVersion(draft(bucket, key), None, ACTOR, ANY_WRITE)


def tree(store: Store) -> set[str]:
    """Every file below the buckets, without `.storage`."""
    root = store.layout.root
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not path.is_relative_to(store.layout.service)
    }


def test_settled_object_is_a_blob_a_sidecar_and_a_name(store: Store) -> None:
    store.bucket()
    version = store.put(1, "2024/cat.jpg", b"meow")
    assert store.settle() == Pass(2, 0)
    shard = f"photos/.blobs/{version.version_id[-2:]}/{version.version_id}"
    assert tree(store) == {"photos/.bucket.json", shard, f"{shard}.json", "photos/2024/cat.jpg"}
    blob = store.layout.root / shard
    assert (blob.read_bytes(), blob.stat().st_mtime_ns) == (b"meow", version.mtime_ns)
    assert blob.stat().st_mode & 0o777 == BLOB_MODE
    assert sidecar.version_of(store.sidecar(version), 1) == version
    assert store.find(1, "2024/cat.jpg") == (version, None)  # the body left the journal
    assert store.read(1, "2024/cat.jpg") == b"meow"
    assert store.settle() == Pass(0, 0)


def test_every_kind_of_change_leaves_sidecars_as_the_rows_say(store: Store) -> None:
    store.bucket()
    store.bucket("versioned", versioning="on")
    store.commit_all([put(1, key, key.encode()) for key in "abcd"] + [put(2, "v"), put(2, "v")])
    store.commit_all([put(1, "a", b"new"), delete(1, "b"), patch(1, "c", {"tags": {"t": "1"}}), delete(2, "v")])
    source = store.find(1, "d")
    assert source is not None
    store.commit(copy(source.version, 1, "e", move=True))
    store.settle()
    compare_files(store)


def compare_files(store: Store) -> None:
    """Sidecars against rows, bytes against ETags, names against heads."""
    assert store.owed() == []
    for bucket in store.reader.buckets():
        keys = {path for path in tree(store) if path.startswith(f"{bucket.name}/") and "/." not in path}
        shown = set()
        for key in "abcdev":
            for version in store.settling.versions(bucket.id, key):
                assert sidecar.version_of(store.sidecar(version), bucket.id) == version
                assert version.is_marker or store.disk.stat(store.blobs.path(store.blob(version))) is not None
            if (found := store.find(bucket.id, key)) is not None:
                assert store.read(bucket.id, key) == found.version.etag.encode()
                shown.add(f"{bucket.name}/{key}")
        assert keys == shown


def test_pass_that_is_repeated_from_any_state_comes_to_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps but the marking are done; then all of them again."""
    store.bucket()
    store.put(1, "a", b"old")
    store.settle()
    store.commit_all([put(1, "a", b"new"), put(1, "b", b"b"), patch(1, "a", {"tags": {"t": "1"}})])

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("power")

    for _ in range(3):
        with monkeypatch.context() as patched:
            patched.setattr(store.settling, "count_failure", fail)
            with pytest.raises(OSError, match="power"):
                store.settle()
        assert len(store.owed()) == 3
    assert store.settle() == Pass(3, 0)
    compare_files(store)


class FullDisk(Disk):
    """Its sync fails as long as it is full."""

    full = False

    def sync_fs(self, path: str) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().sync_fs(path)


def test_sync_that_fails_keeps_every_row_and_body(tmp_path: Path) -> None:
    disk = FullDisk()
    with opened(tmp_path / "data", disk) as store:
        store.bucket()
        store.put(1, "a", b"body")
        disk.full = True
        with pytest.raises(OSError, match="space"):
            store.settle()
        assert store.owed() == [1, 2]
        found = store.find(1, "a")
        assert found is not None and found.body == b"body"
        disk.full = False
        assert store.settle() == Pass(2, 0)


def test_row_that_fails_is_set_aside_after_five_times_and_later_ones_go_on(store: Store) -> None:
    store.bucket()
    changes: list[Change] = [put(1, "a"), lost_blob(1, "b"), put(1, "c")]
    store.commit_all(changes)
    assert store.settle() == Pass(3, 1)
    assert (store.owed(), store.shared[words.PARKED_ROWS]) == ([3], 0)
    for _ in range(3):
        assert store.settle() == Pass(0, 1)
    assert (store.owed(), store.shared.backlog_rows) == ([3], 1)
    assert store.settle() == Pass(0, 1)
    assert (store.owed(), store.shared[words.PARKED_ROWS], store.shared.backlog_rows) == ([], 1, 0)
    assert store.settling.backlog().parked == 1
    note = settled_note(store.layout)
    assert (note.sequence, note.whole) == (4, 2)


def test_row_set_aside_settles_once_the_cause_is_mended_and_newer_words_stand(store: Store) -> None:
    store.bucket()
    lost = lost_blob(1, "b")
    store.commit(lost)
    for _ in range(5):
        store.settle()
    store.commit(patch(1, "b", {"tags": {"t": "newer"}}))
    store.settle()
    store.blobs.write(BlobName("photos", lost.draft.version_id), b"x", lost.draft.mtime_ns or 0)
    assert store.settling.retry_parked() == 1
    assert store.settle() == Pass(1, 0)
    (version,) = store.settling.versions(1, "b")
    assert sidecar.version_of(store.sidecar(version), 1) == version
    assert store.sidecar(version)["doc"]["tags"] == {"t": "newer"}


def test_words_say_what_waits(store: Store) -> None:
    store.bucket()
    store.put(1, "a", b"y" * 50)
    assert (store.shared.backlog_rows, store.shared.backlog_bytes) == (2, 50)
    store.settle()
    assert (store.shared.backlog_rows, store.shared.backlog_bytes, store.shared[words.OLDEST_MS]) == (0, 0, 0)
    assert store.shared[words.HEARTBEAT_MS] > NOW


def test_pass_takes_no_more_rows_than_asked(store: Store) -> None:
    store.bucket()
    store.commit_all([put(1, f"k{number}") for number in range(9)])
    assert store.settler.run_pass(4) == Pass(4, 0)
    assert store.owed() == list(range(5, 11))
    assert store.shared.backlog_rows == 6


def test_bucket_that_was_deleted_is_put_away_whole_and_its_name_is_free(store: Store) -> None:
    bucket = store.bucket()
    version = store.put(1, "a", b"old")
    store.settle()
    store.put(1, "b", b"never settled before")
    store.commit(DeleteBucket(1, ACTOR, NOW, force=True))
    store.settle()
    trash = store.layout.service / "trash" / bucket.uuid
    assert not (store.layout.root / "photos").exists()
    record = sidecar.parse_file((trash / ".bucket.json").read_bytes())
    assert record["removed_at_ms"] == NOW
    assert store.blob(version).bucket == f".storage/trash/{bucket.uuid}"
    assert store.sidecar(version)["key"] == "a"
    store.commit(create("photos"))
    again = store.put(2, "a", b"new")
    store.settle()
    assert store.sidecar(again)["key"] == "a" and store.read(2, "a") == b"new"


def test_bucket_made_filled_and_deleted_in_one_pass(store: Store) -> None:
    bucket = store.bucket()
    store.put(1, "a")
    store.commit(DeleteBucket(1, ACTOR, NOW, force=True))
    assert store.settle() == Pass(3, 0)
    assert tree(store) == set()
    assert (store.layout.service / "trash" / bucket.uuid / ".bucket.json").exists()


def test_directory_of_somebody_else_under_the_name_of_a_deleted_bucket_stays(store: Store) -> None:
    store.bucket()
    store.commit(DeleteBucket(1, ACTOR, NOW))
    mine = store.layout.root / "photos"
    mine.mkdir()
    (mine / "diary.txt").write_text("mine")
    store.settle()
    assert (mine / "diary.txt").read_text() == "mine"
    assert store.settling.buckets()[1][1]


def test_options_changed_often_in_one_pass_leave_the_last_word(store: Store) -> None:
    store.bucket()
    store.commit_all([UpdateBucket(1, {"description": str(number)}, ACTOR, NOW) for number in range(4)])
    store.settle()
    record = sidecar.parse_file((store.layout.root / "photos/.bucket.json").read_bytes())
    assert (record["options"]["description"], record["generation"], record["sequence"]) == ("3", 5, 5)


def test_copy_whose_link_was_lost_is_linked_again(store: Store) -> None:
    store.bucket()
    source = store.put(1, "a", b"body")
    store.settle()
    change = copy(source, 1, "b", linked=True)
    origin = f"{store.settling.buckets()[1][0].uuid}/{source.version_id}"
    doc = '{"content_type":"text/plain","copied_from":"' + origin + '"}'
    store.commit(change._replace(draft=change.draft._replace(doc=doc)))
    assert store.settle() == Pass(1, 0)
    assert store.read(1, "b") == b"body"


def test_view_of_what_the_last_run_did_not_show_is_brought_up_to_date_at_a_start(store: Store) -> None:
    store.bucket()
    store.commit_all([put(1, "a"), put(1, "b")])
    store.settle()
    store.commit(delete(1, "b"))
    store.settle()
    (store.layout.root / "photos/a").unlink()
    store.settling.set_state("viewed", 0)
    store.reopen()
    store.settler.show_again()
    assert {path for path in tree(store) if "/." not in path} == {"photos/a"}


def test_one_damaged_sidecar_is_replaced_by_what_the_row_says(store: Store) -> None:
    store.bucket()
    version = store.put(1, "a")
    store.settle()
    path = store.blobs.sidecar_path(store.blob(version))
    os.truncate(path, 10)
    store.commit(patch(1, "a", {"tags": {"t": "1"}}))
    store.settle()
    assert store.sidecar(version)["doc"]["tags"] == {"t": "1"}


# Garbage ------------------------------------------------------------------------------------------------------------


def dead(store: Store, key: str = "a", now_ms: int = NOW) -> Version:
    version = store.put(1, key, b"body")
    store.commit(delete(1, key), now_ms)
    return version


def test_garbage_takes_what_is_due_and_nothing_else(store: Store) -> None:
    store.bucket()
    due, young = dead(store, "due", NOW), dead(store, "young", NOW + 10)
    living = store.put(1, "living")
    assert store.garbage.run(NOW + TRASH_MS) == 0  # its end is not settled yet
    store.settle()
    assert store.garbage.run(NOW + TRASH_MS - 1) == 0
    assert store.garbage.run(NOW + TRASH_MS) == 1
    assert [path for path in tree(store) if due.version_id in path] == []
    assert {path.rpartition("/")[2] for path in tree(store) if young.version_id in path} == {
        young.version_id,
        f"{young.version_id}.json",
    }
    assert store.read(1, "living") == b"x" and living.gone_ms is None
    assert store.usage()["bucket", "1"].trash == 1


def test_garbage_that_was_interrupted_finishes(store: Store) -> None:
    store.bucket()
    version = dead(store)
    store.settle()
    store.settling.take_dead([version])
    store.blobs.delete_sidecar(store.blob(version))
    assert store.garbage.run(0) == 1
    assert [path for path in tree(store) if version.version_id in path] == []
    assert store.usage() == {}


class StubbornDisk(Disk):
    """Removes nothing while it is stubborn."""

    stubborn = False

    def unlink(self, path: str) -> None:
        if self.stubborn:
            raise OSError(5, "Input/output error")
        super().unlink(path)


def test_version_whose_files_are_about_to_go_is_offered_to_nobody(tmp_path: Path) -> None:
    disk = StubbornDisk()
    with opened(tmp_path / "data", disk) as store:
        store.bucket()
        version = dead(store)
        store.settle()
        disk.stubborn = True
        with pytest.raises(OSError, match="Input"):
            store.garbage.run(NOW + TRASH_MS)
        (row,) = store.settling.versions(1, "a")
        assert row.due_ms == TAKEN_MS
        taken = copy(row, 1, "b", linked=True)
        assert [type(one) for one in store.commit_all([taken])] == [NoSuchKey]
        assert store.sidecar(version)["key"] == "a"


def test_trash_goes_early_only_past_the_grace_time_and_what_ended_first_goes_first(store: Store) -> None:
    store.bucket()
    dead(store, "first", NOW)
    dead(store, "second", NOW + 100)
    store.settle()
    assert store.garbage.run_early(NOW - 1) == 0
    assert store.garbage.run_early(NOW + 50) == 1
    assert store.settling.versions(1, "first") == []
    assert len(store.settling.versions(1, "second")) == 1


def test_deleted_bucket_goes_for_good_with_its_rows_files_and_counters(store: Store) -> None:
    bucket = store.bucket()
    store.bucket("stays")
    store.put(2, "a")
    store.put(1, "a", b"123")
    dead(store, "b")
    store.commit(DeleteBucket(1, ACTOR, NOW, force=True))
    store.settle()
    assert store.garbage.remove_buckets(NOW - 1) == 0
    assert store.garbage.remove_buckets(NOW) == 1
    assert not (store.layout.service / "trash" / bucket.uuid).exists()
    assert store.settling.buckets().keys() == {2}
    assert {place: tuple(usage)[:2] for place, usage in store.usage().items()} == {
        ("bucket", "2"): (1, 1),
        ("owner", "owner"): (1, 1),
    }
    assert all(not any(usage[2:]) for usage in store.usage().values())


def test_dead_version_of_a_put_away_bucket_is_removed_where_it_lies_now(store: Store) -> None:
    store.bucket()
    version = dead(store)
    store.settle()
    store.commit(DeleteBucket(1, ACTOR, NOW, force=True))
    store.settle()
    assert store.garbage.run(NOW + TRASH_MS) == 1
    assert not list(store.layout.service.rglob(f"{version.version_id}*"))
