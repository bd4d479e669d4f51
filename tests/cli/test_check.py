"""`storage check`: what is spoilt has a code, what is not has none; `--accept` takes edits over."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import httpx
import pytest

from tests.cli.conftest import BUCKET, KEYS, Store, body_of

CAT, NOTE = "2024/cat.jpg", "note.txt"


def test_untouched_store_is_well(store: Store) -> None:
    code, record = store.check("--deep")
    assert (code, record["problems"], record["notes"]) == (0, [], [])
    assert (record["objects"], record["versions"], record["lost_after"]) == (len(KEYS), len(KEYS), None)
    assert record["view"] == {"shown": len(KEYS), "hidden": 0}


def unlink_blob(store: Store) -> None:
    store.blob(CAT).unlink()


def write_through_view(store: Store) -> None:
    with (store.data / BUCKET / CAT).open("r+b") as file:
        file.write(b"edited")


def flip_and_keep_times(store: Store) -> None:
    blob = store.blob(CAT)
    times = blob.stat()
    with blob.open("r+b") as file:
        file.write(b"X")
    os.utime(blob, ns=(times.st_atime_ns, times.st_mtime_ns))


def sidecar_of(store: Store) -> Path:
    return Path(store.where(CAT)["sidecar"])


def link_sidecar(store: Store) -> None:
    path = sidecar_of(store)
    path.unlink()
    path.symlink_to("/etc/hostname")


def replace_in_view(store: Store) -> None:
    path = store.data / BUCKET / CAT
    path.unlink()
    path.write_bytes(b"new")


def old_file_in_view(store: Store) -> None:
    replace_in_view(store)
    os.utime(store.data / BUCKET / CAT, (1, 1))


def remove_row(store: Store) -> None:
    connection = apsw.Connection(str(store.data / ".storage/catalog.db"))
    connection.execute("DELETE FROM objects WHERE key=?", (CAT,))
    connection.close()


def park(store: Store) -> None:
    connection = apsw.Connection(str(store.data / ".storage/catalog.db"))
    connection.execute("UPDATE journal SET doc='{}',failures=5 WHERE key=?", (CAT,))
    connection.close()


def other_owner(store: Store) -> None:
    path = store.data / BUCKET / ".bucket.json"
    path.write_text(path.read_text().replace("owner@example.org", "thief@example.org"))


def old_orphan(store: Store) -> None:
    (store.data / BUCKET / ".blobs/aa").mkdir(exist_ok=True)
    (store.data / BUCKET / ".blobs/aa/01890000-0000-7000-8000-0000000000aa").write_bytes(b"?")


def old_empty_sidecar(store: Store) -> None:
    (store.data / BUCKET / ".blobs/aa").mkdir(exist_ok=True)
    (store.data / BUCKET / ".blobs/aa/01890000-0000-7000-8000-0000000000aa.json").write_bytes(b"")


def young_sidecar_without_sense(store: Store) -> None:
    shard = store.blob(CAT).parent
    now_id = store.where(CAT)["version_id"][:-2] + shard.name
    (shard / f"{now_id[:-4]}ff{shard.name}.json").write_bytes(b"{")


DAMAGES: dict[str, tuple[Callable[[Store], object], set[tuple[str, str | None]]]] = {
    "blob gone": (unlink_blob, {("blob_missing", CAT)}),
    "blob edited through the view": (write_through_view, {("blob_edited", CAT)}),
    "sidecar gone": (lambda s: sidecar_of(s).unlink(), {("sidecar_missing", CAT)}),
    "sidecar cut": (lambda s: os.truncate(sidecar_of(s), 100), {("sidecar_damaged", CAT)}),
    "sidecar a link": (link_sidecar, {("sidecar_damaged", CAT)}),
    "row gone": (remove_row, {("row_missing", CAT)}),
    "file replaced in the view": (replace_in_view, {("view_edited", CAT)}),
    "old file in the view's way": (old_file_in_view, {("view_foreign", CAT)}),
    "file beside the view": (
        lambda s: (s.data / BUCKET / "2024/mine.txt").write_bytes(b"mine"),
        {("view_foreign", "2024/mine.txt")},
    ),
    "link beside the view": (lambda s: (s.data / BUCKET / "out").symlink_to("/etc"), {("symlink", "out")}),
    "file among the blobs": (
        lambda s: (s.blob(CAT).parent / "core.1").write_bytes(b""),
        {("blob_foreign", ".blobs/core.1")},
    ),
    "orphan older than a day": (old_orphan, {("blob_orphan", None)}),
    "empty sidecar older than a day": (old_empty_sidecar, {("sidecar_damaged", None)}),
    "young sidecar without a row or sense": (young_sidecar_without_sense, {("sidecar_damaged", None)}),
    "bucket sidecar gone": (
        lambda s: (s.data / BUCKET / ".bucket.json").unlink(),
        {("bucket_sidecar_missing", None)},
    ),
    "bucket sidecar changed": (other_owner, {("bucket_sidecar_damaged", None)}),
    "directory like a bucket": (lambda s: (s.data / "old/.blobs").mkdir(parents=True), {("bucket_unknown", None)}),
    "parked change": (park, {("parked", CAT)}),
}


QUICK = ("blob edited through the view", "sidecar cut", "file beside the view")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.ci) for name in DAMAGES]
)
def test_damage_has_its_code_and_nothing_else_has_one(store: Store, name: str) -> None:
    spoil, expected = DAMAGES[name]
    spoil(store)
    code, record = store.check()
    found = {(finding["code"], finding["key"]) for finding in record["problems"]}
    if name == "row gone":  # its blob is young
        assert [note["code"] for note in record["notes"]] == ["blob_orphan", "view_stale"]
    assert (code, found) == (1, expected)


@pytest.mark.ci
def test_bit_that_flipped_is_found_by_deep_only(store: Store) -> None:
    flip_and_keep_times(store)
    assert store.codes() == set()
    assert store.codes("--deep") == {("blob_corrupt", CAT)}


@pytest.mark.ci
def test_young_orphan_and_leftovers_are_no_damage(store: Store) -> None:
    shard = store.blob(CAT).parent
    now_id = store.where(CAT)["version_id"][:-2] + shard.name
    (shard / f"{now_id[:-4]}ff{shard.name}").write_bytes(b"?")
    (shard / f"{now_id}.json.new").write_bytes(b"{")
    (shard / f"{now_id[:-4]}ee{shard.name}.json").write_bytes(bytes(700))  # in crash-safe mode a cut may leave it
    (store.data / BUCKET / f".storage.{now_id}").write_bytes(b"")
    (store.data / "lost+found").mkdir()
    (store.data / "notes.txt").write_bytes(b"mine")
    code, record = store.check()
    assert (code, record["problems"]) == (0, [])
    assert sorted(note["code"] for note in record["notes"]) == ["blob_orphan", "leftover", "leftover", "leftover"]


@pytest.mark.ci
def test_missing_catalog_is_a_problem_not_a_crash(store: Store) -> None:
    for path in (store.data / ".storage").glob("catalog.db*"):
        path.unlink()
    assert store.codes() == {("catalog_missing", None)}
    assert not (store.data / ".storage/catalog.db").exists()


@pytest.mark.ci
def test_unreadable_catalog_is_a_problem_not_a_crash(store: Store) -> None:
    (store.data / ".storage/catalog.db").write_bytes(b"this is no database\n" * 500)
    assert store.codes() == {("catalog_damaged", None)}


def test_people_get_lines_and_a_count(store: Store) -> None:
    write_through_view(store)
    done = store.service.run("check")
    assert f"blob_edited: {BUCKET}/{CAT}:" in done.stdout
    assert done.stdout.endswith("4 objects, 4 versions, 1 problems\n")
    assert (done.returncode, done.stderr) == (1, "")


EDITS = {"in place": (write_through_view, b"edited" + body_of(CAT)[6:]), "replaced": (replace_in_view, b"new")}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("running", [False, pytest.param(True, marks=pytest.mark.ci)])
def test_accept_makes_the_edit_a_new_version(store: Store, name: str, running: bool) -> None:
    edit, content = EDITS[name]
    before = store.where(CAT)
    if running:
        store.service.start()
    edit(store)
    code, record = store.check("--accept")
    assert (code, record["problems"]) == (0, []), record
    (accepted,) = record["accepted"]
    after = store.where(CAT)
    assert accepted["version_id"] == after["version_id"] != before["version_id"]
    assert after["file_id"] == before["file_id"]
    if not running:
        store.service.start()
    with store.service.client() as client:
        answer = client.get(f"/files/download/{BUCKET}/{CAT}")
        assert (answer.status_code, answer.content) == (200, content)
        versions = client.get(f"/files/versions/{BUCKET}/{CAT}", params={"trash": "true"}).json()
    assert (store.data / BUCKET / CAT).read_bytes() == content
    assert Path(after["blob"]).stat().st_nlink == 2
    assert store.codes("--deep") == set()
    assert len(versions) == 2
    edited_before = next(version for version in versions if version["version_id"] == before["version_id"])
    assert edited_before["in_trash"]


@pytest.mark.ci
def test_bytes_of_a_version_that_was_edited_in_place_are_not_offered_again(store: Store) -> None:
    """The old bytes are gone: its sidecar says removed, and for the grace time only."""
    before = store.where(CAT)
    write_through_view(store)
    store.check("--accept")
    record = json.loads(Path(before["sidecar"]).read_text())
    assert record["removed_due_ms"] - record["removed_at_ms"] == 60_000


@pytest.mark.ci
def test_accept_takes_older_versions_out_whose_bytes_were_the_same(store: Store) -> None:
    """A restored version shares its blob's bytes with the one it was restored from."""
    with store.service as service, service.client() as client:
        client.put(f"/buckets/{BUCKET}", json={"versioning": "on"}).raise_for_status()
        path = f"/files/upload-direct/{BUCKET}/{CAT}"
        client.put(path, content=b"second" * 9000).raise_for_status()
        first = next(v for v in client.get(f"/files/versions/{BUCKET}/{CAT}").json() if not v["is_latest"])
        body = {"version_id": first["version_id"]}
        client.post(f"/files/restore/{BUCKET}/{CAT}", json=body).raise_for_status()
        service.run("settle", "--wait")
        write_through_view(store)
        assert store.codes() == {("blob_edited", CAT)}
        code, record = store.check("--accept")
        assert (code, len(record["accepted"])) == (0, 2), record
        answer = client.get(f"/files/download/{BUCKET}/{CAT}")
        assert answer.content == b"edited" + body_of(CAT)[6:]


@pytest.mark.ci
def test_other_damage_is_not_accepted(store: Store) -> None:
    unlink_blob(store)
    code, record = store.check("--accept")
    assert (code, record["accepted"]) == (1, [])


@pytest.mark.ci
def test_check_beside_writers_finds_nothing(store: Store) -> None:
    """Rows, files and the view change under it all the time."""
    with store.service as service, service.client() as client:
        for _ in range(4):
            with ThreadPoolExecutor(1) as pool:
                checking = pool.submit(service.run, "check", "--json")
                while not checking.done():
                    write_and_delete(client)
            record = json.loads(checking.result().stdout)
            assert record["problems"] == []


def write_and_delete(client: httpx.Client) -> None:
    for number in range(30):
        url = f"/files/upload-direct/{BUCKET}/busy/{number}"
        client.put(url, content=os.urandom(2000 + 20_000 * (number % 2))).raise_for_status()
        if number % 3 == 0:
            client.delete(f"/files/{BUCKET}/busy/{number}").raise_for_status()
