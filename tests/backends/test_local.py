"""What is left behind when the disk refuses to remove it: no answer to a request depends on that."""

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


def test_blob_that_cannot_be_removed_is_left_and_logged(files: LocalFiles, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        files.delete(BlobName("photos", new_id()))
    assert "could not be removed" in caplog.text


@pytest.mark.parametrize("end", ["keep", "discard"])
def test_staged_body_whose_name_cannot_be_removed_ends_all_the_same(
    files: LocalFiles, tmp_path: Path, end: str
) -> None:
    name = BlobName("photos", new_id())
    staged = files.stage(1, name.version_id)
    staged.write(b"body")
    staged.publish(name, 1_000_000)
    getattr(staged, end)()
    left = [path.name for path in (tmp_path / "staging").iterdir()]
    assert left == [f"1.{name.version_id}"]  # the intent: a sweep concludes it


class Unreadable(Disk):
    """A disk that gives names and no bytes."""

    refuses: int

    def read(self, fd: int, size: int, offset: int) -> bytes:
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
    opened.close()
    with pytest.raises(FileNotFoundError):
        files.open(BlobName("photos", new_id()), 4, 1_000_000)
