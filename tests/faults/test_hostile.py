"""S6, D2, D3: requests no client of good will sends, by raw sockets; direct, and through the shipped nginx."""

import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.nginx.conftest import shared_group
from tests.nginx.gateway import Gateway
from tests.support.places import open_place
from tests.support.ready import wait_until
from tests.support.service import Service
from tests.support.tools import require_tool

BUCKET, SECRET = "walled", b"a private body"
PATIENCE_SECONDS = 60.0
MIB = 1 << 20
MOST_SECONDS = 2.0  # of the processor; each takes some hundredths


class Place(NamedTuple):
    """Where requests are sent: the service itself, or an nginx in front of it."""

    service: Service
    port: int


@pytest.fixture(scope="module")
def top() -> Iterator[Path]:
    with open_place() as place:
        yield place


@pytest.fixture(scope="module")
def service(top: Path) -> Iterator[Service]:
    settings = {"DURABILITY": "scratch", "TRUSTED_PROXIES": "127.0.0.1", **shared_group()}
    with Service(top / "data", top, environment=settings) as running:
        with running.client() as client:
            client.post("/buckets", json={"name": BUCKET, "is_public": False}).raise_for_status()
            client.put(f"/files/upload-direct/{BUCKET}/secret", content=SECRET).raise_for_status()
        yield running


@pytest.fixture(scope="module", params=["direct", "nginx"])
def place(request: pytest.FixtureRequest, top: Path, service: Service) -> Iterator[Place]:
    if request.param == "direct":
        yield Place(service, service.port)
        return
    require_tool("nginx")
    run = top / "gateway"
    run.mkdir()
    run.chmod(0o755)
    with Gateway(run, "gateway.conf", service.port, service.data).running() as gateway:
        yield Place(service, gateway.http)


def send(place: Place, request: bytes, *, closes: bool = True) -> bytes:
    """All that comes back until the other side closes. Of a request that may be waited for without end (`closes`
    false) our side closes after a moment without a word."""
    answer = b""
    with socket.create_connection(("127.0.0.1", place.port), timeout=PATIENCE_SECONDS) as connection:
        with suppress(OSError):  # refused before it was all sent
            connection.sendall(request)
        if not closes:
            connection.settimeout(0.5)
        while len(answer) < MIB:
            try:
                chunk = connection.recv(65_536)
            except ConnectionResetError:
                break
            except TimeoutError:
                assert not closes, "no answer, and the connection stays open"
                closes = True
                connection.settimeout(PATIENCE_SECONDS)
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                continue
            if not chunk:
                break
            answer += chunk
    return answer


def statuses(answer: bytes) -> list[int]:
    """Of every answer on the connection, in order."""
    lines = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    return [int(line.split(b" ")[1]) for line in lines]


def request(first: bytes, *headers: bytes, body: bytes = b"", host: bytes = b"Host: storage.example") -> bytes:
    return b"\r\n".join([first, *([host] if host else []), *headers, b"", b""]) + body


SMUGGLED = b"GET /files/list/walled HTTP/1.1\r\nHost: storage.example\r\n\r\n"
UPLOAD = b"PUT /files/upload-direct/walled/x HTTP/1.1"
CORPUS: dict[str, bytes] = {
    "two lengths": request(UPLOAD, b"Content-Length: 0", b"Content-Length: 59", body=SMUGGLED),
    "length and chunked": request(
        UPLOAD, b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "chunked twice": request(
        UPLOAD, b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "an unknown coding": request(UPLOAD, b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + SMUGGLED),
    "a coding behind a tab": request(UPLOAD, b"Transfer-Encoding:\tchunked\x0b", body=b"0\r\n\r\n" + SMUGGLED),
    "a length with a sign": request(UPLOAD, b"Content-Length: +5", body=b"hello" + SMUGGLED),
    "a length in hex": request(UPLOAD, b"Content-Length: 0x5", body=b"hello" + SMUGGLED),
    "a length below nothing": request(UPLOAD, b"Content-Length: -5", body=SMUGGLED),
    "a length of many digits": request(UPLOAD, b"Content-Length: " + b"9" * 40, body=SMUGGLED),
    "a space before the colon": request(UPLOAD, b"Content-Length : 5", body=b"hello" + SMUGGLED),
    "a folded header": request(UPLOAD, b"X-A: b\r\n Content-Length: 5", body=b"hello"),
    "no size of a chunk": request(UPLOAD, b"Transfer-Encoding: chunked", body=b"\r\nhello\r\n0\r\n\r\n"),
    "a size below nothing": request(UPLOAD, b"Transfer-Encoding: chunked", body=b"-1\r\nhello\r\n0\r\n\r\n"),
    "a size of many digits": request(UPLOAD, b"Transfer-Encoding: chunked", body=b"f" * 40 + b"\r\nhello"),
    "a chunk longer than it says": request(
        UPLOAD, b"Transfer-Encoding: chunked", body=b"2\r\nhello\r\n0\r\n\r\n" + SMUGGLED
    ),
    "bare line feeds": UPLOAD + b"\nHost: storage.example\nContent-Length: 0\n\n" + SMUGGLED,
    "a carriage return inside a value": request(b"GET /buckets HTTP/1.1", b"X-A: b\rContent-Length: 5"),
    "a NUL in a value": request(b"GET /buckets HTTP/1.1", b"X-A: b\0c"),
    "a NUL in the path": request(b"GET /files/list/walled\0 HTTP/1.1"),
    "no host": request(b"GET /buckets HTTP/1.1", host=b""),
    "two hosts": request(b"GET /buckets HTTP/1.1", b"Host: elsewhere.example"),
    "a host with a path": request(b"GET /buckets HTTP/1.1", host=b"Host: a/b?"),
    "a host with credentials": request(b"GET /buckets HTTP/1.1", host=b"Host: user@storage.example"),
    "an absolute address": request(b"GET http://elsewhere.example/files/list/walled HTTP/1.1"),
    "another protocol": request(b"GET /buckets HTTP/3.0"),
    "no protocol": b"GET /files/list/walled\r\n\r\n",
    "an unknown method": request(b"BREW /files/list/walled HTTP/1.1"),
    "a method of many letters": request(b"G" * 10_000 + b" /buckets HTTP/1.1"),
    "a path of many letters": request(b"GET /" + b"a" * 200_000 + b" HTTP/1.1"),
    "a header of many letters": request(b"GET /buckets HTTP/1.1", b"X-A: " + b"a" * 200_000),
    "ten thousand headers": request(b"GET /buckets HTTP/1.1", *[b"X-%d: b" % number for number in range(10_000)]),
    "letters that are none": request(b"GET /buckets HTTP/1.1", b"Authorization: Bearer \xff\xfe"),
    "nothing but noise": bytes(range(256)) * 20,
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "an upgrade": request(b"GET /buckets HTTP/1.1", b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings"),
    "dots in the path": request(b"GET /files/download/walled/../walled/secret HTTP/1.1"),
    "coded dots in the path": request(b"GET /files/download/%2e%2e/%2e%2e/etc/passwd HTTP/1.1"),
    "a coded slash": request(b"GET /files/download/walled%2fsecret HTTP/1.1"),
    "twice coded dots": request(b"GET /files/download/walled/%252e%252e%252fsecret HTTP/1.1"),
    "another's word for the path": request(b"GET /health HTTP/1.1", b"X-Original-URL: /files/download/walled/secret"),
    "a blob's own name": request(b"GET /_storage_blobs/walled/.blobs/00/x HTTP/1.1"),
}


@pytest.mark.parametrize("name", CORPUS)
def test_hostile_request_is_one_request_and_reads_nothing(place: Place, name: str) -> None:
    answer = send(place, CORPUS[name], closes=False)
    assert SECRET not in answer
    assert b"root:" not in answer
    assert not [status for status in statuses(answer) if status >= 500 and status not in {501, 505}], answer
    if SMUGGLED in CORPUS[name]:
        # What follows may be answered as a request of its own: refused, as whoever asks without a credential.
        assert 200 not in statuses(answer), answer
    with httpx.Client(base_url=f"http://127.0.0.1:{place.port}", timeout=PATIENCE_SECONDS) as client:
        assert client.get("/readyz").status_code == 200


INTERNAL = (
    b"X-Accel-Redirect: /_storage_blobs/walled/.blobs/00/x",
    b"X-Storage-Accel: /_storage_blobs/",
    b"X-Sendfile: /etc/passwd",
    b"X-Forwarded-For: 127.0.0.1",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: evil.example",
    b"X-Forwarded-Prefix: /evil",
    b"Forwarded: for=127.0.0.1;host=evil.example",
    b"X-Real-IP: 127.0.0.1",
)


@pytest.mark.parametrize("header", INTERNAL, ids=lambda header: header.split(b":")[0].decode())
def test_internal_header_of_a_client_opens_nothing(place: Place, header: bytes) -> None:
    answer = send(place, request(b"GET /files/download/walled/secret HTTP/1.1", header, b"Connection: close"))
    (status,) = statuses(answer)
    assert status in {401, 403, 404}
    assert SECRET not in answer
    assert b"evil.example" not in send(place, request(b"GET /buckets HTTP/1.1", header, b"Connection: close"))


# What costs much to read (D3) -------------------------------------------------------------------------------------

FORM = b"Content-Type: multipart/form-data; boundary=edge"
MANY_PARTS = b"".join(b'--edge\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nv\r\n' % n for n in range(20_000))
DEEP = b"<Delete>" + b"<Object>" * 20_000
WIDE = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 20_000 + b"</Delete>"
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "&%c;&%c;&%c;&%c;&%c;">' % (n + 1, n, n, n, n, n) for n in range(97, 110))
    + b"]><Delete>&n;</Delete>"
)
COSTLY: dict[str, tuple[bytes, tuple[bytes, ...], bytes]] = {
    "ten thousand ranges": (
        b"GET /files/download/walled/secret",
        (b"Range: bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(10_000)),),
        b"",
    ),
    "many parts of a form": (b"POST /files/upload/walled", (FORM,), MANY_PARTS + b"--edge--\r\n"),
    "a long preamble": (b"POST /files/upload/walled", (FORM,), b"-" * MIB + b"\r\n--edge--\r\n"),
    "a boundary of many letters": (
        b"POST /files/upload/walled",
        (b"Content-Type: multipart/form-data; boundary=" + b"e" * 5_000,),
        b"--e",
    ),
    "deep XML": (b"POST /walled?delete", (), DEEP),
    "wide XML": (b"POST /walled?delete", (), WIDE),
    "XML that grows": (b"POST /walled?delete", (), BOMB),
    "deep JSON": (b"POST /files/copy", (b"Content-Type: application/json",), b"[" * 100_000),
    "a number of many digits": (b"POST /files/copy", (b"Content-Type: application/json",), b"9" * 100_000),
    "a token of a mebibyte": (b"GET /buckets", (b"Authorization: Bearer " + b"a" * 60_000 + b".b.c",), b""),
    "a query of many names": (b"GET /buckets?" + b"&".join(b"a%d=b" % n for n in range(8_000)), (), b""),
}


def processor_seconds(service: Service) -> float:
    """What the workers have used of the processor: what a costly request costs, whatever else the machine does."""
    ticks = 0
    for worker in service.pids("worker"):
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("name", COSTLY)
def test_costly_request_is_refused_and_holds_nobody_up(place: Place, name: str) -> None:
    line, headers, body = COSTLY[name]
    token = b"Authorization: Bearer " + place.service.token().encode()
    sent = [*headers, b"Content-Length: %d" % len(body), b"Connection: close"]
    if not any(header.startswith(b"Authorization") for header in headers):
        sent.append(token)
    before = processor_seconds(place.service)
    answer = send(place, request(line + b" HTTP/1.1", *sent, body=body))
    assert not [status for status in statuses(answer) if status >= 500], answer[:500]
    assert statuses(answer) or place.port != place.service.port
    assert processor_seconds(place.service) - before < MOST_SECONDS


# Connections that say nothing (D2) and many at once (E4) ------------------------------------------------------------


def open_descriptors(service: Service) -> int:
    return sum(len(list(Path(f"/proc/{worker.pid}/fd").iterdir())) for worker in service.pids("worker"))


def half_open(port: int, count: int, stack: ExitStack) -> Sequence[socket.socket]:
    """Connections that have sent the beginning of a request."""
    made = []
    for _ in range(count):
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS))
        connection.sendall(b"PUT /files/upload-direct/walled/slow HTTP/1.1\r\nHost: a\r\nX-Slow")
        made.append(connection)
    return made


def test_half_open_connections_hold_nobody_up_and_leave_nothing(place: Place) -> None:
    before = open_descriptors(place.service)
    with ExitStack() as stack, ThreadPoolExecutor(10) as pool:
        half_open(place.port, 300, stack)

        def ask(number: int) -> int:
            with place.service.client() as client:
                client.base_url = f"http://127.0.0.1:{place.port}"
                put = client.put(f"/files/upload-direct/{BUCKET}/{number}", content=b"x" * 1_000)
                return put.status_code + client.get(f"/files/download/{BUCKET}/{number}").status_code

        assert set(pool.map(ask, range(50))) == {401}  # 201 + 200
    wait_until(lambda: open_descriptors(place.service) <= before + 20, tell=lambda: "descriptors are left open")


@pytest.mark.full
def test_half_open_connections_are_closed(place: Place) -> None:
    """Within a minute, by nginx as by the service; the machine may be slow."""
    with ExitStack() as stack:
        for connection in half_open(place.port, 300, stack):
            connection.settimeout(4 * PATIENCE_SECONDS)
            with suppress(ConnectionResetError):
                assert connection.recv(1000).partition(b" ")[2][:3] in {b"", b"408"}


def test_service_without_descriptors_goes_on_afterwards(tmp_path: Path) -> None:
    """E4: a limit far below what is asked for."""
    require_tool("prlimit")
    with Service(tmp_path / "data", tmp_path, environment={"DURABILITY": "scratch"}) as service:
        with service.client() as client:
            client.post("/buckets", json={"name": BUCKET}).raise_for_status()
            client.put(f"/files/upload-direct/{BUCKET}/k", content=b"kept" * 10_000).raise_for_status()
        limit_descriptors(service, 160)
        before = open_descriptors(service)
        with ExitStack() as stack:
            for _ in range(600):
                connection = stack.enter_context(socket.socket())
                connection.setblocking(False)
                connection.connect_ex(("127.0.0.1", service.port))
            time.sleep(1.0)  # the load itself; what counts is what comes after
        wait_until(lambda: answers(service), tell=service.log_tail)
        wait_until(lambda: open_descriptors(service) <= before + 20, tell=lambda: "descriptors are left open")


def limit_descriptors(service: Service, most: int) -> None:
    import resource  # noqa: PLC0415 - Linux alone has prlimit

    for worker in service.pids("worker"):
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (most, most))


def answers(service: Service) -> bool:
    try:
        with service.client(timeout_seconds=5.0) as client:
            written = client.put(f"/files/upload-direct/{BUCKET}/after", content=b"x" * 50_000)
            read = client.get(f"/files/download/{BUCKET}/k")
        return written.is_success and read.content == b"kept" * 10_000
    except httpx.TransportError:
        return False


def test_health_tells_of_none_of_this(service: Service) -> None:
    """The last of this room: all of the above later, the service is well."""
    with service.client() as client:
        found = json.loads(client.get("/health").text)
    assert found["status"] == "healthy"
    assert "Traceback" not in service.log.read_text(errors="replace")
