"""Bodies and copies on their way to a version: their intents, and what stays when the disk refuses to remove it."""

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
