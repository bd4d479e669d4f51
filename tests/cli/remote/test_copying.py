"""`cp`, `mv`, `sync`: what lies on disk and what the API tells afterwards."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from storage_service.cli.transfer import steps
from storage_service.cli.transfer.meter import Meter
from storage_service.cli.transfer.unfinished import Unfinished
from storage_service.client import tus
from tests.cli.remote.conftest import Storage, tree
from tests.support.service import REPOSITORY, SERVICE_KEY, Service
from tests.support.terminal import at_a_terminal

FILES = {"a.txt": b"1", "d/b.txt": b"22", "d/e/c.bin": bytes(range(256)) * 100}


def test_file_goes_up_and_comes_down(storage: Storage) -> None:
    storage.files(**{"x.txt": b"up"})
    assert storage("cp", "./x.txt", f"{storage.bucket}/").code == 0
    assert storage("cp", "./x.txt", f"{storage.bucket}/as/y.txt").code == 0
    assert storage.store.get("as/y.txt").read() == b"up"
    assert storage.store.head("x.txt").content_type == "text/plain"
    assert storage("cp", f"{storage.bucket}/as/y.txt", "./").code == 0
    assert storage("cp", f"{storage.bucket}/as/y.txt", "./z.txt").code == 0
    assert tree(storage.here) == {"x.txt": b"up", "y.txt": b"up", "z.txt": b"up"}


def test_cp_replaces_what_is_there(storage: Storage) -> None:
    storage.files(x=b"new")
    storage.fill(x=b"old")
    assert storage("cp", "./x", f"{storage.bucket}/x").code == 0
    assert storage.store.get("x").read() == b"new"


def test_tree_goes_up_across_and_down(storage: Storage) -> None:
    storage.files(**{f"t/{path}": body for path, body in FILES.items()})
    assert storage("cp", "-r", "./t", f"{storage.bucket}/up").out.startswith("3 copied")
    assert storage.listed() == [f"up/{path}" for path in FILES]
    assert storage("cp", "-r", f"{storage.bucket}/up", f"{storage.bucket}/across/").code == 0
    assert storage("cp", "-r", f"{storage.bucket}/across", "./down").code == 0
    assert tree(storage.here / "down") == FILES


def test_repeated_copy_sends_only_what_differs(storage: Storage) -> None:
    storage.files(**{f"t/{path}": body for path, body in FILES.items()})
    storage("cp", "-r", "./t", storage.bucket)
    before = {info.key: info.version_id for info in storage.store.list()}
    (storage.here / "t/a.txt").write_bytes(b"2")  # of the same size
    done = storage("cp", "-r", "./t", storage.bucket, "--json").json
    assert (done["copied"], done["unchanged"]) == (1, 2)
    after = {info.key: info.version_id for info in storage.store.list()}
    assert {key for key in after if after[key] != before[key]} == {"a.txt"}
    assert storage("sync", "./t", storage.bucket, "--size-only", "--json").json["copied"] == 0


def test_dry_run_does_nothing(storage: Storage) -> None:
    storage.files(**{"t/new": b"1"})
    storage.fill(old=b"1")
    done = storage("sync", "./t", storage.bucket, "--delete", "--dry-run")
    assert done.out.splitlines() == [
        f"would copy t/new to {storage.bucket}/new",
        f"would delete {storage.bucket}/old",
        "1 to copy, 1 to delete",
    ]
    assert storage.listed() == ["old"]


def test_patterns_choose_what_is_copied_and_protect_from_deletion(storage: Storage) -> None:
    storage.files(**{"t/a.jpg": b"1", "t/b.tmp": b"1", "t/raw/c.jpg": b"1"})
    storage.fill(**{"keep.tmp": b"1", "gone.jpg": b"1"})
    assert storage("sync", "./t", storage.bucket, "--exclude", "*.tmp", "--delete").code == 0
    assert storage.listed() == ["a.jpg", "keep.tmp", "raw/c.jpg"]
    assert storage("cp", "-r", storage.bucket, "./out", "--include", "raw/*").code == 0
    assert tree(storage.here / "out") == {"raw/c.jpg": b"1"}


def test_sync_deletes_only_when_told(storage: Storage) -> None:
    storage.files(**{"t/a": b"1"})
    storage.fill(b=b"1")
    assert storage("sync", "./t", storage.bucket).code == 0
    assert storage.listed() == ["a", "b"]
    assert storage("mirror", "./t", storage.bucket, "--delete", "--json").json["deleted"] == 1
    assert storage.listed() == ["a"]


@pytest.mark.parametrize(("one", "other"), [("", "backup/"), ("a/b", "a"), ("a", "a/")])
def test_sync_of_a_prefix_into_itself_is_wrong_usage(storage: Storage, one: str, other: str) -> None:
    storage.fill(**{"a/b/x": b"1"})
    assert storage("sync", f"{storage.bucket}/{one}", f"{storage.bucket}/{other}", "--delete").code == 2
    assert storage.listed() == ["a/b/x"]


def test_sync_down_deletes_files_and_empty_directories(storage: Storage) -> None:
    storage.fill(**{"a": b"1"})
    storage.files(**{"out/old/deep/x": b"1", "out/a": b"0"})
    assert storage("sync", storage.bucket, "./out", "--delete").code == 0
    assert tree(storage.here / "out") == {"a": b"1"}
    assert not (storage.here / "out/old").exists()


def test_empty_source_never_empties_the_target(storage: Storage) -> None:
    """A disk that is not mounted, a prefix with a slip of the pen."""
    storage.fill(a=b"1")
    (storage.here / "empty").mkdir()
    assert storage("sync", "./empty", storage.bucket, "--delete").code == 3
    assert storage("sync", "./missing", storage.bucket, "--delete").code == 3
    storage.files(**{"out/x": b"1"})
    assert storage("sync", f"{storage.bucket}/slip", "./out", "--delete").code == 3
    assert storage.listed() == ["a"]
    assert tree(storage.here / "out") == {"x": b"1"}


def test_nothing_is_deleted_after_a_failure(storage: Storage) -> None:
    storage.fill(**{"a/../b": b"1", "c": b"1"})
    storage.files(**{"out/x": b"1"})
    done = storage("sync", storage.bucket, "./out", "--delete", "--json")
    assert done.code == 1
    assert [failure["path"] for failure in done.json["failed"]] == [f"{storage.bucket}/a/../b"]
    assert tree(storage.here / "out") == {"x": b"1", "c": b"1"}


@pytest.mark.parametrize("key", ["../out.txt", "/etc/x", "a/../../x", "a//b", "./x", "é" * 200])
def test_key_that_is_no_file_name_below_the_target_is_a_failure(storage: Storage, key: str) -> None:
    storage.fill(**{key: b"1"})
    done = storage("cp", "-r", storage.bucket, "./out")
    assert (done.code, "cannot be a file name" in done.err) == (1, True)
    assert tree(storage.here) == {}


def test_nothing_is_written_through_a_link_that_leads_out(storage: Storage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (storage.here / "out").mkdir()
    (storage.here / "out/d").symlink_to(outside)
    (storage.here / "out/f").symlink_to(outside / "f")
    storage.fill(**{"d/x": b"1", "d/e/y": b"1", "f": b"new"})
    done = storage("cp", "-r", storage.bucket, "./out")
    assert (done.code, done.err.count("leads out of the target")) == (1, 2)
    assert list(outside.iterdir()) == []
    assert ((storage.here / "out/f").is_symlink(), (storage.here / "out/f").read_bytes()) == (False, b"new")


def test_keys_that_need_a_file_and_a_directory_fail_one_of_them(storage: Storage) -> None:
    storage.fill(**{"a": b"1", "a/b": b"2"})
    done = storage("cp", "-r", storage.bucket, "./out", "--json")
    assert (done.code, done.json["copied"], len(done.json["failed"])) == (1, 1, 1)


def test_local_links_are_left_out_unless_followed(storage: Storage, tmp_path: Path) -> None:
    storage.files(**{"t/a": b"1", "elsewhere/b": b"2"})
    (storage.here / "t/file").symlink_to(storage.here / "elsewhere/b")
    (storage.here / "t/directory").symlink_to(storage.here / "elsewhere")
    (storage.here / "t/nowhere").symlink_to(storage.here / "missing")
    (storage.here / "t/loop").symlink_to(storage.here / "t")
    os.mkfifo(storage.here / "t/pipe")
    done = storage("cp", "-r", "./t", storage.bucket)
    assert (done.code, done.err.count("a symbolic link"), storage.listed()) == (0, 4, ["a"])
    assert "pipe: no file and no directory" in done.err
    done = storage("cp", "-r", "./t", storage.bucket, "--follow-links")
    assert (done.code, storage.listed()) == (0, ["a", "directory/b", "file"])
    assert "loop: leads back to where it is" in done.err


def test_name_that_is_not_utf8_is_a_failure_and_the_others_go(storage: Storage) -> None:
    storage.files(**{"t/a b\nc": b"1", "t/Zoë": b"2"})
    (storage.here / "t" / os.fsdecode(b"\xff")).write_bytes(b"3")
    done = storage("cp", "-r", "./t", storage.bucket, "--json")
    assert (done.code, len(done.json["failed"])) == (1, 1)
    assert storage.listed() == ["Zoë", "a b\nc"]


def test_leftover_of_a_killed_download_is_not_sent(storage: Storage) -> None:
    storage.files(**{"t/a": b"1", "t/.a.0123abcd.part": b"half"})
    storage("sync", "./t", storage.bucket)
    assert storage.listed() == ["a"]


def test_directory_markers_are_no_files(storage: Storage) -> None:
    storage.fill(**{"d/": b"", "d/a": b"1"})
    assert storage("cp", "-r", storage.bucket, "./out").code == 0
    assert tree(storage.here / "out") == {"d/a": b"1"}
    assert storage("sync", "./out", storage.bucket, "--delete").code == 0
    assert storage.listed() == ["d/", "d/a"]


def test_mv_leaves_nothing_behind(storage: Storage) -> None:
    storage.files(**{"t/a": b"1", "t/d/b": b"2"})
    assert storage("mv", "-r", "./t", f"{storage.bucket}/m").code == 0
    assert (storage.listed(), [*(storage.here / "t").iterdir()]) == (["m/a", "m/d/b"], [])
    file_id = storage.store.head("m/a").id
    assert storage("mv", f"{storage.bucket}/m/a", f"{storage.bucket}/n").code == 0
    assert storage.store.head("n").id == file_id
    assert storage("mv", "-r", f"{storage.bucket}/m", "./back").code == 0
    assert (storage.listed(), tree(storage.here)) == (["n"], {"back/d/b": b"2"})


def test_mv_keeps_the_source_of_what_failed(storage: Storage) -> None:
    storage.fill(**{"d/a": b"1", "d//b": b"2"})
    assert storage("mv", "-r", f"{storage.bucket}/d", "./out").code == 1
    assert (storage.listed(), tree(storage.here / "out")) == (["d//b"], {"a": b"1"})


def test_several_sources_need_a_directory(storage: Storage) -> None:
    storage.files(a=b"1", b=b"2")
    assert storage("cp", "./a", "./b", f"{storage.bucket}/one").code == 2
    assert storage("cp", "./a", "./b", f"{storage.bucket}/some/").code == 0
    assert storage.listed() == ["some/a", "some/b"]


def test_each_of_several_directories_keeps_its_name(storage: Storage) -> None:
    storage.files(**{"a": b"1", "d/b": b"2", "e/deep/c": b"3"})
    assert storage("cp", "-r", "./a", "./d", "./e/", f"{storage.bucket}/some/").out.startswith("3 copied")
    assert storage.listed() == ["some/a", "some/d/b", "some/e/deep/c"]
    down = [f"{storage.bucket}/some/{name}" for name in ("d", "e/")]
    assert storage("cp", "-r", *down, "./out/").code == 0
    assert tree(storage.here / "out") == {"d/b": b"2", "e/deep/c": b"3"}


def test_pipe_by_name_is_refused_rather_than_stored_empty(storage: Storage) -> None:
    os.mkfifo(storage.here / "pipe")
    assert storage("cp", "./pipe", f"{storage.bucket}/x").code == 3
    assert storage.listed() == []


def test_terminal_sees_how_far_it_is(storage: Storage, service: Service) -> None:
    storage.files(large=os.urandom(3_000_000))
    known = {"PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-m", "storage_service.cli.main", "cp", "./large", f"{storage.bucket}/"]
    seen = at_a_terminal(args=command, env={**os.environ, **known}, text=True)
    assert "2.9/2.9 MiB" in seen.shown
    assert "/s" in seen.shown
    assert (seen.code, seen.printed) == (0, "1 copied, 2.9 MiB\n")


@pytest.mark.parametrize(
    "words",
    [
        ["./a", "./b"],
        ["./a"],
        ["./d", "{}"],
        ["{}/d/", "./x"],
        ["-", "{}/"],
        ["-", "./x"],
        ["{}/a", "{}/a"],
        ["a", "{}/"],
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(storage: Storage, words: list[str]) -> None:
    storage.files(**{"a": b"1", "d/x": b"1"})
    done = storage("cp", *(word.format(storage.bucket) for word in words))
    assert (done.code, done.out, storage.listed()) == (2, "", [])


def test_standard_streams_are_source_and_target(storage: Storage) -> None:
    assert storage("cp", "-", f"{storage.bucket}/in", stdin=b"piped").code == 0
    assert storage.store.get("in").read() == b"piped"
    assert storage("cp", f"{storage.bucket}/in", "-").out == "piped"
    assert storage("mv", f"{storage.bucket}/in", "-").code == 2
    assert storage("cp", "-", f"{storage.bucket}/other", "--dry-run", stdin=b"piped").code == 2
    assert storage.listed() == ["in"]


def test_source_that_is_not_there_is_told(storage: Storage) -> None:
    assert storage("cp", "./none", f"{storage.bucket}/").code == 3
    assert storage("cp", f"{storage.bucket}/none", "./").code == 1
    assert storage("cp", "-r", f"{storage.bucket}/none", "./").code == 1


def test_large_file_comes_down_in_parts(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "PARALLEL_BYTES", 1000)
    storage.fill(big=b"0123456789" * 1000)
    assert storage("cp", f"{storage.bucket}/big", "./").code == 0
    assert (storage.here / "big").read_bytes() == b"0123456789" * 1000
    assert [path.name for path in storage.here.iterdir()] == ["big"]


def test_files_that_do_not_fit_fail_and_smaller_ones_go_on(storage: Storage) -> None:
    storage.files(**{"t/large": b"1" * 100, "t/small": b"1"})
    storage.client.buckets.update(storage.bucket, quota_bytes=50)
    done = storage("cp", "-r", "./t", storage.bucket, "--at-once", "1")
    assert (done.code, storage.listed()) == (1, ["small"])
    assert done.err.startswith("failed: t/large: ")


def test_interrupted_copy_leaves_no_half_file_and_goes_on_when_repeated(storage: Storage, service: Service) -> None:
    body = os.urandom(1_000_000)
    storage.fill(**{f"f{number:03}": body for number in range(60)})
    known = {
        "PYTHONPATH": str(REPOSITORY),
        "STORAGE_URL": service.url,
        "STORAGE_TOKEN": SERVICE_KEY,
    }
    command = [sys.executable, "-m", "storage_service.cli.main", "cp", "-r", storage.bucket, "./out", "--at-once", "2"]
    process = subprocess.Popen(command, env={**os.environ, **known}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out = storage.here / "out"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (out.exists() and len([*out.glob("f*")]) > 3):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    found = tree(out)
    assert found
    assert all(content == body for content in found.values())  # no .part either
    done = storage("cp", "-r", storage.bucket, "./out", "--json").json
    assert (done["copied"] + done["unchanged"], done["unchanged"]) == (60, len(found))


def test_interrupted_upload_of_a_large_file_goes_on_where_it_ended(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tus, "RESUMABLE_BYTES", 1000)
    monkeypatch.setattr(tus, "PIECE_BYTES", 100_000)
    body = os.urandom(500_000)
    storage.files(large=body)
    sent: list[int] = []

    def advance(_: Meter, count: int) -> None:
        sent.append(count)
        if sum(sent) == 300_000:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Meter, "advance", advance)
        assert storage("cp", "./large", f"{storage.bucket}/").code not in {0, 2, 3}
    assert len(Unfinished(tmp_path / "state/storage-service/uploads")) == 1
    sent.clear()
    monkeypatch.setattr(Meter, "advance", lambda _, count: sent.append(count))
    assert storage("cp", "./large", f"{storage.bucket}/").code == 0
    assert sum(sent) == 500_000
    assert sent[0] >= 300_000  # two pieces are there, perhaps the third; then the next one
    assert storage.store.get("large").read() == body
    assert len(Unfinished(tmp_path / "state/storage-service/uploads")) == 0


def test_what_is_private_stays_private(storage: Storage, service: Service) -> None:
    storage.files(a=b"1")
    storage("cp", "./a", f"{storage.bucket}/")
    assert httpx.get(f"{service.url}/storage/{storage.bucket}/a").status_code == 403
