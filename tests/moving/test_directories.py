"""Plain directories and SelfDB's volumes."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from storage_service.client import Client
from storage_service.moving.sources.choosing import BadSource, From, kind_of, source_of
from storage_service.moving.sources.directory import DirectorySource, files_below
from storage_service.moving.sources.selfdb import SelfDbSource
from tests.moving.conftest import Move
from tests.support.service import SERVICE_KEY, Service


def write(root: Path, **files: bytes) -> None:
    for name, body in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def test_files_come_in_the_byte_order_of_keys(tmp_path: Path) -> None:
    for key in ("a/c", "a-b", "b", "a.txt", "a/b/c", "é"):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(b"x")
    keys = [entry.key for entry in files_below(str(tmp_path))]
    assert keys == sorted(keys, key=str.encode) == ["a-b", "a.txt", "a/b/c", "a/c", "b", "é"]
    assert [entry.key for entry in files_below(str(tmp_path), "a/b")] == ["a/b/c"]


def test_a_source_is_known_by_its_looks(tmp_path: Path) -> None:
    (tmp_path / "plain" / "x").mkdir(parents=True)
    (tmp_path / "minio" / ".minio.sys").mkdir(parents=True)
    write(tmp_path / "selfdb" / "b", **{".metadata.json": b"{}"})
    assert [kind_of(str(tmp_path / name)) for name in ("plain", "minio", "selfdb")] == ["directory", "minio", "selfdb"]
    assert kind_of("http://127.0.0.1:9000") == "s3"
    for place in (From(str(tmp_path / "none")), From("ftp://x"), From(str(tmp_path / "plain"))):
        with pytest.raises(BadSource):
            source_of(place)


@pytest.mark.ci
def test_a_directory_moves_with_types_and_leaves_links_behind(tmp_path: Path, target: Any, move: Move) -> None:
    root, large = tmp_path / "files", os.urandom(3 << 20)
    write(root, **{"page.html": b"<p>", "sub__photo.jpg": b"jpg", "sub__large": large, "empty": b""})
    (root / "link").symlink_to("/etc/hostname")
    os.mkfifo(root / "pipe")
    source = DirectorySource(root, "from-directory")
    tally = move(source)
    assert [(left.key, left.reason) for left in sorted(tally.failures)] == [
        ("link", "it is a link"),
        ("pipe", "it is no plain file"),
    ]
    types = {"page.html": "text/html", "sub/photo.jpg": "image/jpeg", "sub/large": "application/octet-stream"}
    for key, kind in types.items():
        found = target.get_object(Bucket="from-directory", Key=key)
        assert found["ContentType"] == kind
        assert found["Body"].read() == (root / key).read_bytes()
    assert not tally.counts.unproven
    again = move(source)
    assert (again.counts.moved, again.counts.there, again.counts.failed) == (0, 4, 2)


@pytest.mark.ci
def test_a_directory_that_cannot_be_read_is_told_and_the_others_come(
    tmp_path: Path, target: Any, move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, scandir = tmp_path / "files", os.scandir
    write(root, a=b"1", locked__b=b"2", z__c=b"3")

    def refusing(path: str) -> Any:
        if path.endswith("/locked"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr("storage_service.moving.sources.directory.os.scandir", refusing)
    tally = move(DirectorySource(root, "locked-directory"))
    assert [tuple(left) for left in tally.failures] == [
        ("locked-directory", "locked/", "it cannot be read: Permission denied")
    ]
    assert [one["Key"] for one in target.list_objects_v2(Bucket="locked-directory")["Contents"]] == ["a", "z/c"]


@pytest.mark.ci
def test_a_move_whose_state_was_lost_finds_by_the_bytes_what_is_there(tmp_path: Path, target: Any, move: Move) -> None:
    root = tmp_path / "files"
    write(root, same=b"same", other=b"othe1")
    move(DirectorySource(root, "lost-state"))
    (tmp_path / "state").unlink()
    (root / "other").write_bytes(b"othe2")
    tally = move(DirectorySource(root, "lost-state"))
    assert (tally.counts.moved, tally.counts.there, [left.key for left in tally.kept]) == (0, 1, ["other"])
    assert target.get_object(Bucket="lost-state", Key="other")["Body"].read() == b"othe1"


@pytest.mark.ci
def test_a_selfdb_volume_moves_with_owners_and_access(
    tmp_path: Path, service: Service, target: Any, move: Move
) -> None:
    root = tmp_path / "volume"
    write(root / "selfdb-public", **{"cat.jpg": b"jpg", "a__b.txt": b"text"})
    write(root / "selfdb-private", secret=b"s")
    write(root / "selfdb-torn", x=b"x", **{".metadata.json": b"{"})
    for name, public in (("selfdb-public", True), ("selfdb-private", False)):
        told = {
            "name": name,
            "is_public": public,
            "owner_id": "5f0c1c1e-0000-4000-8000-000000000001",
            "created_at": 1.5,
        }
        (root / name / ".metadata.json").write_text(json.dumps(told))
    tally = move(SelfDbSource(root))
    assert tally.is_whole
    assert [left.bucket for left in tally.settings_left] == ["selfdb-torn"]
    with Client(service.url, api_key=SERVICE_KEY) as api:
        found = {name: api.buckets.get(name) for name in ("selfdb-public", "selfdb-private", "selfdb-torn")}
    assert {name: info.public for name, info in found.items()} == {
        "selfdb-public": True,
        "selfdb-private": False,
        "selfdb-torn": False,
    }
    assert found["selfdb-private"].owner_id == "5f0c1c1e-0000-4000-8000-000000000001"
    keys = [one["Key"] for one in target.list_objects_v2(Bucket="selfdb-public")["Contents"]]
    assert keys == ["a/b.txt", "cat.jpg"]
