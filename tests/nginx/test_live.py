"""What has no end, and what is made as it is sent, through the shipped files: nothing is held back, nothing is cut."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tusclient.client import TusClient

from storage_service.app.core.objects import new_id
from tests.live.listening import Listener
from tests.nginx.gateway import Gateway, ask, free_port
from tests.realtime.talking import talking_to
from tests.support.service import Service

pytestmark = pytest.mark.ci


@pytest.fixture(params=["own host", "path"])
def front(request: pytest.FixtureRequest, gateway: Gateway, site: Gateway) -> str:
    """The address of the service through a gateway."""
    return (
        f"http://127.0.0.1:{gateway.http}" if request.param == "own host" else f"http://127.0.0.1:{site.http}/objects"
    )


@pytest.fixture
def client(front: str, service: Service) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {service.token()}"}
    with httpx.Client(base_url=front, headers=headers, timeout=60.0) as client:
        yield client


@pytest.fixture
def bucket(client: httpx.Client) -> str:
    name = f"live-{new_id()[-12:]}"
    client.post("/buckets", json={"name": name, "is_public": False}).raise_for_status()
    return name


def put(client: httpx.Client, bucket: str, key: str, body: bytes = b"hello") -> None:
    client.put(f"/files/upload-direct/{bucket}/{key}", content=body).raise_for_status()


def test_events_pass_as_they_come(client: httpx.Client, bucket: str) -> None:
    with Listener(client, f"/events?bucket={bucket}") as heard:
        for key in ("a", "b"):  # the second only once the first was heard: nothing waits for more
            put(client, bucket, key)
            assert heard.until(event="object.created")["key"] == key
        last = heard.last_id
    put(client, bucket, "c")
    with Listener(client, f"/events?bucket={bucket}", {"Last-Event-ID": str(last)}) as again:
        assert again.next()["key"] == "c"


def test_a_websocket_passes(front: str, service: Service, client: httpx.Client, bucket: str) -> None:
    for path in ("/realtime/ws", "/api/v1/realtime/ws"):
        with talking_to(front + path, service.token()) as talk:
            talk.subscribe("files_changes", bucket=bucket)
            put(client, bucket, path[1:].replace("/", "-"))
            assert talk.hear()["data"]["data"]["bucket_name"] == bucket


def test_an_archive_passes_whole_in_ranges_and_by_link(front: str, client: httpx.Client, bucket: str) -> None:
    files = {"a": b"small", "b": os.urandom(3 << 20)}
    for key, body in files.items():
        put(client, bucket, key, body)
    whole = client.get(f"/files/zip/{bucket}")
    assert int(whole.headers["content-length"]) == len(whole.content)
    with zipfile.ZipFile(io.BytesIO(whole.content)) as found:
        assert {name: found.read(name) for name in found.namelist()} == files
    rest = client.get(f"/files/zip/{bucket}", headers={"range": "bytes=1000-", "if-range": whole.headers["etag"]})
    assert (rest.status_code, rest.content) == (206, whole.content[1000:])
    made = client.post("/files/zip", json={"bucket": bucket}).json()
    path = made["url"].partition("/files/")[2]
    assert httpx.get(f"{front}/files/{path}").content == whole.content


def test_tuspy_uploads_through_it(front: str, service: Service, client: httpx.Client, bucket: str) -> None:
    data = os.urandom((3 << 20) + 7)
    tus = TusClient(f"{front}/files/resumable", headers={"Authorization": f"Bearer {service.token()}"})
    uploader = tus.uploader(
        file_stream=io.BytesIO(data),
        chunk_size=1 << 20,
        metadata={"bucket": bucket, "key": "a/film"},
        upload_checksum=True,
    )
    uploader.upload()
    assert str(uploader.url).startswith(f"{front}/files/resumable/")
    assert client.get(f"/files/download/{bucket}/a/film").content == data


def test_tokens_of_archive_links_are_not_logged(gateway: Gateway, client: httpx.Client, bucket: str) -> None:
    put(client, bucket, "a")
    path = client.post("/files/zip", json={"bucket": bucket}).json()["url"].partition("/files/")[2]
    httpx.get(f"http://127.0.0.1:{gateway.http}/files/{path}").raise_for_status()
    token = path.split("/")[1]
    logged = "\n".join(gateway.logged())
    assert token not in logged
    assert f"/files/zip-signed/-/{bucket}.zip" in logged


def test_whoever_looks_at_an_upload_while_nobody_answers_is_told_to_wait(top: Path) -> None:
    """Any other answer makes tus-js-client begin anew."""
    run = top / "nobody"
    run.mkdir()
    with Gateway(run, "gateway.conf", free_port(), run / "data").running() as gateway:
        look = ask(gateway.http, "/files/resumable/0123", "HEAD")
        assert (look.status, look.header("retry-after"), look.header("access-control-allow-origin")) == (423, "5", "*")
        assert ask(gateway.http, "/files/resumable/0123", "PATCH").status == 503
        assert ask(gateway.http, "/storage/a/files/resumable-not/0123", "HEAD").status == 503
