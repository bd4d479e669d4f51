"""`storage adopt`: a SelfDB directory, and what was dropped into a bucket's, become objects."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import Service
from tests.support.shim import shim_over

OWNER = "6f1d0f5e-5b0c-4c53-9a5e-0d6a1a1f6a01"
FILE_ID = "123e4567-e89b-42d3-a456-426614174000"
BUCKET_ID = "223e4567-e89b-42d3-a456-426614174000"
MADE = 1_700_000_000.5
MTIME = 1_600_000_000
BODIES = {
    "cat.png": b"\x89PNG\r\n\x1a\n" + bytes(60_000),
    "report": b"%PDF-1.4 report",
    "empty": b"",
    "Ünï code.txt": b"text",
}


def make_selfdb(root: Path, bucket: str = "photos") -> Path:
    """A bucket's directory as SelfDB's storage service leaves it."""
    top = root / bucket
    top.mkdir(parents=True)
    said = {"name": bucket, "is_public": True, "owner_id": OWNER, "created_at": MADE}
    (top / ".metadata.json").write_text(json.dumps(said))
    for name, body in BODIES.items():
        (top / name).write_bytes(body)
        os.utime(top / name, (MTIME, MTIME))
    return top


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Not started; its directory does not exist yet."""
    found = Service(tmp_path / "data", tmp_path)
    yield found
    found.kill_all()


def adopt(service: Service, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = service.run("adopt", "--json", *arguments)
    assert done.returncode == code, (done.stdout, done.stderr)
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def is_well(service: Service) -> None:
    done = service.run("check", "--deep", "--json")
    assert (done.returncode, json.loads(done.stdout)["problems"]) == (0, []), done.stdout


def bodies(service: Service, bucket: str = "photos") -> dict[str, bytes]:
    """What a running service gives for each key."""
    with service.client() as client:
        names = [file["object_name"] for file in client.get(f"/files/list/{bucket}").raise_for_status().json()]
        return {name: client.get(f"/files/download/{bucket}/{name}").content for name in names}


def looks(directory: Path) -> dict[str, tuple[int, ...]]:
    """All that a file is besides its bytes and when they were read."""
    stats = {path.name: path.stat() for path in directory.iterdir()}
    return {name: (s.st_ino, s.st_nlink, s.st_mode, s.st_size, s.st_mtime_ns) for name, s in stats.items()}


# SelfDB -----------------------------------------------------------------------------------------------------------


def test_selfdb_directory_is_adopted_in_place_with_owner_flag_types_and_times(service: Service) -> None:
    top = make_selfdb(service.data)
    record = adopt(service)
    assert record["buckets"]["photos"] == {
        "new": True,
        "owner": OWNER,
        "public": True,
        "adopted": len(BODIES),
        "bytes": sum(map(len, BODIES.values())),
    }
    is_well(service)
    assert not (top / ".metadata.json").exists()
    with service, service.client() as client:
        assert bodies(service) == BODIES
        (bucket,) = [found for found in client.get("/buckets").json() if found["name"] == "photos"]
        assert (bucket["owner_id"], bucket["is_public"]) == (OWNER, True)
        assert bucket["created_at"].startswith("2023-11-14T22:13:20.5")
        found = client.get("/files/info/photos/report").json()
        assert (found["content_type"], found["owner_id"]) == ("application/pdf", OWNER)
        assert found["created_at"].startswith("2020-09-13T12:26:40")
        assert found["checksums"]["crc64nvme"]


def test_table_of_the_backend_gives_names_types_owners_and_ids(service: Service, tmp_path: Path) -> None:
    make_selfdb(service.data)
    table = tmp_path / "files.csv"
    table.write_text(
        "id,bucket_id,bucket_name,object_name,filename,content_type,owner_id\n"
        f"{FILE_ID},{BUCKET_ID},photos,cat.png,Käte 1.png,image/x-cat,somebody\n"
    )
    adopt(service, "--names", str(table))
    with service, service.client() as client:
        found = client.get("/files/info/photos/cat.png").json()
        assert (found["id"], found["bucket_id"]) == (FILE_ID, BUCKET_ID)
        assert (found["content_type"], found["owner_id"]) == ("image/x-cat", "somebody")
        answer = client.get(f"/files/download/{BUCKET_ID}/{FILE_ID}")
        assert answer.content == BODIES["cat.png"]
        assert "K%C3%A4te%201.png" in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    "said", ["", "[]", "no JSON", '{"created_at": "yesterday", "is_public": null, "owner_id": null}']
)
def test_word_of_selfdb_that_says_nothing_is_taken_as_none(service: Service, said: str) -> None:
    (make_selfdb(service.data) / ".metadata.json").write_text(said)
    record = adopt(service)
    assert record["buckets"]["photos"]["adopted"] == len(BODIES)
    assert (record["buckets"]["photos"]["owner"], record["buckets"]["photos"]["public"]) == ("@service", False)


def test_directory_elsewhere_is_copied_and_left_as_it_was(service: Service, tmp_path: Path) -> None:
    top = make_selfdb(tmp_path / "selfdb")
    before = looks(top)
    adopt(service, str(tmp_path / "selfdb"))
    assert looks(top) == before
    with service:
        assert bodies(service) == BODIES


def test_nested_files_without_a_word_of_metadata_are_private_and_the_services_own(
    service: Service, tmp_path: Path
) -> None:
    deep = tmp_path / "plain/docs/a/b"
    deep.mkdir(parents=True)
    (deep / "c.txt").write_bytes(b"deep")
    record = adopt(service, str(tmp_path / "plain"))
    assert (record["buckets"]["docs"]["owner"], record["buckets"]["docs"]["public"]) == ("@service", False)
    again = adopt(service, str(tmp_path / "plain"), "--bucket", "docs:public:me")
    assert again["buckets"]["docs"]["there"] == 1
    assert (service.data / "docs/a/b/c.txt").read_bytes() == b"deep"


def test_dry_run_says_the_same_and_changes_nothing(service: Service) -> None:
    make_selfdb(service.data)
    before = sorted((path, path.stat().st_mtime_ns) for path in service.data.rglob("*"))
    planned = adopt(service, "--dry-run")
    assert sorted((path, path.stat().st_mtime_ns) for path in service.data.rglob("*")) == before
    assert planned["buckets"] == adopt(service)["buckets"]


# Dropped files ----------------------------------------------------------------------------------------------------


def test_file_dropped_into_a_bucket_of_a_running_service_becomes_an_object(service: Service) -> None:
    with service:
        with service.client() as client:
            client.post("/buckets", json={"name": "photos"}).raise_for_status()
            client.put("/files/upload-direct/photos/ours", content=b"ours").raise_for_status()
        assert service.run("settle", "--wait").returncode == 0
        (service.data / "photos/new").mkdir()
        (service.data / "photos/new/dropped.txt").write_bytes(b"dropped")
        assert adopt(service)["buckets"]["photos"]["adopted"] == 1
        assert bodies(service) == {"ours": b"ours", "new/dropped.txt": b"dropped"}
        assert adopt(service)["buckets"]["photos"].keys() == {"new", "owner", "public"}
    is_well(service)


def test_linked_file_is_not_copied(service: Service, tmp_path: Path) -> None:
    top = make_selfdb(tmp_path / "selfdb")
    inode = (top / "cat.png").stat().st_ino
    adopt(service, str(tmp_path / "selfdb"), "--link")
    blob = json.loads(service.run("where", "--json", "photos/cat.png").stdout)["blob"]
    assert Path(blob).stat().st_ino == inode
    is_well(service)


def test_what_cannot_be_adopted_is_named_and_left_as_it_is(service: Service, tmp_path: Path) -> None:
    make_selfdb(tmp_path / "selfdb")
    adopt(service, str(tmp_path / "selfdb"))
    top = tmp_path / "selfdb/photos"
    (top / "cat.png").write_bytes(b"another cat")
    (top / "out").symlink_to("/etc")
    (top / "secret").symlink_to("/etc/passwd")
    Path(os.fsdecode(os.fsencode(top) + b"/\xff\xfe")).write_bytes(b"no text")
    (tmp_path / "selfdb/Not_A_Bucket").mkdir()
    record = adopt(service, str(tmp_path / "selfdb"), code=1)
    assert {(left["bucket"], left["key"]) for left in record["left"]} == {
        ("photos", "cat.png"),
        ("photos", "out"),
        ("photos", "secret"),
        ("photos", "\\udcff\\udcfe"),
        ("Not_A_Bucket", ""),
    }
    with service:
        assert bodies(service) == BODIES


def test_limits_of_the_bucket_hold(service: Service, tmp_path: Path) -> None:
    make_selfdb(tmp_path / "selfdb")
    with service:
        with service.client() as client:
            client.post("/buckets", json={"name": "photos", "quota_bytes": 1_000}).raise_for_status()
        record = adopt(service, str(tmp_path / "selfdb"), code=1)
        assert [left["key"] for left in record["left"]] == ["cat.png"]
        assert bodies(service).keys() == BODIES.keys() - {"cat.png"}
    is_well(service)


@pytest.mark.parametrize("arguments", [("--bucket", "photos:a:b"), ("--bucket", ":public")])
def test_wrong_usage_has_its_own_exit_code(service: Service, arguments: tuple[str, ...]) -> None:
    assert service.run("adopt", *arguments).returncode == 2


def test_directory_in_the_store_or_without_one_is_refused(service: Service) -> None:
    assert service.run("adopt").returncode == 3
    assert not service.data.exists()
    make_selfdb(service.data)
    done = service.run("adopt", str(service.data / "photos"))
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


# Interrupted ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "options"), [(0.15, ()), (0.4, ("--link",)), (0.6, ()), (0.75, ("--link",)), (0.9, ())]
)
def test_killed_anywhere_it_goes_on_when_it_is_run_again(
    service: Service, tmp_path_factory: pytest.TempPathFactory, part: float, options: tuple[str, ...]
) -> None:
    make_selfdb(service.data)
    with shim_over(service.data, tmp_path_factory.getbasetemp()) as shim, service.changed(shim.environment()):
        adopt(service, *options)
        needed = shim.calls
        shutil.rmtree(service.data)
        make_selfdb(service.data)
        shim.arm(int(part * needed), "kill")
        assert service.run("adopt", *options).returncode < 0
    adopt(service, *options)
    is_well(service)
    with service:
        assert bodies(service) == BODIES
