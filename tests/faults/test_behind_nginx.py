"""Faults as clients of the shipped nginx meet them: what the service says of them comes through unchanged, reads go on,
and nothing that broke off looks whole."""

from __future__ import annotations

import errno
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import httpx
import pytest
from botocore.config import Config

from tests.faults.operations import ROOT
from tests.nginx.conftest import shared_group
from tests.nginx.gateway import Gateway, ask
from tests.support.places import open_place
from tests.support.ready import wait_until
from tests.support.service import ANON_KEY, SERVICE_KEY, Service
from tests.support.shim import Shim, shim_over
from tests.support.tools import require_tool

MIB = 1 << 20
BUCKET = "behind"
HOST = {"Host": "files.example.org", "X-Request-ID": "the-same-for-both"}
OWNER = {**HOST, "X-API-Key": SERVICE_KEY}
SMALL, LARGE, HUGE = b"small", b"l" * 300_000, b"h" * (24 * MIB)
ENDLESS = 96 * MIB  # more than all sockets between service and client hold
LONG_SECONDS = 60.0
SLOW = 100  # uploads and downloads that stand still, each


class Front(NamedTuple):
    """A service whose disk can be made to fail, and an nginx in front of it."""

    service: Service
    shim: Shim
    gateway: Gateway

    def client(self) -> httpx.Client:
        headers = {"X-API-Key": SERVICE_KEY}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.gateway.http}", headers=headers, timeout=LONG_SECONDS)

    def signed(self, method: str, **said: Any) -> str:
        """Path and query of a presigned S3 request, for either way."""
        options = Config(
            signature_version="s3v4", s3={"addressing_style": "path"}, request_checksum_calculation="when_required"
        )
        names = {"aws_access_key_id": ROOT["S3_ROOT_ACCESS_KEY"], "aws_secret_access_key": ROOT["S3_ROOT_SECRET_KEY"]}
        client = boto3.client(
            "s3", endpoint_url=f"http://{HOST['Host']}", region_name="us-east-1", config=options, **names
        )
        url: str = client.generate_presigned_url(method, Params={"Bucket": BUCKET, **said})
        client.close()
        return url.partition(HOST["Host"])[2]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    require_tool("nginx")
    with ExitStack() as stack:
        top = stack.enter_context(open_place())
        (top / "data").mkdir(mode=0o755)
        shim = stack.enter_context(shim_over(top / "data", tmp_path_factory.getbasetemp()))
        settings = {"TRUSTED_PROXIES": "127.0.0.1", **ROOT, **shared_group(), **shim.environment()}
        service = stack.enter_context(Service(top / "data", top, environment=settings))
        (run := top / "gateway").mkdir(mode=0o755)
        gateway = stack.enter_context(Gateway(run, "gateway.conf", service.port, service.data).running())
        found = Front(service, shim, gateway)
        with found.client() as client:
            client.post("/buckets", json={"name": BUCKET, "is_public": False}).raise_for_status()
            for key, body in (("small", SMALL), ("large", LARGE), ("huge", HUGE), ("endless", bytes(ENDLESS))):
                client.put(f"/files/upload-direct/{BUCKET}/{key}", content=body).raise_for_status()
        assert service.run("settle", "--wait", "--timeout", "60").returncode == 0
        yield found


@pytest.fixture
def well(front: Front) -> Iterator[Front]:
    """The same; whatever the test did to the disk is over behind it."""
    yield front
    front.shim.disarm()
    front.service.kill_all()
    front.service.start()


# What the service says ---------------------------------------------------------------------------------------------

Asked = tuple[str, str, Mapping[str, str], bytes]
UPLOAD = f"/files/upload-direct/{BUCKET}/new"
TUS = {"Tus-Resumable": "1.0.0"}
REFUSED: dict[str, tuple[int, Asked]] = {
    "no credential": (403, ("GET", f"/files/download/{BUCKET}/small", HOST, b"")),
    "a wrong credential": (401, ("GET", "/buckets", {**HOST, "Authorization": "Bearer nonsense"}, b"")),
    "a key of too little": (403, ("GET", f"/files/list/{BUCKET}", {**HOST, "apikey": ANON_KEY}, b"")),
    "no such file": (404, ("GET", f"/files/download/{BUCKET}/none", OWNER, b"")),
    "no such bucket": (404, ("HEAD", "/files/download/none/none", OWNER, b"")),
    "no such route": (404, ("GET", "/api/v1/nothing", OWNER, b"")),
    "a method that is none": (405, ("POST", f"/files/download/{BUCKET}/small", OWNER, b"")),
    "a name taken": (409, ("POST", "/buckets", OWNER, b'{"name": "behind"}')),
    "a condition": (412, ("GET", f"/files/download/{BUCKET}/large", {**OWNER, "If-Match": '"other"'}, b"")),
    "not modified": (304, ("GET", f"/files/download/{BUCKET}/large", {**OWNER, "If-None-Match": "*"}, b"")),
    "a wrong digest": (400, ("PUT", UPLOAD, {**OWNER, "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, LARGE)),
    "a range": (416, ("GET", f"/files/download/{BUCKET}/large", {**OWNER, "Range": "bytes=9999999-"}, b"")),
    "bad JSON": (422, ("POST", "/buckets", OWNER, b"{")),
    "a bad name": (422, ("POST", "/buckets", OWNER, b'{"name": "A B"}')),
    "tus without its version": (412, ("POST", "/files/resumable", OWNER, b"")),
    "a tus upload that is none": (404, ("PATCH", "/files/resumable/none", {**OWNER, **TUS}, b"x")),
    "S3, half of a signed address": (400, ("GET", f"/{BUCKET}/none?X-Amz-Algorithm=AWS4-HMAC-SHA256", HOST, b"")),
    "S3, a date": (403, ("GET", f"/{BUCKET}/small", {**HOST, "Authorization": "AWS a:b", "Date": "yesterday"}, b"")),
}


def both(front: Front, asked: Asked) -> int:
    """The status, which is the same by both ways, as are all headers and the body."""
    method, path, headers, body = asked
    direct = send(front.service.port, method, path, headers, body)
    assert send(front.gateway.http, method, path, headers, body) == direct
    return direct[0]


def send(port: int, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_SECONDS)
    try:
        sized = {**headers, **({"Content-Length": str(len(body))} if body or method in {"POST", "PUT"} else {})}
        connection.request(method, path, body or None, sized)
        answer = connection.getresponse()
        own = {"date", "server", "connection", "keep-alive"}
        said = sorted((name.lower(), value) for name, value in answer.getheaders() if name.lower() not in own)
        return answer.status, said, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("name", REFUSED)
def test_refusal_comes_through_unchanged(front: Front, name: str) -> None:
    expected, asked = REFUSED[name]
    found = both(front, asked)
    assert found == expected


def writes(front: Front) -> dict[str, Asked]:
    """By every door that takes bytes."""
    begins = {**OWNER, **TUS, "Upload-Length": "5", "Upload-Metadata": "bucket YmVoaW5k,key bmV3"}
    return {
        "small": ("PUT", UPLOAD, OWNER, SMALL),
        "large": ("PUT", UPLOAD, OWNER, LARGE),
        "S3": ("PUT", front.signed("put_object", Key="new"), HOST, LARGE),
        "multipart": ("POST", front.signed("create_multipart_upload", Key="new"), HOST, b""),
        "tus": ("POST", "/files/resumable", begins, b""),
    }


@pytest.mark.parametrize(("error", "status"), [(errno.ENOSPC, 507), (errno.EIO, 503)], ids=["full", "dead"])
def test_refusals_of_the_disk_come_through_and_reads_go_on(well: Front, error: int, status: int) -> None:
    asked = writes(well)
    well.shim.arm(1, "fail", error, sticky=True)
    both_unlike = send(well.service.port, *asked["small"])  # the first finds out; from here on all hear the same
    assert both_unlike[0] == status
    assert {name: both(well, one) for name, one in asked.items()} == dict.fromkeys(asked, status)
    assert_reads(well)
    with well.client() as client:
        health = client.get("/health").json()
        assert client.get("/readyz").status_code in {200, 503}
    assert health["status"] == ("degraded" if error == errno.EIO else health["status"])


def assert_reads(front: Front) -> None:
    """Small ones from the service, large ones and pieces of them from the disk by nginx, lists."""
    path = f"/files/download/{BUCKET}"
    for key, body in (("small", SMALL), ("large", LARGE), ("huge", HUGE)):
        assert ask(front.gateway.http, f"{path}/{key}", headers=OWNER).body == body
        assert ask(front.gateway.http, f"{path}/{key}", "HEAD", OWNER).status == 200
    part = ask(front.gateway.http, f"{path}/large", headers={**OWNER, "Range": "bytes=10-270000"})
    assert (part.status, part.body) == (206, LARGE[10:270_001])
    listed = json.loads(ask(front.gateway.http, f"/files/list/{BUCKET}", headers=OWNER).body)
    assert {"small", "large", "huge"} <= {file["object_name"] for file in listed}


# What breaks off ---------------------------------------------------------------------------------------------------


def test_answer_that_broke_off_does_not_look_whole(well: Front) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", well.gateway.http, timeout=LONG_SECONDS)
    conditional = {**OWNER, "If-Match": "*"}  # the service sends it itself
    connection.request("GET", f"/files/download/{BUCKET}/endless", headers=conditional)
    answer = connection.getresponse()
    assert (answer.status, answer.read(MIB)) == (200, bytes(MIB))
    well.service.kill_all()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    connection.close()
    assert well.gateway.handed_over()[-1] == "-"


def test_upload_that_broke_off_is_refused_and_leaves_nothing(well: Front) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", well.gateway.http, timeout=LONG_SECONDS)
    connection.putrequest("PUT", f"/files/upload-direct/{BUCKET}/broken")
    for name, value in {"X-API-Key": SERVICE_KEY, "Content-Length": str(2 * MIB)}.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * MIB)
    wait_until_staged(well.service)
    well.service.kill_all()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (503, "service_unavailable")
    connection.close()
    well.service.start()
    with well.client() as client:
        assert client.get(f"/files/download/{BUCKET}/broken").status_code == 404
    wait_until(lambda: not staged(well.service), tell=lambda: staged(well.service))


def staged(service: Service) -> list[Path]:
    return [path for path in (service.data / ".storage/staging").rglob("*") if path.is_file()]


def wait_until_staged(service: Service) -> None:
    wait_until(lambda: bool(staged(service)), tell=lambda: "the upload does not begin")


# Who is slow -------------------------------------------------------------------------------------------------------


def standing_still(front: Front, stack: ExitStack) -> None:
    """Uploads that sent a part of their body, and downloads of which nobody reads more than the beginning."""
    credential = f"X-API-Key: {SERVICE_KEY}\r\n"
    for number in range(SLOW):
        upload = f"PUT /files/upload-direct/{BUCKET}/slow-{number} HTTP/1.1\r\nHost: a\r\n{credential}"
        upload += f"Content-Length: {MIB}\r\n\r\n{'x' * 100_000}"
        download = f"GET /files/download/{BUCKET}/huge HTTP/1.1\r\nHost: a\r\n{credential}\r\n"
        for said in (upload, download):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", front.gateway.http), LONG_SECONDS))
            slow.sendall(said.encode())
            if said is download:
                assert slow.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_clients_that_stand_still_hold_nobody_up_and_leave_nothing(well: Front) -> None:
    with ExitStack() as stack:
        standing_still(well, stack)
        assert_reads(well)
        with well.client() as client:
            for number in range(20):
                client.put(f"/files/upload-direct/{BUCKET}/{number}", content=LARGE).raise_for_status()
                assert client.get(f"/files/download/{BUCKET}/{number}").content == LARGE
    wait_until(lambda: not staged(well.service), tell=lambda: staged(well.service))
    with well.client() as client:
        names = {file["object_name"] for file in client.get(f"/files/list/{BUCKET}").json()}
    assert not {name for name in names if name.startswith("slow-")}
