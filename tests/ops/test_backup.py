"""`storage backup` and `storage restore`: one instant, only what is new, and nothing that is half done counts."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import pytest

from storage_service.app.backends.volume import try_lock, wait_lock
from storage_service.app.process.jobs import unless_held
from tests.ops.conftest import put
from tests.support.service import Service
from tests.support.shim import Shim, shim_over
from tests.support.store import opened

WRITERS = 4
MANIFEST = ".storage/backup.json"


def back_up(service: Service, target: Path, *arguments: str) -> dict[str, Any]:
    done = service.run("backup", str(target), "--json", *arguments)
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def restored(service: Service, target: Path, data: Path, *arguments: str) -> Service:
    """Another service's directory, filled from a backup; it is not started."""
    other = Service(data, service.log.parent)
    done = other.run("restore", str(target), *arguments)
    assert done.returncode == 0, done.stderr
    return other


def everything(root: Path) -> dict[str, Any]:
    """Every row of a catalog nobody serves."""
    with opened(root) as store:
        return store.everything()


def is_well(service: Service) -> None:
    done = service.run("check", "--deep", "--json")
    assert (done.returncode, json.loads(done.stdout)["problems"]) == (0, []), done.stdout


# What comes back --------------------------------------------------------------------------------------------------


def test_restored_store_has_every_row_and_every_byte(service: Service, tmp_path: Path) -> None:
    record = back_up(service, tmp_path / "backups")
    other = restored(service, tmp_path / "backups", tmp_path / "restored")
    assert everything(other.data) == everything(service.data)
    assert record["objects"] == 2 * 11
    is_well(other)
    assert (other.data / "photos/dir/03.txt").read_bytes() == b"again"  # the view, too


def test_access_keys_come_back_unless_their_secrets_stay_behind(service: Service, tmp_path: Path) -> None:
    back_up(service, tmp_path / "with")
    back_up(service, tmp_path / "without", "--no-secrets")
    for place, keys in (("with", 1), ("without", 0)):
        other = restored(service, tmp_path / place, tmp_path / f"restored-{place}")
        assert len(json.loads(other.run("keys", "list", "--json").stdout)) == keys


def test_each_backup_is_a_store_that_can_be_served(service: Service, tmp_path: Path) -> None:
    record = back_up(service, tmp_path / "backups")
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", record["path"], copy], check=True)
    with Service(copy, tmp_path) as other, other.client() as client:
        assert client.get("/files/download/photos/dir/03.txt").content == b"again"


def test_plain_copy_of_the_files_of_a_serving_store_is_enough_to_rebuild_it(service: Service, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    with service:
        put(service, "photos", "late", b"late")
        assert service.run("settle", "--wait").returncode == 0
        for bucket in ("photos", "kept"):
            subprocess.run(["cp", "-a", service.data / bucket, copy], check=True)
    with Service(copy, tmp_path) as other, other.client() as client:
        assert client.get("/files/download/photos/late").content == b"late"
        assert client.get("/files/download/kept/dir/03.txt").content == b"again"
        found = json.loads(other.run("check", "--deep", "--json").stdout)
        assert (found["problems"], found["lost_after"] is None) == ([], False)  # what it cannot know, it says


def test_older_backup_is_restored_by_its_name(service: Service, tmp_path: Path) -> None:
    first = back_up(service, tmp_path / "backups")
    with service:
        put(service, "photos", "late", b"late")
    back_up(service, tmp_path / "backups")
    other = restored(service, tmp_path / "backups", tmp_path / "restored", "--at", first["name"])
    assert not (other.data / "photos/late").exists()


# While it serves --------------------------------------------------------------------------------------------------


class Write(NamedTuple):
    key: str
    begun: float
    ended: float


def write_until(service: Service, writer: int, stop: Event) -> list[Write]:
    """Puts of small and large bodies one after the other; when each was asked for and acknowledged."""
    done: list[Write] = []
    with service.client() as client:
        while not stop.is_set():
            key = f"load/{writer}/{len(done):05d}"
            begun = time.monotonic()
            body = key.encode() * (1 if len(done) % 7 else 4_000)
            client.put(f"/files/upload-direct/photos/{key}", content=body).raise_for_status()
            done.append(Write(key, begun, time.monotonic()))
    return done


def test_backup_under_load_is_the_state_at_one_instant(service: Service, tmp_path: Path) -> None:
    stop = Event()
    with service, ThreadPoolExecutor(WRITERS) as pool:
        running = [pool.submit(write_until, service, writer, stop) for writer in range(WRITERS)]
        try:
            before = time.monotonic()
            back_up(service, tmp_path / "backups")
            back_up(service, tmp_path / "backups")
            after = time.monotonic()
        finally:
            stop.set()
        writes = [write for future in running for write in future.result()]
    other = restored(service, tmp_path / "backups", tmp_path / "restored")
    is_well(other)
    there = {str(path.relative_to(other.data / "photos")) for path in (other.data / "photos/load").rglob("*")}
    inside = [write for write in writes if write.key in there]
    outside = [write for write in writes if write.key not in there]
    assert inside
    assert {write.key for write in writes if write.ended < before} <= there
    assert not [write for write in inside if write.begun > after]
    # An instant exists: nothing that is missing was acknowledged before something that is there was asked for.
    assert min((write.ended for write in outside), default=after) > max(write.begun for write in inside)


def test_garbage_waits_while_a_backup_copies_what_it_might_remove(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as store:
        bucket = store.bucket()
        version = store.put(bucket.id, "key", b"old")
        store.settle()
        blob = store.blobs.path(store.blob(version))
        store.put(bucket.id, "key", b"new")
        store.settle(2)
        collect = unless_held(store.layout, store.garbage.run)
        held = wait_lock(store.layout.garbage_lock, shared=True)
        collect(1 << 60)
        assert Path(blob).exists()
        os.close(held)
        collect(1 << 60)
        assert not Path(blob).exists()
        again = try_lock(store.layout.garbage_lock)
        assert again is not None
        os.close(again)


# Only what is new -------------------------------------------------------------------------------------------------


def test_second_backup_copies_only_what_is_new(service: Service, tmp_path: Path) -> None:
    first = back_up(service, tmp_path / "backups")
    with service:
        put(service, "photos", "late", b"late" * 10_000)
    second = back_up(service, tmp_path / "backups")
    assert (second["new"], second["new_bytes"]) == (1, 40_000)
    assert second["same"] == first["new"]
    names = [path.relative_to(first["path"]) for path in Path(first["path"]).glob("*/.blobs/*/*")]
    inodes = [{(Path(record["path"]) / name).stat().st_ino for record in (first, second)} for name in names]
    assert names
    assert all(len(found) == 1 for found in inodes)


def test_linked_backup_shares_the_bytes_of_the_store(service: Service, tmp_path: Path) -> None:
    record = back_up(service, tmp_path / "backups", "--link")
    blobs = list(Path(record["path"]).glob("photos/.blobs/*/*[!n]"))  # not the sidecars, *.json
    assert blobs
    for blob in blobs:
        assert blob.stat().st_ino == (service.data / blob.relative_to(record["path"])).stat().st_ino


def test_no_more_backups_are_kept_than_asked_for(service: Service, tmp_path: Path) -> None:
    names = [back_up(service, tmp_path / "backups", "--keep", "2")["name"] for _ in range(3)]
    left = [path.parents[1].name for path in (tmp_path / "backups").glob(f"*/{MANIFEST}")]
    assert sorted(left) == names[1:]
    restored(service, tmp_path / "backups", tmp_path / "restored")


# Interrupted ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def watched(directory: Path, factory: pytest.TempPathFactory) -> Iterator[Shim]:
    """Counts the calls below a new directory, and kills at one of them."""
    directory.mkdir()
    with shim_over(directory, factory.getbasetemp()) as shim:
        yield shim


def empty(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.mkdir()


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_killed_backup_is_none_and_the_next_one_goes_on_with_it(
    service: Service, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, part: float
) -> None:
    target = tmp_path / "backups"
    with watched(target, tmp_path_factory) as shim, service.changed(shim.environment()):
        back_up(service, target)
        empty(target)
        shim.arm(int(part * shim.calls), "kill")
        assert service.run("backup", str(target)).returncode < 0
    assert not list(target.glob(f"[0-9]*/{MANIFEST}"))
    assert service.run("restore", str(target)).returncode == 3
    back_up(service, target)
    assert not list(target.glob(".unfinished-*"))
    is_well(restored(service, target, tmp_path / "restored"))


@pytest.mark.parametrize("part", [0.2, 0.8])
def test_killed_restore_is_not_served_and_goes_on_when_asked_again(
    service: Service, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, part: float
) -> None:
    target, data = tmp_path / "backups", tmp_path / "restored"
    back_up(service, target)
    other = Service(data, tmp_path)
    with watched(data, tmp_path_factory) as shim, other.changed(shim.environment()):
        assert other.run("restore", str(target)).returncode == 0
        empty(data)
        shim.arm(int(part * shim.calls), "kill")
        assert other.run("restore", str(target)).returncode < 0
    refused = other.run("serve")
    assert (refused.returncode, "half restored" in refused.stderr) == (3, True)
    is_well(restored(service, target, data))
    assert everything(data) == everything(service.data)


# Damage and refusals ----------------------------------------------------------------------------------------------


def test_damaged_object_is_named_and_the_rest_is_there(service: Service, tmp_path: Path) -> None:
    blob = Path(json.loads(service.run("where", "--json", "photos/dir/07.txt").stdout)["blob"])
    times = blob.stat()
    blob.chmod(0o640)
    with blob.open("r+b") as file:
        file.write(b"rot")
    os.utime(blob, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = service.run("backup", str(tmp_path / "backups"), "--json")
    assert done.returncode == 1
    (damaged,) = json.loads(done.stdout)["damaged"]
    assert (damaged["bucket"], damaged["key"]) == ("photos", "dir/07.txt")
    other = Service(tmp_path / "restored", tmp_path)
    assert other.run("restore", str(tmp_path / "backups")).returncode == 1
    with other, other.client() as client:
        assert client.get("/files/download/photos/dir/03.txt").content == b"again"


def in_the_store(service: Service, top: Path) -> tuple[str, ...]:
    return ("backup", str(service.data / "backups"))


def in_a_full_place(service: Service, top: Path) -> tuple[str, ...]:
    (top / "mine").mkdir()
    (top / "mine/notes.txt").write_text("mine")
    return ("backup", str(top / "mine"))


def of_another_store(service: Service, top: Path) -> tuple[str, ...]:
    (top / "theirs").mkdir()
    (top / "theirs/backups.json").write_text('{"format": 1, "store": "another"}')
    return ("backup", str(top / "theirs"))


def over_a_store(service: Service, top: Path) -> tuple[str, ...]:
    back_up(service, top / "backups")
    return ("restore", str(top / "backups"))


def from_nothing(service: Service, top: Path) -> tuple[str, ...]:
    (top / "empty").mkdir()
    return ("restore", str(top / "empty"))


@pytest.mark.parametrize("case", [in_the_store, in_a_full_place, of_another_store, over_a_store, from_nothing])
def test_what_would_spoil_something_is_refused_in_one_line(
    service: Service, tmp_path: Path, case: Callable[[Service, Path], tuple[str, ...]]
) -> None:
    arguments = case(service, tmp_path)
    before = sorted(path for path in tmp_path.rglob("*") if ".storage" not in path.parts)
    done = service.run(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert sorted(path for path in tmp_path.rglob("*") if ".storage" not in path.parts) == before


def test_backup_goes_on_while_the_service_restarts(service: Service, tmp_path: Path) -> None:
    target = tmp_path / "backups"
    with service, ThreadPoolExecutor(1) as pool:
        running = pool.submit(back_up, service, target)
        while not running.done() and not list(target.glob("*/.storage")):  # it has begun to copy
            time.sleep(0.01)
        service.restart()
        record = running.result(timeout=60)
    assert record["objects"] == 22
    is_well(restored(service, target, tmp_path / "restored"))
