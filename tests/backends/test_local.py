"""Bodies and copies on their way to a version: their intents, and what stays when the disk refuses to remove it."""

import errno
import logging
from pathlib import Path

import pytest

from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.local import LocalFiles
from storage_service.app.core.errors import DamagedObject, ServiceUnavailable, StorageError
from storage_service.app.core.objects import BlobName, new_id


class Stubborn(Disk):
    """A disk that has gone read-only: nothing is removed any more."""

    def unlink(self, path: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system")


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    (tmp_path / "staging").mkdir()
    disk = Stubborn()
    return LocalFiles(LocalBlobs(str(tmp_path), disk), disk, str(tmp_path / "staging"))


@pytest.mark.parametrize("end", ["keep", "discard"])
def test_staged_body_whose_name_cannot_be_removed_ends_all_the_same(
    files: LocalFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    name = BlobName("photos", new_id())
    staged = files.stage(1, name.version_id)
    staged.write(b"body")
    staged.publish(name, 1_000_000)
    with caplog.at_level(logging.WARNING):
        getattr(staged, end)()
    assert "could not be removed" in caplog.text
    left = [path.name for path in (tmp_path / "staging").iterdir()]
    assert left == [f"1.{name.version_id}"]  # the intent: a sweep concludes it


@pytest.mark.parametrize("end", ["keep", "discard"])
def test_copy_has_an_intent_until_its_commit_is_known(tmp_path: Path, end: str) -> None:
    (staging := tmp_path / "staging").mkdir()
    blobs, source, target = LocalBlobs(str(tmp_path), Disk()), *(BlobName("photos", new_id()) for _ in range(2))
    files = LocalFiles(blobs, Disk(), str(staging))
    with pytest.raises(FileNotFoundError):  # its body is in the journal still
        files.copy(source, target, 7)
    assert list(staging.iterdir()) == []
    blobs.write(source, b"body", 1_000_000)
    staged = files.copy(source, target, 7)
    assert [path.name for path in staging.iterdir()] == [f"7.{target.version_id}"]
    assert blobs.read_small(target, 4, 1_000_000) == b"body"
    getattr(staged, end)()
    assert list(staging.iterdir()) == []
    assert (blobs.stat(target) is not None) == (end == "keep")


class Unreadable(Disk):
    """A disk that gives names and no bytes."""

    refuses: int

    def read(self, fd: int, size: int, offset: int) -> bytes:
        raise OSError(self.refuses, "refused")

    def read_into(self, fd: int, buffer: memoryview, offset: int) -> int:
        raise OSError(self.refuses, "refused")

    def read_cached(self, path: str, size: int, mtime_ns: int | None) -> bytes | None:
        return None


@pytest.mark.parametrize(
    ("refuses", "told"),
    [
        (errno.EIO, DamagedObject),
        (errno.EBADMSG, DamagedObject),
        (errno.EMFILE, ServiceUnavailable),
        (errno.ENOMEM, ServiceUnavailable),
    ],
)
def test_bytes_that_cannot_be_read_are_told_as_damage_or_as_trouble_that_passes(
    tmp_path: Path, refuses: int, told: type[StorageError]
) -> None:
    (tmp_path / "staging").mkdir()
    disk, name = Unreadable(), BlobName("photos", new_id())
    disk.refuses = refuses
    blobs = LocalBlobs(str(tmp_path), disk)
    files = LocalFiles(blobs, disk, str(tmp_path / "staging"))
    blobs.write(name, b"body", 1_000_000)
    with pytest.raises(told):
        files.read_small(name, 4, 1_000_000)
    opened = files.open(name, 4, 1_000_000)
    with pytest.raises(told):
        opened.read(0, 4)
    with pytest.raises(told):
        opened.read_into(memoryview(bytearray(4)), 0)
    opened.close()
    with pytest.raises(FileNotFoundError):
        files.open(BlobName("photos", new_id()), 4, 1_000_000)
