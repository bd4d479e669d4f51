"""STORAGE_GID: a group that may read every blob, in new stores and in those that were there before."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage_service.app.backends.sharing import share_store
from tests.support.service import Service
from tests.support.tools import require_root, require_tool

GROUP, READER = 4343, 4242


@pytest.fixture(autouse=True)
def _root() -> Iterator[None]:
    require_root()
    yield


def reads(path: Path) -> bool:
    """Whether a user of the group can."""
    user = [require_tool("setpriv"), f"--reuid={READER}", f"--regid={GROUP}", "--clear-groups"]
    return subprocess.run([*user, "cat", path], capture_output=True, check=False).returncode == 0


def put(service: Service, bucket: str, key: str, size: int) -> Path:
    """The settled blob."""
    with service.client() as client:
        client.post("/buckets", json={"name": bucket})
        client.put(f"/files/upload-direct/{bucket}/{key}", content=b"x" * size).raise_for_status()
    assert service.run("settle", "--wait").returncode == 0
    return Path(json.loads(service.run("where", "--json", f"{bucket}/{key}").stdout)["blob"])


@pytest.mark.ci
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_group_reads_what_is_written(open_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        with Service(open_path / "data", open_path, environment={"STORAGE_GID": str(GROUP)}) as service:
            small, large = put(service, "photos", "small", 10), put(service, "photos", "large", 300_000)
            assert (reads(small), reads(large)) == (True, True)
            assert not reads(open_path / "data/.storage/identity.json")
    finally:
        os.umask(old)


@pytest.mark.ci
def test_group_reads_what_was_there_before(open_path: Path) -> None:
    with Service(open_path / "data", open_path) as service:
        blob = put(service, "photos", "large", 300_000)
        assert not reads(blob)
        service.stop()
    with Service(open_path / "data", open_path, environment={"STORAGE_GID": str(GROUP)}) as service:
        assert reads(blob)
        assert reads(put(service, "photos", "later", 300_000))
        assert json.loads(service.run("check", "--json").stdout)["problems"] == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / ".blobs/aa").mkdir(parents=True)
    (outside / ".blobs/aa/file").write_text("")
    root = tmp_path / "root"
    (root / "photos/.blobs/aa").mkdir(parents=True)
    (root / "linked").symlink_to(outside)
    (root / "photos/.blobs/bb").symlink_to(outside / ".blobs/aa")
    (root / "photos/.blobs/aa/link").symlink_to(outside / ".blobs/aa/file")
    assert share_store(str(root), GROUP)
    assert (root / "photos/.blobs/aa").stat().st_gid == GROUP
    assert {path.lstat().st_gid for path in [outside, *outside.rglob("*")]} == {0}


def test_second_start_looks_at_the_root_alone(tmp_path: Path) -> None:
    (tmp_path / "photos/.blobs/aa").mkdir(parents=True)
    assert share_store(str(tmp_path), GROUP)
    assert tmp_path.stat().st_mode & stat.S_ISGID
    os.chown(tmp_path / "photos/.blobs/aa", -1, 0)
    assert share_store(str(tmp_path), GROUP)
    assert (tmp_path / "photos/.blobs/aa").stat().st_gid == 0


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def test_group_that_the_service_is_not_in_is_told(open_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.chown(open_path, READER, READER)
    with acting_as(READER):
        assert not share_store(str(open_path), GROUP)
    assert f"STORAGE_GID {GROUP}: this user (uid {READER}) is not in that group" in caplog.text
    assert open_path.stat().st_gid == READER
