"""HTTPS without a proxy: the pair that is served, the one that is refused, the one that is renewed."""

import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from storage_service.app.process.tls import BadCertificate, Renewal, make_context
from tests.support.certificates import make_pair
from tests.support.service import REPOSITORY, SERVICE_KEY, Service
from tests.support.tools import require_tool

COMMAND = [sys.executable, "-m", "storage_service.cli.main", "serve"]


class SecureService(Service):
    """Asked by HTTPS, trusting its own certificate."""

    def __init__(self, top: Path, workers: int = 1) -> None:
        self.cert, key = make_pair(top / "tls")
        pair = {"TLS_CERT": str(self.cert), "TLS_KEY": str(key)}
        super().__init__(top / "data", top, workers, pair)
        self.url = f"https://127.0.0.1:{self.port}"

    def trusting(self) -> httpx.Client:
        context = ssl.create_default_context(cafile=self.cert)
        return httpx.Client(base_url=self.url, verify=context, timeout=10)

    def wait_until_ready(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        with self.trusting() as client:
            while time.monotonic() < deadline:
                try:
                    if client.get("/readyz").status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    time.sleep(0.05)
        raise TimeoutError(self.log_tail())


@pytest.mark.ci
def test_service_by_https(tmp_path: Path) -> None:
    body = bytes(range(256)) * 20_000
    with SecureService(tmp_path, workers=2) as service, service.trusting() as client:
        client.headers["x-api-key"] = SERVICE_KEY
        assert client.post("/buckets", json={"name": "open", "is_public": True}).status_code == 201
        assert client.put("/files/upload-direct/open/a", content=body).status_code == 201
        assert client.get("/storage/open/a").content == body
        health = service.run("health")
        assert (health.returncode, health.stdout) == (0, f"healthy, ready ({service.url})\n")
        with service.changed({"TLS_CERT": "", "TLS_KEY": ""}):  # as a container's check, beside `--certs-dir`
            assert service.run("health").stdout == health.stdout
        assert f"ready at https://localhost:{service.port}" in service.log.read_text()
        with pytest.raises(httpx.TransportError):  # nothing is said in the clear
            httpx.get(f"http://127.0.0.1:{service.port}/readyz", timeout=5)
        assert service.is_running


@pytest.fixture
def environment(service_environment: dict[str, str]) -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return service_environment | {"PYTHONPATH": str(REPOSITORY), "PORT": str(port)}


def refused(environment: dict[str, str], cwd: Path, *arguments: str) -> str:
    """The one line it ends with."""
    command = [*COMMAND, *arguments]
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1), done
    assert done.stderr.startswith("storage: ")
    return done.stderr


def test_missing_file_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    _, key = make_pair(tmp_path)
    line = refused(environment, tmp_path, "--tls-cert", "nowhere.pem", "--tls-key", str(key))
    assert f"TLS_CERT {tmp_path}/nowhere.pem cannot be read: No such file" in line


def test_pair_that_does_not_belong_together_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    cert, _ = make_pair(tmp_path / "one")
    _, key = make_pair(tmp_path / "other")
    line = refused(environment, tmp_path, "--tls-cert", str(cert), "--tls-key", str(key))
    assert "are no pair that can be used" in line
    assert str(cert) in line


def test_key_with_a_password_is_refused_without_a_question(environment: dict[str, str], tmp_path: Path) -> None:
    cert, key = make_pair(tmp_path)
    closed = tmp_path / "closed.pem"
    command = [
        require_tool("openssl"),
        "ec",
        "-aes256",
        "-passout",
        "pass:secret",
        "-in",
        str(key),
        "-out",
        str(closed),
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert "bear no password" in refused(environment, tmp_path, "--tls-cert", str(cert), "--tls-key", str(closed))


@pytest.mark.parametrize("name", ["TLS_CERT", "TLS_KEY"])
def test_half_a_pair_is_refused(environment: dict[str, str], tmp_path: Path, name: str) -> None:
    assert "TLS_CERT and TLS_KEY go together" in refused(environment | {name: "a.pem"}, tmp_path)


# Renewal -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return make_pair(tmp_path / "served")


@pytest.fixture
def port(pair: tuple[Path, Path]) -> Iterator[int]:
    """Where a handshake shows the certificate that is in use."""
    context = make_context(*pair)
    listener = socket.create_server(("127.0.0.1", 0))
    renewal = Renewal(context, *pair, look_seconds=0.01)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)

    renewal.start()
    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.close()
    renewal.end()


def shown(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port))


def replace(served: Path, new: Path) -> None:
    """As certbot does: another file under the same name."""
    moved = new.rename(served.with_suffix(".new"))
    moved.replace(served)


def test_renewed_pair_is_taken_up(pair: tuple[Path, Path], port: int, tmp_path: Path) -> None:
    before = shown(port)
    cert, key = make_pair(tmp_path / "new")
    new = cert.read_text()
    replace(pair[0], cert)
    time.sleep(0.1)  # half a pair must not be used
    assert shown(port) == before
    replace(pair[1], key)
    deadline = time.monotonic() + 10
    while shown(port) != new and time.monotonic() < deadline:
        time.sleep(0.01)
    assert shown(port) == new


def test_bad_renewal_leaves_the_old_pair(
    pair: tuple[Path, Path], port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = shown(port)
    shutil.copy(pair[0], tmp_path / "bad")
    (tmp_path / "bad").write_text("not a certificate")
    replace(pair[0], tmp_path / "bad")
    deadline = time.monotonic() + 10
    while "the old certificate stays" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)
    assert caplog.text.count("the old certificate stays") == 1
    assert shown(port) == before


def test_old_protocols_are_not_spoken(pair: tuple[Path, Path]) -> None:
    assert make_context(*pair).minimum_version == ssl.TLSVersion.TLSv1_2


def test_directory_in_the_place_of_a_file(tmp_path: Path) -> None:
    _, key = make_pair(tmp_path)
    with pytest.raises(BadCertificate, match=r"TLS_CERT .* cannot be read"):
        make_context(tmp_path, key)


# Several addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.ci
def test_every_address_has_every_door(tmp_path: Path) -> None:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        ports = [int(probe.getsockname()[1]) for probe in (one, other)]
    more = {"ALSO_LISTEN": f":{ports[0]},[::1]:{ports[1]}"}
    with Service(tmp_path / "data", tmp_path, workers=2, environment=more) as service:
        for url in (service.url, f"http://127.0.0.1:{ports[0]}", f"http://[::1]:{ports[1]}"):
            assert json.loads(httpx.get(f"{url}/readyz").text)["ready"] is True


def test_taken_address_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(environment | {"ALSO_LISTEN": f"127.0.0.1:{port}"}, tmp_path)
    assert f"Cannot listen on 127.0.0.1:{port}" in line


@pytest.mark.parametrize("value", ["9000", ":0", ":65536", "host", "host:port", "http://host:1/"])
def test_bad_address_is_named(environment: dict[str, str], tmp_path: Path, value: str) -> None:
    assert "ALSO_LISTEN" in refused(environment | {"ALSO_LISTEN": value}, tmp_path)


def test_weak_secret_on_a_further_address(environment: dict[str, str], tmp_path: Path) -> None:
    line = refused(environment | {"ALSO_LISTEN": "0.0.0.0:1", "SECRET_KEY": "short"}, tmp_path)
    assert "Refusing to listen on 0.0.0.0" in line
