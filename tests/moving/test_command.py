"""`storage import` and `storage origin` as people run them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.moving.conftest import ROOT_KEYS
from tests.moving.minio_drive import Put, new_bucket, new_drive, write_object
from tests.support.service import SERVICE_KEY, Service
from tests.support.terminal import at_a_terminal

pytestmark = [pytest.mark.ci, pytest.mark.timeout(600)]


def command(service: Service, *words: str, **more: str) -> dict[str, Any]:
    """For subprocess: with the service's settings around it."""
    own = {"STORAGE_PATH": str(service.data), "PORT": str(service.port), "STORAGE_SERVICE_API_KEY": SERVICE_KEY}
    environment = {"PATH": os.environ["PATH"], **own, **ROOT_KEYS, **more}
    return {"args": [sys.executable, "-m", "storage_service.cli.main", *words], "env": environment, "text": True}


def run(service: Service, place: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(**command(service, *words, **more), cwd=place, capture_output=True, check=False)


def test_a_report_says_what_came_and_what_stayed(service: Service, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.txt").write_text("hello")
    (files / "link").symlink_to("a.txt")
    done = run(service, tmp_path, "import", str(files), "--to", "by-command", "--report", "report.json")
    assert done.returncode == 1
    assert "1 objects moved" in done.stdout and "'by-command/link': it is a link" in done.stdout
    record = json.loads((tmp_path / "report.json").read_text())
    assert (record["complete"], record["moved"], record["failed"]) == (False, 1, 1)
    assert len(list(tmp_path.glob("storage-import-*.state"))) == 1
    (files / "link").unlink()
    again = run(service, tmp_path, "import", str(files), "--to", "by-command", "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["there"] == 1


def test_a_terminal_sees_objects_bytes_rate_and_time_left(service: Service, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for number in range(3):
        (files / str(number)).write_bytes(bytes(1 << 20))
    words = command(service, "import", str(files), "--to", "on-a-terminal", TERM="xterm", COLUMNS="120")
    seen = at_a_terminal(**words, cwd=tmp_path)
    for text in ("3 of 3 objects", "3.0 MiB of 3.0 MiB, ", "iB/s", "0:00:00"):
        assert text in seen.shown
    assert (seen.code, seen.printed.splitlines()[0]) == (0, "3 objects moved (3 versions, 3.0 MiB)")


REFUSED = [
    pytest.param(["import", "nowhere"], "neither a URL nor a directory", {}, id="no source"),
    pytest.param(["import", "http://127.0.0.1:9"], "the source: 127.0.0.1:9", {}, id="nobody answers"),
    pytest.param(["import", "."], "needs --to", {}, id="a directory without a name"),
    pytest.param(
        ["import", ".", "--to", "some-bucket"],
        "SignatureDoesNotMatch",
        {"S3_ROOT_SECRET_KEY": "another-secret"},
        id="a wrong key of ours",
    ),
    pytest.param(["import", ".", "--kind", "minio"], "no drive of MinIO's", {}, id="a drive that is none"),
    pytest.param(["origin", "show", "by-nobody"], "not found", {}, id="no bucket"),
    pytest.param(
        ["origin", "set", "photos", "http://old.test", "--url", "http://127.0.0.1:9"],
        "http://127.0.0.1:9/api/v1/buckets/photos/origin",
        {},
        id="no service of ours there",
    ),
]


@pytest.mark.parametrize(
    "words",
    [
        ["--origin", "photos", "--dry-run"],
        ["--origin", "photos", "--bucket", "b"],
        ["keys.zip", "--versions"],
        ["keys.zip", "--url", "http://127.0.0.1:9"],
        ["http://127.0.0.1:9", "--to", "b"],
    ],
    ids=" ".join,
)
def test_what_means_nothing_is_wrong_usage(service: Service, tmp_path: Path, words: list[str]) -> None:
    done = run(service, tmp_path, "import", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert words[1 if words[0] != "--origin" else 2] in done.stderr


@pytest.mark.parametrize(("words", "reason", "settings"), REFUSED)
def test_what_cannot_be_done_is_one_line(
    service: Service, tmp_path: Path, words: list[str], reason: str, settings: dict[str, str]
) -> None:
    done = run(service, tmp_path, *words, **settings)
    assert done.returncode == 3
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_ends_it_soon_and_the_next_run_goes_on(service: Service, target: Any, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for number in range(1500):
        (files / f"{number:05}").write_bytes(os.urandom(20_000))
    words = ["import", str(files), "--to", "interrupted", "--at-once", "2", "--json"]
    running = subprocess.Popen(
        **command(service, *words),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 - no thread of ours holds a lock here
    )
    deadline = time.monotonic() + 60
    while not has_objects(target, "interrupted"):
        assert time.monotonic() < deadline and running.poll() is None
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert (running.returncode, said.count("\n")) == (130, 1), said
    again = json.loads(run(service, tmp_path, *words).stdout)
    assert again["complete"] and again["there"] > 0
    assert again["there"] + again["moved"] == 1500


def hear_ctrl_c() -> None:
    """A test run that was started in the background ignores it, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def has_objects(target: Any, bucket: str) -> bool:
    if bucket not in {one["Name"] for one in target.list_buckets()["Buckets"]}:
        return False
    return bool(target.list_objects_v2(Bucket=bucket)["KeyCount"])


def test_two_buckets_of_a_drive_do_not_become_one(service: Service, tmp_path: Path) -> None:
    drive = new_drive(tmp_path / "drive")
    for name in ("first", "second"):
        new_bucket(drive, name)
        write_object(drive / name, "k", [Put(name.encode())])
    done = run(service, tmp_path, "import", "drive", "--to", "both")
    assert (done.returncode, "say which with --bucket" in done.stderr) == (2, True)
    done = run(service, tmp_path, "import", "drive", "--to", "both", "--bucket", "second", "--json")
    assert (done.returncode, json.loads(done.stdout)["moved"]) == (0, 1), done.stderr


def test_two_imports_do_not_share_a_state(service: Service, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_bytes(b"x")
    first = run(service, tmp_path, "import", "files", "--to", "state-one", "--state", "s")
    assert first.returncode == 0, first.stderr
    (tmp_path / "other").mkdir()
    second = run(service, tmp_path, "import", "other", "--to", "state-two", "--state", "s")
    assert second.returncode == 3
    assert "it tells of a move from" in second.stderr
    (tmp_path / "text").write_text("no such file, and long enough to be looked at as one" * 100)
    third = run(service, tmp_path, "import", "other", "--to", "state-two", "--state", "text")
    assert third.returncode == 3
    assert "text: file is not a database" in third.stderr
