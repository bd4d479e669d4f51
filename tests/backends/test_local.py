"""What is left behind when the disk refuses to remove it: no answer to a request depends on that."""

import errno
import logging
from pathlib import Path

import pytest

from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.local import LocalFiles
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
