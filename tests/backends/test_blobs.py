"""Blobs as files: written once, checked when opened, staged on the way in."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.disk import Disk, ScratchDisk, published
from storage_service.app.backends.local import LocalFiles
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import BlobName, new_id

BODY, MTIME = b"these bytes", 1_700_000_000_000_000_000


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    (tmp_path / "data").mkdir()
    return LocalBlobs(str(tmp_path / "data"), Disk())


@pytest.fixture
def files(blobs: LocalBlobs, tmp_path: Path) -> LocalFiles:
    (tmp_path / "data/staging").mkdir()
    return LocalFiles(blobs, blobs.disk, str(tmp_path / "data/staging"))


@pytest.fixture
def blob(blobs: LocalBlobs) -> BlobName:
    name = BlobName("photos", new_id())
    blobs.write(name, BODY, MTIME)
    return name


def test_blob_is_read_as_it_was_written(blobs: LocalBlobs, files: LocalFiles, blob: BlobName) -> None:
    assert blobs.read_small(blob, len(BODY), MTIME) == BODY
    opened = files.open(blob, len(BODY), MTIME)
    assert (opened.read(6, 5), opened.read(6, 50), opened.size) == (b"bytes", b"bytes", len(BODY))
    opened.close()
    opened.close()
    assert opened.read(0, 5) == b""  # its descriptor may be somebody else's by now
    assert list(blobs.version_ids("photos")) == [(blob.version_id, False)]


@pytest.mark.parametrize(("size", "mtime_ns"), [(10, MTIME), (12, MTIME), (11, MTIME + 1), (11, None)])
def test_blob_of_another_size_or_time_is_damaged(
    blobs: LocalBlobs, files: LocalFiles, blob: BlobName, size: int, mtime_ns: int | None
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(DamagedObject):
        blobs.read_small(blob, size, mtime_ns)
    with pytest.raises(DamagedObject):
        files.open(blob, size, mtime_ns)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_link_or_directory_in_a_blobs_place_is_damaged(blobs: LocalBlobs, blob: BlobName, tmp_path: Path) -> None:
    path = Path(blobs.path(blob))
    canary = tmp_path / "canary"
    canary.write_bytes(BODY)
    os.utime(canary, ns=(MTIME, MTIME))
    path.unlink()
    path.symlink_to(canary)
    with pytest.raises(DamagedObject):
        blobs.read_small(blob, len(BODY), MTIME)
    path.unlink()
    path.mkdir()
    with pytest.raises(DamagedObject):
        blobs.read_small(blob, len(BODY), MTIME)


def test_blob_that_is_not_there_is_told_apart(blobs: LocalBlobs) -> None:
    with pytest.raises(FileNotFoundError):
        blobs.read_small(BlobName("photos", new_id()), 1, MTIME)
    assert blobs.stat(BlobName("photos", new_id())) is None


def test_blob_that_an_interrupted_pass_left_is_written_again(blobs: LocalBlobs, blob: BlobName) -> None:
    blobs.write(blob, b"the whole of it", MTIME)
    assert blobs.read_small(blob, 15, MTIME) == b"the whole of it"


def test_directory_that_goes_away_behind_our_back_is_made_again(blobs: LocalBlobs, blob: BlobName) -> None:
    """As when a bucket of this name was deleted, put away, and made again, by other processes."""
    shutil.rmtree(Path(blobs.root) / "photos")
    blobs.write(blob, BODY, MTIME)
    shutil.rmtree(Path(blobs.root) / "photos")
    staged = Path(blobs.root) / "staged"
    staged.write_bytes(BODY)
    other = blob._replace(version_id=new_id()[:-2] + blob.version_id[-2:])
    blobs.adopt(str(staged), other)
    assert Path(blobs.path(other)).read_bytes() == BODY


def test_copy_is_a_second_link_and_repeating_it_is_no_error(blobs: LocalBlobs, blob: BlobName) -> None:
    target = BlobName("other", new_id())
    blobs.copy(blob, target)
    blobs.copy(blob, target)
    assert Path(blobs.path(target)).stat().st_ino == Path(blobs.path(blob)).stat().st_ino
    with pytest.raises(FileNotFoundError):
        blobs.copy(BlobName("photos", new_id()), BlobName("other", new_id()))


class NoLinks(Disk):
    """Links end here."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def link(self, source: str, target: str) -> None:
        raise OSError(self._number, os.strerror(self._number))


@pytest.mark.parametrize("number", [errno.EMLINK, errno.EXDEV, errno.EPERM])
def test_where_links_end_bytes_are_copied_with_their_time(tmp_path: Path, number: int) -> None:
    blobs = LocalBlobs(str(tmp_path), NoLinks(number))
    source, target = BlobName("photos", new_id()), BlobName("photos", new_id())
    blobs.write(source, BODY * 1000, MTIME)
    blobs.copy(source, target)
    assert blobs.read_small(target, len(BODY) * 1000, MTIME) == BODY * 1000
    assert {version for version, _ in blobs.version_ids("photos")} == {source.version_id, target.version_id}


def test_other_errors_of_a_link_are_not_hidden(tmp_path: Path) -> None:
    blobs = LocalBlobs(str(tmp_path), NoLinks(errno.EIO))
    source = BlobName("photos", new_id())
    blobs.write(source, BODY, MTIME)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        blobs.copy(source, BlobName("photos", new_id()))


def test_sidecar_that_replaces_another_waits_for_its_rename(blobs: LocalBlobs, blob: BlobName) -> None:
    later: dict[str, str] = {}
    blobs.write_sidecar(blob, b"one", later)
    assert later == {}
    blobs.write_sidecar(blob, b"two", later)
    blobs.write_sidecar(blob, b"three", later)
    assert blobs.read_sidecar(blob) == b"one"
    assert list(later.values()) == [blobs.sidecar_path(blob)]
    for temporary, path in later.items():
        blobs.disk.rename(temporary, path)
    assert blobs.read_sidecar(blob) == b"three"
    blobs.delete_sidecar(blob)
    blobs.delete_sidecar(blob)
    assert list(blobs.version_ids("photos")) == [(blob.version_id, False)]


def test_staged_body_is_published_kept_or_discarded(files: LocalFiles, blobs: LocalBlobs, tmp_path: Path) -> None:
    staging = tmp_path / "data/staging"
    for ending, stays in (("keep", True), ("discard", False)):
        name = BlobName("photos", new_id())
        staged = files.stage(7, name.version_id)
        assert [path.name for path in staging.iterdir()] == [f"7.{name.version_id}"]
        staged.write(BODY[:3])
        staged.write(BODY[3:])
        staged.publish(name, MTIME)
        assert len(list(staging.iterdir())) == 1  # the intent, until the commit is known
        getattr(staged, ending)()
        getattr(staged, ending)()
        assert (list(staging.iterdir()), blobs.stat(name) is not None) == ([], stays)


def test_late_publish_of_a_discarded_body_does_nothing(files: LocalFiles, blobs: LocalBlobs) -> None:
    name = BlobName("photos", new_id())
    staged = files.stage(1, name.version_id)
    staged.discard()
    staged.write(BODY)
    staged.publish(name, MTIME)
    assert blobs.stat(name) is None


def test_file_that_fails_while_it_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), published(Disk(), str(path), 0o600) as fd:
        os.write(fd, b"half of the ne")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["note"]


def test_scratch_disk_keeps_files_but_never_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("synced")

    monkeypatch.setattr(os, "fsync", fail)
    disk = ScratchDisk()
    with published(disk, str(tmp_path / "note"), 0o600) as fd:
        disk.write(fd, BODY)
    disk.sync_dir(str(tmp_path))
    disk.sync_fs(str(tmp_path))
    assert (tmp_path / "note").read_bytes() == BODY


def test_disk_says_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    disk = Disk()
    path = str(tmp_path / "dir")
    assert (disk.make_dir(path), disk.make_dir(path)) == (True, False)
    (tmp_path / "dir/a").write_bytes(b"12")
    assert (disk.names(path), disk.names(f"{path}/a"), disk.names(f"{path}/no")) == (["a"], [], [])
    assert disk.stat(f"{path}/a/b") is None and disk.stat(f"{path}/no") is None
    found = disk.stat(f"{path}/a")
    assert found is not None and (found.size, found.is_file, found.links) == (2, True, 1)
    assert not disk.remove_dir(path)
    disk.unlink(f"{path}/a")
    disk.unlink(f"{path}/a")
    assert (disk.remove_dir(path), disk.remove_dir(path)) == (True, True)
    with pytest.raises(FileNotFoundError):
        disk.sync_fs(f"{path}/no")
