"""The catalog made again from sidecars: the same rows, and what damage costs is said."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from storage_service.app.backends.bucket_scan import BucketScan
from storage_service.app.backends.recovery import examine, settle_all, sweep_staging
from storage_service.app.backends.salvage import rescue
from storage_service.app.backends.volume import Layout, VolumeRefused
from storage_service.app.core.changes import Change, DeleteBucket, PutVersion, UpdateBucket
from storage_service.app.core.digests import digest_small
from storage_service.app.core.objects import ANY_WRITE, Attributes, BlobName, ListQuery, Version, Versioning, new_id
from storage_service.app.core.sidecar import render_doc
from tests.support.changing import ACTOR, NOW, Plan, change_of, create, delete, draft, patch, plans, put, states
from tests.support.rows import TRASH_MS, MemoryRows
from tests.support.store import Store, opened

LATER = NOW + TRASH_MS
DOC_OF_NEW = render_doc(Attributes(), digest_small(b"new"))


def fill(store: Store) -> None:
    store.bucket("photos")
    store.bucket("versioned", versioning="on", public=True, description="all of it")
    store.commit_all([put(1, key, key.encode()) for key in ("a", "b", "c/d", "ü")])
    store.commit_all([put(1, "a", b"newer"), delete(1, "b"), patch(1, "ü", {"tags": {"t": "1"}})])
    store.commit_all([put(2, "v", b"1"), put(2, "v", b"2"), delete(2, "v"), put(2, "w", b"3", expires_ms=LATER)])
    store.settle()


@settings(max_examples=12, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(plans, states)
def test_rebuilt_catalog_has_the_same_rows_and_counters(tmp_path: Path, sequence: list[Plan], state: str) -> None:
    rows = MemoryRows()
    changes: list[Change] = [create("photos", versioning=state), create("other", versioning=state, quota_bytes=6)]
    outcomes = [rows.try_commit(change, NOW) for change in changes]
    for plan in sequence:
        if plan.kind not in {"once", "create"}:
            changes.append(change_of(plan, rows))
            outcomes.append(rows.try_commit(changes[-1], NOW))
    with opened(tmp_path / new_id()) as store:
        for change in changes:
            store.commit_all([change])
        store.settle(2)
        assert store.owed() == []
        before, last = store.everything(), rows.last_sequence
        store.rebuild()
        assert store.everything() == before
        version = store.put(store.bucket("after").id, "new")
        assert version.sequence > last
        assert store.reader.state("settled") >= last


def test_report_counts_and_the_old_catalog_is_set_aside(store: Store) -> None:
    fill(store)
    epoch = store.reader.state("epoch")
    report = store.rebuild()
    assert (report.objects, report.damaged, report.lost_after) == (9, 0, 13)
    assert store.reader.state("epoch") != epoch
    assert len(list(store.layout.service.glob("catalog-aside-*.db"))) == 1


@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "gone", "newer format"])
def test_damaged_sidecar_costs_its_own_version_only(store: Store, damage: str) -> None:
    fill(store)
    found = store.find(1, "c/d")
    assert found is not None
    path = Path(store.blobs.sidecar_path(store.blob(found.version)))
    text = path.read_text()
    if damage == "gone":
        path.unlink()
    else:
        path.write_text({"cut": text[:50], "empty": "", "changed": text.replace("c/d", "c/x")}.get(damage, "{}"))
    report = store.rebuild()
    assert report.damaged == (0 if damage == "gone" else 1)
    assert store.find(1, "c/d") is None and store.find(1, "c/x") is None
    assert [store.read(1, key) for key in ("a", "ü")] == [b"newer", "ü".encode()]


def test_overwritten_version_without_a_word_of_its_end_is_buried_again(store: Store) -> None:
    """As after a power cut between the successor's sync and the rename of the predecessor's sidecar."""
    store.bucket()
    old = store.put(1, "a", b"old")
    store.settle()
    path = Path(store.blobs.sidecar_path(store.blob(old)))
    alive = path.read_bytes()
    new = store.put(1, "a", b"new")
    store.settle()
    path.write_bytes(alive)
    store.rebuild()
    assert store.read(1, "a") == b"new"
    (dead,) = [version for version in store.settling.versions(1, "a") if version.version_id == old.version_id]
    assert dead.gone_ms is not None and dead.due_ms is not None
    assert store.usage()["bucket", "1"][:4] == (1, 3, 0, 0)
    assert new.gone_ms is None


@pytest.mark.parametrize("state", ["off", "on"])
def test_sidecar_that_survived_a_power_cut_without_its_bytes_buries_nothing(store: Store, state: Versioning) -> None:
    """Catalog lost and power cut before the pass's sync: the older version is all there is, and must stay."""
    store.bucket(versioning=state)
    old = store.put(1, "a", b"old")
    store.settle()
    before = store.layout.settled.read_bytes()
    new = store.put(1, "a", b"new", doc=DOC_OF_NEW)
    alive = Path(store.blobs.sidecar_path(store.blob(old))).read_bytes()
    store.settle()
    path = Path(store.blobs.sidecar_path(store.blob(old)))
    path.write_bytes(alive)  # not renamed yet
    store.layout.settled.write_bytes(before)
    blob = Path(store.blobs.path(store.blob(new)))
    blob.chmod(0o600)
    blob.write_bytes(bytes(3))
    for _ in range(2):  # a later rebuild knows no better
        store.rebuild()
        assert store.read(1, "a") == b"old"
    assert blob.exists()


def test_whole_pair_behind_the_note_keeps_its_bytes_though_their_time_was_lost(store: Store) -> None:
    store.bucket()
    store.put(1, "a", b"old")
    store.settle()
    before = store.layout.settled.read_bytes()
    new = store.put(1, "a", b"new", doc=DOC_OF_NEW)
    store.settle()
    store.layout.settled.write_bytes(before)
    os.utime(store.blobs.path(store.blob(new)))
    store.rebuild()
    assert store.read(1, "a") == b"new"


# Buckets ------------------------------------------------------------------------------------------------------------


def names(store: Store) -> list[str]:
    return [bucket.name for bucket in store.reader.buckets()]


def test_renamed_directory_is_no_bucket_and_is_told(store: Store) -> None:
    fill(store)
    (store.layout.root / "photos").rename(store.layout.root / "pictures")
    report = store.rebuild()
    assert (names(store), report.damaged) == (["versioned"], 1)
    (store.layout.root / "pictures").rename(store.layout.root / "photos")
    store.rebuild()
    assert names(store) == ["photos", "versioned"]
    assert store.read(1, "a") == b"newer"


def test_copied_directory_does_not_double_a_bucket(store: Store) -> None:
    fill(store)
    before = store.everything()
    shutil.copytree(store.layout.root / "photos", store.layout.root / "photos-copy")
    assert store.rebuild().damaged == 1
    assert store.everything() == before


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_bucket_without_its_own_word_is_private_and_keeps_its_objects(store: Store, damage: str) -> None:
    fill(store)
    path = store.layout.root / "versioned/.bucket.json"
    uuid = store.reader.buckets()[1].uuid
    path.unlink() if damage == "gone" else path.write_text("{")
    store.rebuild()
    bucket = store.reader.buckets()[1]
    assert (bucket.name, bucket.uuid, bucket.owner, bucket.options.public) == ("versioned", uuid, "", False)
    assert store.read(bucket.id, "w") == b"3"


def test_numbers_that_two_buckets_claim_are_given_anew(store: Store) -> None:
    fill(store)
    with opened(store.layout.root.with_name("second")) as second:
        second.bucket("second")
        second.put(1, "x", b"from elsewhere")
        second.settle()
        shutil.copytree(second.layout.root / "second", store.layout.root / "second")
    store.rebuild()
    numbers = {bucket.name: bucket.id for bucket in store.reader.buckets()}
    assert len(set(numbers.values())) == 3
    assert store.read(numbers["second"], "x") == b"from elsewhere"
    assert store.read(numbers["photos"], "a") == b"newer"


def test_deleted_bucket_stays_deleted_and_moved_back_it_is_open_again(store: Store) -> None:
    fill(store)
    bucket = store.reader.buckets()[0]
    store.commit(DeleteBucket(1, ACTOR, NOW, force=True))
    store.settle()
    store.rebuild()
    assert names(store) == ["versioned"]
    assert [row[1] for row in store.settling.closed_buckets(NOW)] == [bucket.uuid]
    trash = store.layout.service / "trash" / bucket.uuid
    trash.rename(store.layout.root / "photos")
    store.rebuild()
    assert names(store) == ["photos", "versioned"]
    assert store.read(1, "a") == b"newer"


def test_directories_that_are_no_buckets_are_left_alone(store: Store) -> None:
    store.bucket()
    store.settle()
    for name in ("lost+found", "Holiday", "plain"):
        (store.layout.root / name).mkdir()
    (store.layout.root / "plain/file.txt").write_text("mine")
    (store.layout.root / "file").write_text("mine")
    (store.layout.root / "link").symlink_to("/etc")
    scan = BucketScan(store.blobs)
    assert [found.bucket.name for found in scan.run()] == ["photos"]
    assert scan.damaged == 0


# What was not settled -----------------------------------------------------------------------------------------------


def unsettled(store: Store) -> None:
    """One change of each kind that waits."""
    store.commit_all([put(1, "a", b"latest"), delete(1, "c/d"), put(1, "new", b"new"), put(2, "v", b"again")])
    store.commit_all([patch(1, "ü", {"tags": {"t": "2"}}), UpdateBucket(1, {"public": True}, ACTOR, NOW)])
    store.commit_all([delete(2, "w"), create("young")])


def test_journal_of_the_old_catalog_is_salvaged_whole(store: Store) -> None:
    fill(store)
    unsettled(store)
    before = {key: store.read(1, key) for key in ("a", "b", "c/d", "ü", "new")}
    report = store.rebuild(salvage=True)
    assert (report.salvaged, report.lost_after, report.damaged) == (8, None, 0)
    assert {key: store.read(1, key) for key in before} == before
    assert (store.read(2, "v"), store.find(2, "w")) == (b"again", None)
    found = store.find(1, "ü")
    assert found is not None and '"t":"2"' in found.version.doc
    assert names(store) == ["photos", "versioned", "young"]
    assert store.reader.buckets()[0].options.public
    assert not store.layout.loss.exists()


def test_salvaged_rows_do_not_overwrite_what_the_disk_knows_better(store: Store) -> None:
    """A row that was set aside is older than what was settled after it."""
    store.bucket()
    lost = PutVersion(draft(1, "k", 1, etag="x"), None, ACTOR, ANY_WRITE)
    store.commit(lost)
    for _ in range(5):
        store.settle()
    store.commit(patch(1, "k", {"tags": {"t": "newer"}}))
    store.settle()
    store.blobs.write(BlobName("photos", lost.draft.version_id), b"x", lost.draft.mtime_ns or 0)
    store.rebuild(salvage=True)
    found = store.find(1, "k")
    assert found is not None and "newer" in found.version.doc


def test_without_its_journal_it_says_behind_which_change_something_may_be_lost(store: Store) -> None:
    fill(store)
    settled = store.settling.progress().settled
    unsettled(store)
    report = store.rebuild()
    assert report.lost_after == settled
    note = json.loads(store.layout.loss.read_bytes())
    assert note["lost_after"] == settled and note["aside"].startswith("catalog-aside-")
    assert store.read(1, "a") == b"newer"  # the last that was settled


def test_damaged_file_is_only_read(store: Store) -> None:
    fill(store)
    unsettled(store)
    path = store.layout.catalog
    store.close()
    os.truncate(path, path.stat().st_size - 2000)
    before = path.read_bytes()
    rescue(str(path))
    assert path.read_bytes() == before
    store.open()


def test_file_that_is_no_catalog_yields_nothing_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(b"no database\n" * 1000)
    assert rescue(str(path)) == ([], 0, False)
    assert rescue(str(tmp_path / "absent" / "catalog.db")) == ([], 0, False)


# A start ------------------------------------------------------------------------------------------------------------


def test_verdicts_of_a_start(store: Store, tmp_path: Path) -> None:
    fresh = Layout(tmp_path / "fresh")
    fresh.service.mkdir(parents=True)
    assert examine(fresh) == "fresh"
    fill(store)
    assert examine(store.layout) == "whole"
    store.close()
    aside = store.layout.catalog.with_suffix(".aside")
    store.layout.catalog.rename(aside)
    assert examine(store.layout) == "missing"
    store.layout.catalog.write_bytes(b"no database\n" * 1000)
    assert examine(store.layout) == "damaged"
    aside.replace(store.layout.catalog)
    store.open()


def test_older_copy_of_the_catalog_is_found_out(store: Store) -> None:
    store.bucket()
    store.settle()
    store.close()
    shutil.copy(store.layout.catalog, store.layout.catalog.with_suffix(".old"))
    store.open()
    store.put(1, "a")
    store.settle()
    store.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{store.layout.catalog}{suffix}").unlink(missing_ok=True)
    store.layout.catalog.with_suffix(".old").replace(store.layout.catalog)
    assert examine(store.layout) == "older"
    store.open()


def test_catalog_of_a_newer_release_is_refused(store: Store) -> None:
    store.settling.set_state("format", 99)
    with pytest.raises(VolumeRefused, match="upgrade the service"):
        examine(store.layout)


def test_start_settles_what_the_last_run_left(store: Store) -> None:
    store.bucket()
    store.commit_all([put(1, f"k{number}") for number in range(20)])
    store.reopen()
    assert settle_all(store.settling, store.settler, store.shared) == 21
    assert (store.owed(), store.shared.backlog_rows) == ([], 0)


def staged(store: Store, name: str) -> Path:
    worker = store.layout.staging / "dead"
    worker.mkdir(exist_ok=True)
    (worker / name).write_bytes(b"half")
    return worker


def test_intents_of_dead_workers_are_undone_or_forgotten(store: Store) -> None:
    store.bucket()
    kept = draft(1, "kept", 4)
    for version in (kept, draft(1, "lost", 4, version_id=new_id())):
        store.blobs.write(BlobName("photos", version.version_id), b"body", NOW)
        worker = staged(store, f"1.{version.version_id}")
        lost = version
    store.commit(PutVersion(kept, None, ACTOR, ANY_WRITE))
    staged(store, "a stranger's")
    assert sweep_staging(store.settling, store.blobs, [worker]) == 3
    assert not worker.exists()
    assert store.blobs.stat(BlobName("photos", kept.version_id)) is not None
    assert store.blobs.stat(BlobName("photos", lost.version_id)) is None


def test_after_a_loss_of_rows_no_blob_is_undone(store: Store) -> None:
    store.bucket()
    version: Version = draft(1, "lost", 4)
    store.blobs.write(BlobName("photos", version.version_id), b"body", NOW)
    worker = staged(store, f"1.{version.version_id}")
    assert sweep_staging(store.settling, store.blobs, [worker], undo=False) == 1
    assert store.blobs.stat(BlobName("photos", version.version_id)) is not None


def test_list_of_a_rebuilt_bucket_is_in_order(store: Store) -> None:
    fill(store)
    store.rebuild()
    listed = store.reader.list_keys(1, ListQuery(), NOW)
    assert [version.key for version in listed.versions] == ["a", "c/d", "ü"]
