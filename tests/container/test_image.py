"""The image as the Dockerfile makes it, built once and started: a stand-in for the engine that tests cannot have."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.container.image import DOCKERFILE, Image, build, first_process, instructions, is_in_context, stop
from tests.support.ready import wait_until_ready
from tests.support.service import REPOSITORY, SECRET_KEY, _processes_of
from tests.support.tools import require_root, require_tool

KEY = {"x-api-key": "b1" * 32}
HALF = 100_000  # bytes
ROOT_PAIR = ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    require_root()
    for tool in ("debootstrap", "unshare", "chroot"):
        require_tool(tool)
    top = tmp_path_factory.mktemp("image")
    try:
        yield build(top)
    finally:
        shutil.rmtree(top)


@contextmanager
def running(image: Image, data: Path, *words: str, **settings: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """The image with `data` mounted at /data, and its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    inside = image.root / "data"
    inside.mkdir(exist_ok=True)
    data.mkdir(exist_ok=True)
    subprocess.run([require_tool("mount"), "--bind", data, inside], check=True)
    settings = {"SECRET_KEY": SECRET_KEY, "STORAGE_SERVICE_API_KEY": "b1" * 32, "PORT": str(port)} | settings
    container = image.start(*words, **settings)
    try:
        yield container, f"http://127.0.0.1:{port}"
    finally:
        for left in _processes_of(container.pid):
            os.kill(left.pid, signal.SIGKILL)
        container.wait()
        subprocess.run([require_tool("umount"), "--lazy", inside], check=True)


@contextmanager
def slow_upload(url: str, place: str) -> Iterator[Callable[[], int]]:
    """Half a body is sent; the call sends the rest a second later and gives the answer's status."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    connection.putrequest("PUT", f"/files/upload-direct/{place}")
    for name, value in {**KEY, "content-length": str(2 * HALF)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(b"x" * HALF)

    def finish() -> int:
        time.sleep(1)
        connection.send(b"x" * HALF)
        return connection.getresponse().status

    yield finish
    connection.close()


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_image_serves_and_stops(image: Image, tmp_path: Path) -> None:
    with running(image, tmp_path / "data", STORAGE_BUCKETS="first:public") as (container, url):
        wait_until_ready(url)
        status = Path(f"/proc/{first_process(container)}/status").read_text()
        assert re.search(r"^Uid:\t1000\t1000\t1000\t1000$", status, re.MULTILINE)
        for number in range(20):
            path = f"{url}/files/upload-direct/first/{number}"
            assert httpx.put(path, content=b"x" * 5000 * number, headers=KEY).status_code == 201
        port = {"PORT": url.rpartition(":")[2]}
        assert image.run(*image.config.healthcheck, environment=port).stdout.startswith("healthy, ready")
        health = ["curl", "--fail", "--silent", f"{url}/readyz"]
        assert '"healthy"' in image.run(*health).stdout
        with slow_upload(url, "first/slow") as finish:
            os.kill(first_process(container), getattr(signal, image.config.stop_signal))
            assert finish() == 201, "an upload under way at the stop"
        assert container.wait(40) == 0
    store = tmp_path / "data/storage"
    assert {path.stat().st_uid for path in [store, *store.rglob("*")]} == {1000}
    assert (store / "first/7").read_bytes() == b"x" * 35_000
    assert (store / "first/slow").stat().st_size == 2 * HALF
    with running(image, tmp_path / "data") as (container, url):
        wait_until_ready(url)
        assert httpx.get(f"{url}/storage/first/7").content == b"x" * 35_000
        assert image.run(*image.config.healthcheck, environment={"PORT": "9"}).returncode == 1
        assert stop(container) == 0


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_image_starts_as_minio_does(image: Image, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words, pair = ("server", "/data", "--address", f":{port}"), dict.fromkeys(ROOT_PAIR, "minioadmin")
    with running(image, tmp_path / "data", *words, SECRET_KEY="", **pair) as (container, url):
        wait_until_ready(url)
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        assert stop(container) == 0
    assert (tmp_path / "data/.storage/identity.json").stat().st_uid == 1000


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_image_refuses_in_one_line(image: Image, tmp_path: Path) -> None:
    done = image.run(*image.config.entrypoint, *image.config.command)
    assert (done.returncode, done.stderr) == (3, "storage: SECRET_KEY: is required\n")


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_every_requirement_has_a_wheel_for_arm64(tmp_path: Path) -> None:
    """The image has no compiler."""
    platforms = [f"--platform=manylinux{name}_aarch64" for name in ("2014", "_2_28", "_2_34")]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", f"--target={tmp_path}", *platforms]
    done = subprocess.run(
        [*command, "--python-version=3.11", "--only-binary=:all:", "-r", str(REPOSITORY / "requirements.txt")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# The files, read ---------------------------------------------------------------------------------------------------


def test_dockerfile_keeps_hadolints_rules() -> None:
    hadolint = str(Path(sys.executable).parent / "hadolint")
    done = subprocess.run([hadolint, "--no-color", str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("script", ["deploy/entrypoint.sh", "deploy/mc", "run.sh", "run_tests.sh", "scripts/venv.sh"])
def test_scripts_keep_shellchecks_rules(script: str) -> None:
    command = [require_tool("shellcheck"), "--exclude=SC1091", str(REPOSITORY / script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_entry_point_can_be_executed() -> None:
    assert all(os.access(REPOSITORY / script, os.X_OK) for script in ("deploy/entrypoint.sh", "deploy/mc"))


def test_nothing_in_the_image_depends_on_the_processor() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8").lower()
    assert not re.search(r"amd64|x86_64|--platform", text.replace("as on amd64", ""))


def test_final_stage_says_how_it_is_run() -> None:
    words = [instruction.word for instruction in instructions()]
    final = words[len(words) - words[::-1].index("FROM") :]
    assert {"ENTRYPOINT", "CMD", "HEALTHCHECK", "STOPSIGNAL", "EXPOSE"} <= {*final}


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("storage_service/app/main.py", True),
        ("storage_service/app/apis/static/docs.html", True),
        ("requirements.txt", True),
        ("deploy/entrypoint.sh", True),
        ("deploy/mc", True),
        (".env", False),
        (".git/config", False),
        ("data/.storage/identity.json", False),
        ("tests/conftest.py", False),
        ("nginx/tls/privkey.pem", False),
        ("deploy/storage.service", False),
        ("storage_service/__pycache__/x.pyc", False),
        ("storage_service/app/__pycache__/main.pyc", False),
    ],
)
def test_build_context(path: str, sent: bool) -> None:
    assert is_in_context(path) is sent
