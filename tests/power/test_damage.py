"""R4: data directories as people, disks and other programs leave them.

The service starts on each. A damaged key answers one error that is nobody else's, every other key
reads whole, and `storage check --json` names the damage.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import pytest

from tests.power.bench import SMALL_DISK
from tests.power.door import Door
from tests.power.filled import BUCKET, compare, fill, make_bucket, settle
from tests.support.model import Ledger
from tests.support.service import Service

pytestmark = [pytest.mark.ci, pytest.mark.timeout(300)]

OBJECTS: Final = 42
VICTIM: Final = "dir2/key00002"  # 3,000 bytes, written once
DAMAGED_CODE: Final = "damaged_object"


class Version(NamedTuple):
    """The files of one object's current version."""

    blob: Path
    sidecar: Path
    view: Path
    bucket: Path


class Mutation(NamedTuple):
    """One way to spoil a directory, what the victim's reads do after it, and what `check` says.

    `reads` is "either" where the catalog still knows enough to serve whole bytes. `named` is the
    text that `check` has to mention; "" where the mutation is no damage.
    """

    spoil: Callable[[Version], object]
    reads: Literal["damaged", "whole", "either"]
    named: str


def rewrite(path: Path, content: bytes) -> None:
    """Write into the file that is there, whatever its mode; other links of it change as well."""
    with path.open("r+b") as file:
        file.truncate()
        file.write(content)


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def edit_sidecar(version: Version, **fields: object) -> None:
    record = json.loads(version.sidecar.read_bytes()) | fields
    rewrite(version.sidecar, json.dumps(record).encode())


def flip_bit_and_keep_times(path: Path) -> None:
    before = path.stat()
    with path.open("r+b") as file:
        first = file.read(1)[0]
        file.seek(0)
        file.write(bytes([first ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_symlink(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def replace_by_directory(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def lose_both(version: Version) -> None:
    version.blob.unlink()
    version.sidecar.unlink()


def replace_by_foreign_file(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"mine")


MUTATIONS: Final = {
    "sidecar empty": Mutation(lambda v: rewrite(v.sidecar, b""), "either", VICTIM),
    "sidecar cut": Mutation(lambda v: cut_in_half(v.sidecar), "either", VICTIM),
    "sidecar zeroed": Mutation(lambda v: rewrite(v.sidecar, bytes(500)), "either", VICTIM),
    "sidecar of another size": Mutation(lambda v: edit_sidecar(v, size=1), "either", VICTIM),
    "sidecar of another key": Mutation(lambda v: edit_sidecar(v, key="k"), "either", VICTIM),
    "sidecar of a newer format": Mutation(lambda v: edit_sidecar(v, format=99), "either", VICTIM),
    "sidecar gone": Mutation(lambda v: v.sidecar.unlink(), "either", VICTIM),
    "sidecar a symlink": Mutation(lambda v: replace_by_symlink(v.sidecar), "either", VICTIM),
    "sidecar a directory": Mutation(lambda v: replace_by_directory(v.sidecar), "either", VICTIM),
    "blob gone": Mutation(lambda v: v.blob.unlink(), "damaged", VICTIM),
    "blob empty": Mutation(lambda v: rewrite(v.blob, b""), "damaged", VICTIM),
    "blob cut": Mutation(lambda v: cut_in_half(v.blob), "damaged", VICTIM),
    "blob edited through the view": Mutation(lambda v: rewrite(v.view, b"new"), "damaged", VICTIM),
    "blob a symlink": Mutation(lambda v: replace_by_symlink(v.blob), "damaged", VICTIM),
    "blob a directory": Mutation(lambda v: replace_by_directory(v.blob), "damaged", VICTIM),
    "blob and sidecar gone": Mutation(lose_both, "damaged", VICTIM),
    "view name gone": Mutation(lambda v: v.view.unlink(), "whole", ""),
    "view name a symlink": Mutation(lambda v: replace_by_symlink(v.view), "whole", VICTIM),
    "view name a foreign file": Mutation(lambda v: replace_by_foreign_file(v.view), "whole", VICTIM),
    "foreign file beside the view": Mutation(
        lambda v: (v.bucket / "mine.txt").write_bytes(b"mine"), "whole", "mine.txt"
    ),
    "foreign file among the blobs": Mutation(
        lambda v: (v.blob.parent / "core.1234").write_bytes(b"mine"), "whole", "core.1234"
    ),
    "foreign directory among the blobs": Mutation(
        lambda v: (v.blob.parent.parent / "zz" / "deep").mkdir(parents=True), "whole", ""
    ),
    "symlink beside the view": Mutation(lambda v: (v.bucket / "outside").symlink_to("/etc"), "whole", "outside"),
    "lost+found": Mutation(lambda v: (v.bucket.parent / "lost+found/#12").mkdir(parents=True), "whole", ""),
    "foreign directory beside the buckets": Mutation(
        lambda v: (v.bucket.parent / "backup-of-mine").mkdir(), "whole", ""
    ),
    "foreign file beside the buckets": Mutation(
        lambda v: (v.bucket.parent / "notes.txt").write_bytes(b"mine"), "whole", ""
    ),
    "bucket sidecar empty": Mutation(lambda v: rewrite(v.bucket / ".bucket.json", b""), "whole", ".bucket.json"),
    "bucket sidecar gone": Mutation(lambda v: (v.bucket / ".bucket.json").unlink(), "whole", ".bucket.json"),
}


def current_version(data: Path, key: str) -> Version:
    bucket = data / BUCKET
    for sidecar in bucket.glob(".blobs/*/*.json"):
        record = json.loads(sidecar.read_bytes())
        if record["key"] == key and record.get("removed_sequence") is None:
            return Version(sidecar.with_suffix(""), sidecar, bucket / key, bucket)
    raise AssertionError(f"no sidecar names {key}")


class Filled(NamedTuple):
    """A store that was filled, settled and stopped, and what it must hold."""

    data: Path
    ledger: Ledger


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    place = tmp_path_factory.mktemp("original")
    with Service(place / "data", place, 1, SMALL_DISK) as service:
        make_bucket(service)
        ledger = fill(service, OBJECTS)
        settle(service)
        service.stop()
    return Filled(place / "data", ledger)


@pytest.fixture
def filled(original: Filled, tmp_path: Path) -> Filled:
    """A copy of its own, with times and hard links as they were."""
    subprocess.run(["cp", "--archive", original.data, tmp_path / "data"], check=True)
    return Filled(tmp_path / "data", original.ledger)


def checked(service: Service, *options: str) -> tuple[int, str, dict[str, Any]]:
    """Exit code, text and JSON of `storage check --json`."""
    done = service.run("check", "--json", *options)
    return done.returncode, done.stdout, json.loads(done.stdout)


def assert_damaged(service: Service) -> None:
    """The one error: not "no such key", not a success, not anybody else's code."""
    with Door(service, BUCKET) as door:
        for answer in (door.get(VICTIM), door.get(VICTIM, {"range": "bytes=0-9"})):
            assert answer.status_code == 500, answer.text
            assert answer.json()["code"] == DAMAGED_CODE


def assert_others_whole(service: Service, ledger: Ledger) -> None:
    assert [found for found in compare(service, ledger) if found.key != VICTIM] == []


def reads_whole(service: Service, ledger: Ledger) -> bool:
    return VICTIM not in {found.key for found in compare(service, ledger)}


@pytest.mark.parametrize("name", MUTATIONS)
def test_spoilt_directory_is_served_and_its_damage_named(tmp_path: Path, filled: Filled, name: str) -> None:
    mutation = MUTATIONS[name]
    mutation.spoil(current_version(filled.data, VICTIM))
    with Service(filled.data, tmp_path, 1, SMALL_DISK) as service:
        assert_others_whole(service, filled.ledger)
        if mutation.reads == "whole":
            assert reads_whole(service, filled.ledger)
        elif mutation.reads == "damaged" or not reads_whole(service, filled.ledger):
            assert_damaged(service)
        code, text, _ = checked(service)
        if mutation.named:
            assert mutation.named in text
            assert code != 0


def test_untouched_directory_has_no_damage(tmp_path: Path, filled: Filled) -> None:
    with Service(filled.data, tmp_path, 1, SMALL_DISK) as service:
        code, text, report = checked(service, "--deep")
        assert code == 0, text
        assert report["problems"] == []
        assert report["notes"] == []


def test_bit_that_flipped_on_the_disk_is_named_by_a_deep_check(tmp_path: Path, filled: Filled) -> None:
    """Size and time are as they were: only reading the bytes finds it."""
    flip_bit_and_keep_times(current_version(filled.data, VICTIM).blob)
    with Service(filled.data, tmp_path, 1, SMALL_DISK) as service:
        code, text, report = checked(service, "--deep")
        assert code != 0
        assert [(found["code"], found["key"]) for found in report["problems"]] == [("blob_corrupt", VICTIM)], text
        assert_others_whole(service, filled.ledger)


@pytest.mark.parametrize("name", ["sidecar empty", "sidecar cut", "sidecar gone", "blob gone"])
def test_catalog_lost_on_a_spoilt_directory_costs_only_what_was_spoilt(
    tmp_path: Path, filled: Filled, name: str
) -> None:
    """The rebuild meets the damage: it goes on, and says so."""
    version = current_version(filled.data, VICTIM)
    MUTATIONS[name].spoil(version)
    for path in (filled.data / ".storage").glob("catalog.db*"):
        path.unlink()
    with Service(filled.data, tmp_path, 1, SMALL_DISK) as service:
        assert_others_whole(service, filled.ledger)
        code, text, _ = checked(service)
        assert code != 0
        assert VICTIM in text or version.blob.name in text


def test_foreign_files_stay_as_they_are(tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path, 1, SMALL_DISK) as service:
        make_bucket(service)
        settle(service)  # which makes the bucket's directory
        mine = service.data / BUCKET / "mine.txt"
        mine.write_bytes(b"mine")
        with Door(service, BUCKET) as door:
            door.put("mine.txt", b"theirs").raise_for_status()
            settle(service)
            assert door.get("mine.txt").content == b"theirs"
            door.delete("mine.txt").raise_for_status()
            settle(service)
        assert mine.read_bytes() == b"mine"
