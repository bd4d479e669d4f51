"""Access keys on disk: sealed, whole or absent, seen by others at once, and apart from each other."""

import errno
import json
import logging
import multiprocessing
import os
from pathlib import Path

import pytest

from storage_service.app.backends import shared as words
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.key_records import StoredKeys
from storage_service.app.backends.sealing import SealBroken, Sealer
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.volume import Layout, open_volume
from storage_service.app.core.errors import AccessKeyExists, InsufficientStorage, NoSuchAccessKey
from storage_service.app.core.key_making import make_key, revoked
from storage_service.app.core.keys import AccessKey
from storage_service.app.core.security import KeyScope, Place


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    open_volume(tmp_path / "data", None)
    return Layout(tmp_path / "data")


def new_key(**options: object) -> AccessKey:
    return make_key("ann", ["ann"], **{"scope": None, **options})  # type: ignore[arg-type]


def test_key_comes_back_as_it_was(layout: Layout) -> None:
    key = new_key(scope=KeyScope((Place("photos", "a/"),), frozenset({"read"})), description="für Ann")
    StoredKeys(layout).add(key)
    assert StoredKeys(layout).all() == [key]


def test_secret_stands_nowhere_on_disk_and_files_are_private(layout: Layout) -> None:
    key = new_key()
    StoredKeys(layout).add(key)
    files = [path for path in layout.service.rglob("*") if path.is_file()]
    assert all(key.secret.encode() not in path.read_bytes() for path in files)
    assert layout.records.stat().st_mode & 0o777 == 0o700
    kept = [*layout.records.iterdir(), layout.secrets_key]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


def test_id_of_a_client_is_no_file_name(layout: Layout) -> None:
    key = AccessKey("..", "secret-key", "ann")
    StoredKeys(layout).add(key)
    assert StoredKeys(layout).all() == [key]
    assert sorted(path.name for path in layout.service.iterdir() if ".." in path.name) == []


def test_id_is_taken_for_ever(layout: Layout) -> None:
    key, records = new_key(), StoredKeys(layout)
    records.add(key)
    with pytest.raises(AccessKeyExists):
        records.add(key)
    records.replace(revoked(key))
    with pytest.raises(AccessKeyExists):
        records.add(key)
    with pytest.raises(NoSuchAccessKey):
        records.replace(new_key())
    (kept,) = records.all()
    assert (kept.access_key, kept.secret, kept.revoked_ms is None) == (key.access_key, "", False)


def test_change_is_seen_by_a_service_that_runs(layout: Layout) -> None:
    shared = Shared.create(layout.shared)
    service, command = StoredKeys(layout, shared), StoredKeys(layout)
    before = service.generation()
    key = new_key()
    command.add(key)
    assert service.generation() == before + 1
    command.replace(revoked(key))
    assert shared[words.KEYS] == before + 2


def test_change_without_a_service_needs_no_words(layout: Layout) -> None:
    layout.shared.unlink(missing_ok=True)
    StoredKeys(layout).add(new_key())
    assert not layout.shared.exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff", b'{"format": 9}'])
def test_damaged_record_hurts_itself_only(layout: Layout, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    records, good, bad = StoredKeys(layout), new_key(), new_key()
    records.add(good)
    before = set(layout.records.iterdir())
    records.add(bad)
    (path,) = set(layout.records.iterdir()) - before
    path.write_bytes(damage)
    with caplog.at_level(logging.ERROR):
        assert records.all() == [good]
    assert "ignored" in caplog.text


def test_record_moved_to_another_id_does_not_open(layout: Layout, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever can write records but not read the key file cannot give one key the secret of another."""
    records, key = StoredKeys(layout), new_key()
    records.add(key)
    (path,) = layout.records.glob("access-key.*")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"id": "ANOTHER"}))
    assert records.all() == []
    assert key.secret not in caplog.text


def test_lost_key_file_closes_the_keys_and_says_so(layout: Layout, caplog: pytest.LogCaptureFixture) -> None:
    StoredKeys(layout).add(new_key())
    layout.secrets_key.unlink()
    assert StoredKeys(layout).all() == []
    assert "secrets.key is missing" in caplog.text


def test_damaged_record_keeps_its_id(layout: Layout) -> None:
    records, key = StoredKeys(layout), new_key()
    records.add(key)
    (path,) = layout.records.glob("access-key.*")
    path.write_bytes(b"{")
    with pytest.raises(AccessKeyExists):
        records.add(key)


class FullDisk(Disk):
    def write(self, fd: int, data: bytes | memoryview) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_leaves_no_half_of_a_key(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    StoredKeys(layout).add(new_key())
    monkeypatch.setattr("storage_service.app.backends.key_records.Disk", FullDisk)
    with pytest.raises(InsufficientStorage):
        StoredKeys(layout).add(new_key())
    monkeypatch.undo()
    assert len(StoredKeys(layout).all()) == 1
    assert len(list(layout.records.glob("access-key.*"))) == 1


def test_uses_keep_the_latest(layout: Layout) -> None:
    records = StoredKeys(layout)
    assert records.last_used() == {}
    records.note_used({"a": 5, "b": 7})
    records.note_used({"a": 9, "b": 6})
    assert records.last_used() == {"a": 9, "b": 7}


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"used": 3}', b'{"used": {"a": "x"}}'])
def test_damaged_uses_begin_anew(layout: Layout, damage: bytes) -> None:
    records = StoredKeys(layout)
    records.note_used({"a": 5})
    (path,) = layout.records.glob("access-key-uses.*")
    path.write_bytes(damage)
    assert records.last_used() == {}
    records.note_used({"b": 7})
    assert records.last_used() == {"b": 7}


def _add_many(root: str, count: int) -> None:
    records = StoredKeys(Layout(Path(root)))
    for _ in range(count):
        records.add(new_key())
        records.note_used({"k": os.getpid()})


@pytest.mark.ci
def test_processes_add_keys_at_once(layout: Layout) -> None:
    Shared.create(layout.shared)
    spawned = multiprocessing.get_context("spawn")
    workers = [spawned.Process(target=_add_many, args=(str(layout.root), 8)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(StoredKeys(layout).all()) == 24
    assert Shared(layout.shared)[words.KEYS] == 24


def test_seal_opens_in_its_place_only(tmp_path: Path) -> None:
    sealer = Sealer(tmp_path / "secrets.key", Disk())
    sealed = sealer.seal("a secret", "here")
    assert sealer.open(sealed, "here") == "a secret"
    assert sealer.seal("a secret", "here") != sealed
    changed = sealed[:-6] + ("A" if sealed[-6] != "A" else "B") + sealed[-5:]
    for text, place in ((sealed, "there"), (changed, "here"), ("v1.", "here"), ("v1.!", "here"), ("v2.x", "here")):
        with pytest.raises(SealBroken):
            sealer.open(text, place)
    other = Sealer(tmp_path / "other.key", Disk())
    other.seal("x", "y")
    with pytest.raises(SealBroken):
        other.open(sealed, "here")
