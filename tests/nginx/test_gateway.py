"""What the gateway adds: nobody outside speaks for it, everything passes through as it comes, and it says why when the
service does not answer."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.nginx.conftest import shared_group
from tests.nginx.gateway import Gateway, ask, free_port
from tests.nginx.kinds import HUGE, LARGE, OBJECTS, PRIVATE, PUBLIC, Kind, body_of, quoted
from tests.nginx.upstream import EVENT, NAMED_EVENT, Upstream, listening
from tests.support.certificates import make_pair
from tests.support.service import Service
from tests.support.tools import require_root, require_tool

pytestmark = pytest.mark.ci

PRETENDED = {
    "X-Storage-Accel": "/elsewhere/",
    "X-Forwarded-For": "10.9.8.7",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Host": "evil.example.org",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Real-IP": "10.9.8.7",
    "Forwarded": "for=10.9.8.7",
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with listening() as found:
        yield found


@pytest.fixture(scope="module")
def before_it(top: Path, upstream: Upstream) -> Iterator[Gateway]:
    """A gateway in front of the stand-in."""
    run = top / "stand-in"
    run.mkdir()
    with Gateway(run, "gateway.conf", upstream.port, run / "data").running() as gateway:
        yield gateway


def echoed(gateway: Gateway, path: str, headers: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(gateway.http, path, headers=headers).body)
    return found


# Who speaks ------------------------------------------------------------------------------------------------------


def test_words_of_the_gateway_are_taken_from_clients(before_it: Gateway) -> None:
    headers = echoed(before_it, "/echo", {**PRETENDED, "Host": "files.example.org:8080"})["headers"]
    assert headers["x-storage-accel"] == "/_storage_blobs/"
    assert (headers["x-forwarded-for"], headers["x-real-ip"]) == ("127.0.0.1", "127.0.0.1")
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("http", str(before_it.http))
    assert headers["host"] == headers["x-forwarded-host"] == "files.example.org:8080"
    assert "x-forwarded-prefix" not in headers
    assert "forwarded" not in headers


def test_other_headers_pass_whatever_their_name(before_it: Gateway) -> None:
    sent = {"x-amz-meta-my_name": "a", "x-amz-meta-a.b": "b", "Authorization": "AWS4-HMAC-SHA256 x", "X-Empty": ""}
    headers = echoed(before_it, "/echo", sent)["headers"]
    assert {name.lower(): value for name, value in sent.items()}.items() <= headers.items()


@pytest.mark.parametrize("path", ["/echo/a%2Fb", "/echo//a", "/echo/%2e%2e/a?x=%2F&y", "/echo/%E2%82%AC+%25"])
def test_paths_pass_as_they_were_sent(before_it: Gateway, path: str) -> None:
    assert echoed(before_it, path, {})["line"] == f"GET {path} HTTP/1.1\r\n"


def test_client_cannot_announce_a_gateway(without_accel: Gateway, service: Service, kinds: dict[str, Kind]) -> None:
    kind = kinds["large, public, /storage"]
    answer = ask(without_accel.http, kind.path, headers={"X-Storage-Accel": "/_storage_blobs/"})
    assert (len(answer.body), answer.header("x-accel-redirect")) == (LARGE, None)
    assert without_accel.handed_over()[-1] == "-"


def test_service_believes_nobody_by_default(tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path) as service:
        with service.client() as client:
            client.post("/buckets", json={"name": "open", "is_public": True}).raise_for_status()
            client.put("/files/upload-direct/open/a", content=b"x" * LARGE).raise_for_status()
        answer = ask(service.port, "/storage/open/a", headers={"X-Storage-Accel": "/_storage_blobs/"})
    assert (len(answer.body), answer.header("x-accel-redirect")) == (LARGE, None)


@pytest.mark.parametrize("path", ["", "pictures/.bucket.json", "../etc/passwd", ".storage/identity.json"])
def test_blobs_cannot_be_asked_for_from_outside(gateway: Gateway, service: Service, path: str) -> None:
    assert ask(gateway.http, f"/_storage_blobs/{path}").status in {400, 404}


def test_no_path_of_the_store_leaves_the_gateway(gateway: Gateway, kinds: dict[str, Kind]) -> None:
    answer = ask(gateway.http, kinds["large, public, /storage"].path)
    assert not [value for _, value in answer.headers if "_storage_blobs" in value]


# What passes -----------------------------------------------------------------------------------------------------


def test_events_arrive_at_once(before_it: Gateway, upstream: Upstream) -> None:
    upstream.go_on.clear()
    connection = http.client.HTTPConnection("127.0.0.1", before_it.http, timeout=10)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    assert answer.read(len(EVENT)) == EVENT  # the answer goes on
    upstream.go_on.set()
    assert answer.read() == NAMED_EVENT
    connection.close()


def test_websocket_passes(before_it: Gateway) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    asked = (
        f"GET /realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", before_it.http), timeout=10) as connection:
        connection.sendall(asked.encode())
        head = connection.recv(4000)
        assert head.startswith(b"HTTP/1.1 101 ")
        connection.sendall(b"hello")
        assert connection.recv(100) == b"HELLO"


def test_upload_passes_while_it_is_sent(before_it: Gateway, upstream: Upstream) -> None:
    upstream.begun.clear()
    upstream.go_on.clear()
    with socket.create_connection(("127.0.0.1", before_it.http), timeout=10) as connection:
        connection.sendall(b"PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        assert upstream.begun.wait(5), "nginx kept the body back"
        upstream.go_on.set()


def test_no_limit_of_nginx_stops_an_upload(gateway: Gateway, service: Service, kinds: dict[str, Kind]) -> None:
    body = body_of("upload", HUGE)
    headers = {"Authorization": f"Bearer {service.token()}", "Content-Length": str(len(body))}
    connection = http.client.HTTPConnection("127.0.0.1", gateway.http, timeout=30)
    connection.request("PUT", f"/files/upload-direct/{PUBLIC}/up.bin", body, headers)
    assert connection.getresponse().status == 201
    connection.close()
    assert ask(gateway.http, f"/storage/{PUBLIC}/up.bin").body == body


def test_http_2(tls: Gateway, kinds: dict[str, Kind], certificate: Path) -> None:
    curl = [require_tool("curl"), "--silent", "--cacert", str(certificate), "--http2", "--output", "-"]
    path = kinds["large, public, /storage"].path
    url = f"https://localhost:{tls.https}{path}"
    done = subprocess.run(
        [*curl, "--write-out", "\n%{http_version} %{http_code}", url], capture_output=True, check=True
    )
    body, _, said = done.stdout.rpartition(b"\n")
    assert (body == body_of("large.bin", LARGE), said) == (True, b"2 200")


@pytest.mark.parametrize("path", ["/", "/storage/b/k?download=1", "/files/upload/b"])
def test_http_leads_to_https(tls: Gateway, path: str) -> None:
    answer = ask(tls.http, path, "POST", {"Host": "files.example.org"})
    assert (answer.status, answer.header("location")) == (308, f"https://files.example.org{path}")


def test_the_rest_of_the_site_is_its_own(site: Gateway) -> None:
    assert ask(site.http, "/health").body == b"the site itself"
    assert ask(site.http, "/objects/health").status == 200
    assert ask(site.http, "/objects").header("location") == f"http://127.0.0.1:{site.http}/objects/"


# When something is amiss -----------------------------------------------------------------------------------------


def test_service_that_does_not_answer(open_path: Path) -> None:
    with Gateway(open_path, "gateway.conf", free_port(), open_path / "data").running() as gateway:
        answer = ask(gateway.http, "/buckets")
    assert (answer.status, answer.header("retry-after")) == (503, "5")
    assert (answer.header("content-type"), answer.header("cache-control")) == ("application/json", "no-store")
    assert json.loads(answer.body)["code"] == "service_unavailable"


@pytest.mark.parametrize("asked", [{}, {"Range": "bytes=5-270000"}], ids=["whole", "part"])
def test_service_sends_what_nginx_may_not_read(
    gateway: Gateway, service: Service, kinds: dict[str, Kind], asked: dict[str, str]
) -> None:
    require_root()  # else nginx is the same user
    sent = {"X-Request-ID": "same", **asked}
    with service.client() as client:
        client.put(f"/files/upload-direct/{PUBLIC}/closed.bin", content=body_of("closed", LARGE)).raise_for_status()
    blob = Path(json.loads(service.run("where", "--json", f"{PUBLIC}/closed.bin").stdout)["blob"])
    blob.chmod(0o400)
    path = f"/storage/{PUBLIC}/closed.bin"
    assert ask(gateway.http, path, headers=sent) == ask(service.port, path, headers=sent)
    assert ask(gateway.http, path, "HEAD", sent) == ask(service.port, path, "HEAD", sent)


def test_link_for_once_works_once(gateway: Gateway, service: Service, kinds: dict[str, Kind]) -> None:
    with service.client() as client:
        asked = client.post(f"/files/presigned-url/download/{PRIVATE}/large.bin", json={"once": True})
    path = asked.json()["download_url"].partition(str(service.port))[2]
    answer = ask(gateway.http, path)
    assert (answer.status, answer.body == body_of("large.bin", LARGE)) == (200, True)
    assert gateway.handed_over()[-1] == "-"  # nginx would ask again if it failed
    assert ask(gateway.http, path).status in {403, 410}


def test_object_is_sent_by_nginx_once_it_is_a_file(open_path: Path) -> None:
    """With a large INLINE_BODY_BYTES a body waits in the journal first."""
    settings = {"TRUSTED_PROXIES": "127.0.0.0/8", "INLINE_BODY_BYTES": "1048576", **shared_group()}
    sent = {"X-Request-ID": "same"}
    with (
        Service(open_path / "data", open_path, environment=settings) as service,
        service.client() as client,
        Gateway(open_path, "gateway.conf", service.port, service.data).running() as gateway,
    ):
        client.post("/buckets", json={"name": "open", "is_public": True}).raise_for_status()
        (jobs,) = [process for process in service.pids() if process.command.endswith("process.jobs")]
        service.kill(jobs.pid, signal.SIGSTOP)  # nothing settles
        client.put("/files/upload-direct/open/a", content=body_of("a", LARGE)).raise_for_status()
        waiting = ask(gateway.http, "/storage/open/a", headers=sent)
        service.kill(jobs.pid, signal.SIGCONT)
        assert service.run("settle", "--wait").returncode == 0
        assert ask(gateway.http, "/storage/open/a", headers=sent) == waiting
        assert [blob != "-" for blob in gateway.handed_over()] == [False, True]


def test_log_holds_no_credential(gateway: Gateway, service: Service, kinds: dict[str, Kind]) -> None:
    link = kinds["large, link, inline"].path
    ask(gateway.http, f"{link}?X-Amz-Signature=secret-in-a-query")
    line = gateway.logged()[-1]
    token = link.split("/")[3]
    assert f"/files/download-signed/-/{PRIVATE}/{quoted('large.bin')}" in line
    assert token not in line
    assert "secret-in-a-query" not in line


@pytest.mark.parametrize("kind", ["gateway.conf", "gateway-tls.conf", "path.conf"])
def test_nginx_has_no_complaint_about_the_files(tmp_path: Path, kind: str) -> None:
    make_pair(tmp_path / "tls")
    main = Gateway(tmp_path, kind, free_port(), tmp_path / "data").write()
    done = subprocess.run([require_tool("nginx"), "-t", "-c", main], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_every_kind_has_a_key_of_its_own() -> None:
    assert len({key for key, _, _ in OBJECTS.values()}) == len(OBJECTS)
