"""What a power cut leaves of a blob that was written and not synced never reaches the view."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from storage_service.app.backends.view import View, has_reflinks
from tests.support.cuts import cut_disk
from tests.support.store import Store, opened


def tear_next_version(store: Store, bucket: int) -> None:
    """`key` is settled; then its next version is committed, and its blob keeps name and time but no bytes."""
    store.put(bucket, "key", b"old")
    store.settle()
    store.settling.set_state("viewed", 0)  # the last run did not get as far as to sync the view
    torn = store.put(bucket, "key", b"newer")
    path = Path(store.blobs.path(store.blob(torn)))
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o440)
    os.utime(path, ns=(torn.mtime_ns or 0, torn.mtime_ns or 0))


def check_torn_blob(store: Store) -> None:
    bucket, shown = store.bucket().id, store.layout.root / "photos/key"
    tear_next_version(store, bucket)
    store.settler.show_again()
    assert shown.read_bytes() == b"old"
    store.settle()
    assert shown.read_bytes() == b"newer"


def test_torn_blob_is_not_linked_and_settling_shows_the_whole_one(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as store:
        check_torn_blob(store)


@pytest.mark.ci
def test_torn_blob_is_not_cloned_and_settling_shows_the_whole_one(tmp_path: Path) -> None:
    with cut_disk(tmp_path, "xfs") as disk:
        check_torn_clone(disk.mount_point / "data")
        gc.collect()  # the store's descriptors keep the disk mounted


def check_torn_clone(root: Path) -> None:
    with opened(root) as store:
        assert has_reflinks(str(store.layout.run), store.disk)
        store.view = View(store.blobs, store.disk, reflinks=True)
        store.settler = store.make_settler()
        check_torn_blob(store)
