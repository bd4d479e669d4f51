"""Starts that are refused: one clear line on stderr, exit code 3, no traceback, and nothing is left running."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.support.service import REPOSITORY, SECRET_KEY, Service
from tests.support.tools import require_root, require_tool

NOBODY = 65534
COMMAND = [sys.executable, "-m", "storage_service.cli.main", "serve"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "STORAGE_PATH": str(tmp_path / "data"),
        "SECRET_KEY": SECRET_KEY,
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }


def start(environment: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(COMMAND, env=environment, cwd=cwd, capture_output=True, text=True, timeout=30, check=False)


def start_as_nobody(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What `storage serve` executes, by a user that owns nothing."""
    require_root()
    nobody = [require_tool("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", sys.executable]
    if subprocess.run([*nobody, "-c", "import typer"], check=False, capture_output=True, cwd="/").returncode != 0:
        pytest.skip("this Python cannot be run by others")
    command = [*nobody, "-m", "storage_service.app.process.launch"]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=30, check=False)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line."""
    assert done.returncode == 3, done
    assert done.stdout == ""
    assert re.fullmatch(r"storage: [^\n]+\n", done.stderr), done.stderr
    return done.stderr.removeprefix("storage: ")


def test_port_in_use(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(environment["PORT"])))
        taken.listen()
        line = refused(start(environment, tmp_path))
    assert f"127.0.0.1:{environment['PORT']}" in line
    assert "PORT" in line


def test_address_of_another_machine(environment: dict[str, str], tmp_path: Path) -> None:
    assert "192.0.2.1" in refused(start(environment | {"HOST": "192.0.2.1"}, tmp_path))


@pytest.mark.ci
def test_host_name_that_nobody_knows(environment: dict[str, str], tmp_path: Path) -> None:
    assert "no-such-host.invalid" in refused(start(environment | {"HOST": "no-such-host.invalid"}, tmp_path))


@pytest.mark.parametrize("secret", ["q7w3", "your_secret_key_that_is_long_enough_for_anybody"])
def test_weak_secret_on_an_open_address(environment: dict[str, str], tmp_path: Path, secret: str) -> None:
    line = refused(start(environment | {"HOST": "0.0.0.0", "SECRET_KEY": secret}, tmp_path))
    assert "SECRET_KEY" in line
    assert "openssl rand" in line
    assert secret not in line


def test_missing_secret(environment: dict[str, str], tmp_path: Path) -> None:
    del environment["SECRET_KEY"]
    assert refused(start(environment, tmp_path)) == "SECRET_KEY: is required\n"


def test_several_bad_settings_in_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    line = refused(start(environment | {"WORKERS": "none", "DURABILITY": "maybe"}, tmp_path))
    assert "WORKERS" in line
    assert "DURABILITY" in line


def test_directory_of_another_user(environment: dict[str, str], tmp_path: Path) -> None:
    """A bind mount that root made: the message names path, owner, needed uid and the fix."""
    open_up(tmp_path)
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    line = refused(start_as_nobody(environment))
    assert str(data) in line
    assert "owned by root(0)" in line
    assert str(NOBODY) in line
    assert f"chown -R {NOBODY}:{NOBODY} {data}" in line


def open_up(path: Path) -> None:
    """Let others pass through the test's own directories."""
    for place in [path, *path.parents]:
        if place.stat().st_uid == os.getuid() and not place.stat().st_mode & 0o001:
            place.chmod(place.stat().st_mode | 0o011)


@pytest.mark.ci
def test_store_that_root_made(environment: dict[str, str], tmp_path: Path) -> None:
    """A first start as root, the next as the service's user: its secrets' directory is closed to it."""
    open_up(tmp_path)
    with Service(tmp_path / "data", tmp_path) as service:
        service.stop()
    (tmp_path / "data").chmod(0o755)
    for extra in ({}, {"STORAGE_ID": "expected"}):
        line = refused(start_as_nobody(environment | extra))
        assert "chown" in line
        assert "is the disk mounted" not in line


def test_path_that_is_a_file(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert str(tmp_path / "data") in refused(start(environment, tmp_path))


@pytest.mark.ci
def test_other_storage_id(environment: dict[str, str], tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path) as service:
        service.stop()
    found = json.loads((tmp_path / "data/.storage/identity.json").read_text())["id"]
    line = refused(start(environment | {"STORAGE_ID": "another"}, tmp_path))
    assert found in line
    assert "another" in line


def test_disk_that_is_not_mounted(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    line = refused(start(environment | {"STORAGE_ID": "expected"}, tmp_path))
    assert "is the disk mounted?" in line
    assert list((tmp_path / "data").iterdir()) == []


def test_newer_format_of_the_directory(environment: dict[str, str], tmp_path: Path) -> None:
    service = tmp_path / "data/.storage"
    service.mkdir(parents=True)
    (service / "identity.json").write_text('{"format": 99, "id": "x"}')
    assert "format 99" in refused(start(environment, tmp_path))


@pytest.mark.ci
def test_newer_format_of_the_catalog(environment: dict[str, str], tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path) as service:
        service.stop()
    connection = apsw.Connection(str(tmp_path / "data/.storage/catalog.db"))
    connection.execute("UPDATE state SET value=99 WHERE name='format'")
    connection.close()
    assert "format 99" in refused(start(environment, tmp_path))


@pytest.mark.ci
def test_second_service_on_the_same_directory(environment: dict[str, str], tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path) as service:
        line = refused(start(environment, tmp_path))
        assert f"{tmp_path}/data is already served" in line
        assert str(service.pids("supervisor")[0].pid) in line
        assert service.is_running


def test_minio_directory(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "data/.minio.sys").mkdir(parents=True)
    line = refused(start(environment, tmp_path))
    assert "MinIO" in line
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".minio.sys"]


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    require_root()
    require_tool("mount")
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "none", data], check=True)
    yield data
    subprocess.run(["umount", "--lazy", data], check=True)


def test_read_only_file_system(environment: dict[str, str], tmp_path: Path, read_only: Path) -> None:
    line = refused(start(environment, tmp_path))
    assert str(read_only) in line
    assert "Read-only file system" in line
    assert "chown" not in line
