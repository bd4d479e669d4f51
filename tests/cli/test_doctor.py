"""`storage doctor`: every fault is provoked for real and told with its fix; a healthy service has none."""

import http.server
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.nginx.gateway import Gateway, free_port
from tests.support.certificates import make_pair
from tests.support.service import REPOSITORY, SECRET_KEY, SERVICE_KEY, Service
from tests.support.tools import require_root, require_tool

pytestmark = pytest.mark.ci

CHECKS = REPOSITORY / "storage_service/app/process/doctor"
PAGE = REPOSITORY / "docs/doctor.md"


class Doctor:
    """Asks about one running service, with a setting or two changed for the question."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def faults(self, **settings: str) -> dict[str, dict[str, str]]:
        """By code. The exit code says the same, and no secret is told."""
        with self.service.changed(settings):
            done = self.service.run("doctor", "--json", "--timeout", "2")
        assert done.stdout, done.stderr
        record = json.loads(done.stdout)
        assert (done.returncode, record["ok"]) == ((1, False) if record["faults"] else (0, True))
        assert all(fault["detail"] and fault["fix"] for fault in record["faults"])
        assert not [secret for secret in (SECRET_KEY, SERVICE_KEY, "x" * 20) if secret in done.stdout]
        return {fault["code"]: fault for fault in record["faults"]}


@pytest.fixture(scope="module")
def doctor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doctor]:
    top = tmp_path_factory.mktemp("doctor")
    with Service(top / "data", top, environment={"TRUSTED_PROXIES": "127.0.0.1"}) as service:
        yield Doctor(service)


def gateway(doctor: Doctor, run: Path, kind: str = "gateway.conf", **replace: str) -> Gateway:
    return Gateway(run, kind, doctor.service.port, doctor.service.data, replace)


# Nothing amiss -----------------------------------------------------------------------------------------------------


def test_healthy_service_has_no_fault(doctor: Doctor) -> None:
    assert doctor.faults() == {}
    assert doctor.service.run("doctor").stdout == "All is well.\n"


def test_faults_as_a_person_reads_them(doctor: Doctor) -> None:
    with doctor.service.changed({"TRUSTED_PROXIES": "::/0", "SECRET_KEY_PREVIOUS": SECRET_KEY}):
        done = doctor.service.run("doctor")
    first, fix, *_, last = done.stdout.splitlines()
    assert first == "secret_unchanged: SECRET_KEY_PREVIOUS is the same as SECRET_KEY: the key was not changed"
    assert fix == "  fix: set a new SECRET_KEY, or take SECRET_KEY_PREVIOUS out"
    assert (done.returncode, last) == (1, "2 faults")


@pytest.mark.parametrize(("kind", "path"), [("gateway.conf", ""), ("path.conf", "/objects")])
def test_healthy_service_behind_nginx_has_no_fault(doctor: Doctor, tmp_path: Path, kind: str, path: str) -> None:
    with gateway(doctor, tmp_path, kind).running() as nginx:
        assert doctor.faults(STORAGE_SERVICE_PUBLIC_URL=f"http://127.0.0.1:{nginx.http}{path}") == {}


def test_healthy_service_by_https_has_no_fault(tmp_path: Path) -> None:
    cert, key = make_pair(tmp_path / "tls", ends=datetime.now(UTC) + timedelta(days=90))
    port = free_port()
    url = f"https://localhost:{port}"
    pair = {"TLS_CERT": str(cert), "TLS_KEY": str(key), "PORT": str(port), "STORAGE_SERVICE_PUBLIC_URL": url}
    service = Service(tmp_path / "data", tmp_path, environment=pair)
    try:
        service.launch()
        deadline = time.monotonic() + 20
        while service.run("health").returncode and time.monotonic() < deadline:
            time.sleep(0.1)
        with service.changed({"SSL_CERT_FILE": str(cert)}):  # trusted, as one of a known authority is
            assert json.loads(service.run("doctor", "--json").stdout) == {"ok": True, "faults": []}
        (fault,) = json.loads(service.run("doctor", "--json").stdout)["faults"]
        assert fault["code"] == "public_certificate"
    finally:
        service.kill_all()


# Keys --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"WORKERS": "none"}, "settings", "WORKERS"),
        ({"SECRET_KEY": ""}, "settings", "SECRET_KEY: is required"),
        ({"SECRET_KEY": "short"}, "secret_weak", "SECRET_KEY is shorter"),
        ({"SECRET_KEY_PREVIOUS": SECRET_KEY}, "secret_unchanged", "the key was not changed"),
        ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "proxies_everybody", "0.0.0.0/0 is everybody"),
        ({"STORAGE_ID": "another"}, "store_other", "STORAGE_ID is another"),
        ({"FREE_SPACE_RESERVE_BYTES": str(2**60)}, "disk_full", "writes are refused"),
        ({"STORAGE_PATH": "/nowhere/at/all"}, "store_missing", "/nowhere/at/all holds no storage"),
        ({"PORT": "1"}, "service_down", "nothing answers at http://127.0.0.1:1"),
        ({"STORAGE_SERVICE_PUBLIC_URL": "http://127.0.0.1:1"}, "public_unreachable", "http://127.0.0.1:1 cannot be"),
        ({"STORAGE_SERVICE_PUBLIC_URL": "http://no-such-host.invalid"}, "public_unreachable", "no-such-host.invalid"),
        ({"TLS_CERT": "/nowhere", "TLS_KEY": "/nowhere"}, "tls_pair", "/nowhere cannot be read"),
    ],
)
def test_settings_that_are_wrong(doctor: Doctor, settings: dict[str, str], code: str, says: str) -> None:
    assert says in doctor.faults(**settings)[code]["detail"]


def test_environment_file_that_others_read(doctor: Doctor) -> None:
    file = doctor.service.log.parent / ".env"
    file.write_text("A=b\n")
    try:
        file.chmod(0o644)
        assert doctor.faults()["env_file_open"]["fix"] == "chmod 600 .env"
        file.chmod(0o600)
        assert doctor.faults() == {}
    finally:
        file.unlink()


def test_key_of_the_certificate_that_others_read(doctor: Doctor, tmp_path: Path) -> None:
    cert, key = make_pair(tmp_path)
    key.chmod(0o644)
    found = doctor.faults(TLS_CERT=str(cert), TLS_KEY=str(key))
    assert found["tls_key_open"]["fix"] == f"chmod o= {key}"
    assert "begin it with https://" in found["public_url_scheme"]["fix"]
    assert "tls_ends_soon" in found  # it holds for two days


def test_certificate_that_has_ended(doctor: Doctor, tmp_path: Path) -> None:
    cert, key = make_pair(tmp_path, ends=datetime(2020, 1, 1, tzinfo=UTC))
    assert "expired" in doctor.faults(TLS_CERT=str(cert), TLS_KEY=str(key))["tls_certificate"]["detail"]


# The directory -----------------------------------------------------------------------------------------------------


@contextmanager
def changed(path: Path, change: Callable[[Path], object]) -> Iterator[None]:
    """Mode, owner and times are put back."""
    before = path.stat()
    change(path)
    try:
        yield
    finally:
        os.chown(path, before.st_uid, before.st_gid)
        path.chmod(before.st_mode & 0o7777)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_service_files_that_others_read(doctor: Doctor) -> None:
    with changed(doctor.service.data / ".storage", lambda path: path.chmod(0o755)):
        assert doctor.faults()["service_files_open"]["fix"].startswith("chmod 700 ")


def test_store_of_another_user(doctor: Doctor) -> None:
    require_root()
    with changed(doctor.service.data, lambda path: os.chown(path, 4242, -1)):
        found = doctor.faults()["store_owner"]
    assert "belongs to 4242, and this runs as user 0" in found["detail"]
    assert "as user 4242" in found["fix"]


def test_group_that_cannot_read(doctor: Doctor) -> None:
    assert "nginx sends none" in doctor.faults(STORAGE_GID="4343")["group_shut_out"]["detail"]


def test_identity_that_cannot_be_read(doctor: Doctor) -> None:
    identity = doctor.service.data / ".storage/identity.json"
    text = identity.read_bytes()
    identity.write_bytes(b"{")
    try:
        assert "identity.json" in doctor.faults()["store_unreadable"]["detail"]
    finally:
        identity.write_bytes(text)


def test_clock_that_is_behind(doctor: Doctor) -> None:
    later = time.time() + 3600
    with changed(doctor.service.data / ".storage/catalog.db", lambda path: os.utime(path, (later, later))):
        assert "clock is behind" in doctor.faults()["clock_behind"]["detail"]


@contextmanager
def mounted(data: Path, *words: str) -> Iterator[Path]:
    """A small file system with a store on it."""
    data.mkdir()
    subprocess.run([require_tool("mount"), *words, str(data)], check=True)
    try:
        service = data / ".storage"
        service.mkdir(mode=0o700)
        (service / "identity.json").write_text(json.dumps({"format": 1, "id": "x", "created_ms": 0}))
        yield data
    finally:
        subprocess.run([require_tool("umount"), "--lazy", str(data)], check=True)


def test_store_in_memory(doctor: Doctor, tmp_path: Path) -> None:
    require_root()
    with mounted(tmp_path / "data", "-t", "tmpfs", "-o", "size=1m", "none") as data:
        assert "(tmpfs)" in doctor.faults(STORAGE_PATH=str(data))["disk_memory"]["detail"]
        assert "disk_memory" not in doctor.faults(STORAGE_PATH=str(data), DURABILITY="scratch")


def test_disk_that_is_read_only(doctor: Doctor, tmp_path: Path) -> None:
    require_root()
    with mounted(tmp_path / "data", "-t", "tmpfs", "-o", "size=1m", "none") as data:
        subprocess.run([require_tool("mount"), "-o", "remount,ro", str(data)], check=True)
        assert "mounted read-only" in doctor.faults(STORAGE_PATH=str(data))["disk_read_only"]["detail"]


def test_disk_without_inodes(doctor: Doctor, tmp_path: Path) -> None:
    require_root()
    with mounted(tmp_path / "data", "-t", "tmpfs", "-o", "size=1m,nr_inodes=4", "none") as data:
        (data / "last").write_text("")
        assert "no inodes left" in doctor.faults(STORAGE_PATH=str(data))["disk_inodes"]["detail"]


def test_disk_whose_writes_a_power_cut_may_mix(doctor: Doctor, tmp_path: Path) -> None:
    require_root()
    require_tool("losetup")
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run([require_tool("mkfs.ext4"), "-q", str(image)], check=True)
    with mounted(tmp_path / "data", "-o", "loop,data=writeback,nobarrier", str(image)) as data:
        assert "data=writeback" in doctor.faults(STORAGE_PATH=str(data))["disk_unsafe"]["detail"]


# The service and the way to it -------------------------------------------------------------------------------------


class Foreign(http.server.BaseHTTPRequestHandler):
    """Another program; `/late` is a service whose clock is an hour behind."""

    def do_GET(self) -> None:
        body = json.dumps({"service": "storage", "status": "healthy"} if self.path.startswith("/late") else {}).encode()
        self.send_response_only(200)
        self.send_header("Date", self.date_time_string(int(time.time()) - 3600))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def foreign() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foreign) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_another_program_at_the_port(doctor: Doctor, foreign: int) -> None:
    assert f":{foreign} is another program" in doctor.faults(PORT=str(foreign))["port_foreign"]["detail"]


def test_another_program_at_the_public_address(doctor: Doctor, foreign: int) -> None:
    found = doctor.faults(STORAGE_SERVICE_PUBLIC_URL=f"http://127.0.0.1:{foreign}")
    assert "is not this service" in found["public_foreign"]["detail"]


def test_clocks_that_differ(doctor: Doctor, foreign: int) -> None:
    found = doctor.faults(STORAGE_SERVICE_PUBLIC_URL=f"http://127.0.0.1:{foreign}/late")
    assert "differ by 36" in found["clock_differs"]["detail"]


def test_problems_that_the_service_tells(doctor: Doctor) -> None:
    lost = doctor.service.data / ".storage/lost_after.json"
    lost.write_text('{"lost_after": 7}')
    try:
        assert "after change 7" in doctor.faults()["service_degraded"]["detail"]
    finally:
        lost.unlink()


def test_another_secret_behind_the_public_address(doctor: Doctor, tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path, environment={"SECRET_KEY": "x" * 20 + "y" * 20}) as other:
        assert (
            "another SECRET_KEY" in doctor.faults(STORAGE_SERVICE_PUBLIC_URL=other.url)["public_other_secret"]["detail"]
        )


@pytest.mark.parametrize(
    ("file_says", "instead", "code"),
    [
        ("client_max_body_size 0;", "client_max_body_size 1m;", "proxy_size"),
        ("proxy_request_buffering off;", "proxy_request_buffering on;", "proxy_buffers"),
        ("set $storage_target $request_uri;", "set $storage_target $uri;", "proxy_paths"),
        ("proxy_http_version 1.1;", 'proxy_set_header Authorization "x";', "public_other_secret"),
        ("merge_slashes off;", "return 301 https://elsewhere.example.org$request_uri;", "public_redirects"),
    ],
)
def test_proxy_that_is_in_the_way(doctor: Doctor, tmp_path: Path, file_says: str, instead: str, code: str) -> None:
    with gateway(doctor, tmp_path, **{file_says: instead}).running() as nginx:
        found = doctor.faults(STORAGE_SERVICE_PUBLIC_URL=f"http://127.0.0.1:{nginx.http}")
    assert set(found) == {code}


def test_certificate_that_nobody_trusts(doctor: Doctor, tmp_path: Path) -> None:
    make_pair(tmp_path / "tls")
    with gateway(doctor, tmp_path, "gateway-tls.conf").running() as nginx:
        found = doctor.faults(STORAGE_SERVICE_PUBLIC_URL=f"https://localhost:{nginx.https}")
        assert "self-signed" in found["public_certificate"]["detail"]
        found = doctor.faults(STORAGE_SERVICE_PUBLIC_URL=f"http://localhost:{nginx.http}")
        assert found["public_redirects"]["fix"] == "set STORAGE_SERVICE_PUBLIC_URL=https://localhost"


def test_every_fault_is_documented() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in CHECKS.glob("*.py"))
    codes = set(re.findall(r'Fault\(\s*"([a-z_]+)"', source))
    shown = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(codes) > 25
    assert shown == codes
