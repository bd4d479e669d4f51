"""The door around its routes: unknown faults, counters, clients that leave."""

import asyncio
import logging
from typing import Any

import httpx
import pytest

from storage_service.app.apis.dispatch import JsonDoor
from storage_service.app.core.errors import DamagedObject
from storage_service.app.edge.cors import Cors
from storage_service.app.edge.request import Message, Receive, Scope, Send
from storage_service.app.main import Service
from tests.apis.callers import SERVICE, Bucket, bearer, put


async def ask(door: Any, path: str = "/cold", method: str = "GET", headers: Any = ()) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": list(headers)}
    await door({**scope, "query_string": b""}, receive, send)
    return sent


def door_with(service: Service, cold_app: Any, cors: Cors | None = None) -> JsonDoor:
    """The running service's door with another app behind it."""
    door = service._doors["json"]
    assert door is not None
    other = JsonDoor.__new__(JsonDoor)
    other.__dict__.update(door.__dict__)
    other._cold, other._cors = cold_app, cors or Cors()
    return other


async def test_unknown_fault_is_a_500_logged_once_without_its_words(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("/secret/path")

    with caplog.at_level(logging.ERROR):
        sent = await ask(door_with(service, broken), headers=[(b"x-request-id", b"find-me")])
    assert sent[0]["status"] == 500
    assert b"secret" not in sent[1]["body"]
    assert [record.getMessage() for record in caplog.records] == ["request find-me failed"]


async def test_damaged_object_is_told_to_the_operator(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise DamagedObject("The stored bytes are missing", bucket="b", key="k")

    with caplog.at_level(logging.ERROR):
        sent = await ask(door_with(service, broken))
    assert (sent[0]["status"], b"damaged_object" in sent[1]["body"]) == (500, True)
    assert "b/k" in caplog.records[0].getMessage()


async def test_fault_after_the_head_sends_nothing_more(service: Service) -> None:
    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    assert [message["type"] for message in await ask(door_with(service, half))] == ["http.response.start"]


async def test_listed_origins_only(service: Service) -> None:
    async def cold(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    door = door_with(service, cold, Cors(("https://app.example.org",)))
    for origin, allowed in ((b"https://app.example.org", True), (b"https://evil.example.org", False)):
        sent = await ask(door, headers=[(b"origin", origin)])
        names = dict(sent[0]["headers"])
        assert (names.get(b"access-control-allow-origin") == origin) is allowed
        assert names[b"vary"] == b"Origin"


async def test_requests_are_counted_by_operation(client: httpx.AsyncClient, public: Bucket) -> None:
    await put(client, public, "counted", b"x" * 1000)
    await client.get(f"/storage/{public.name}/counted")
    await client.get("/nowhere/at/all")
    text = (await client.get("/metrics", headers=SERVICE)).text
    assert 'storage_requests_total{door="json",operation="files.permanent",status="2xx"}' in text
    assert 'storage_requests_total{door="json",operation="files.upload_direct",status="2xx"}' in text
    assert 'storage_requests_total{door="json",operation="buckets.create",status="2xx"}' in text
    assert "nowhere" not in text
    received = [
        line for line in text.splitlines() if 'received_bytes_total{door="json",operation="files.upload_d' in line
    ]
    assert float(received[0].split()[-1]) >= 1000


async def test_client_that_leaves_ends_a_large_download(
    service: Service, client: httpx.AsyncClient, public: Bucket
) -> None:
    await put(client, public, "big", b"x" * 20_000_000)
    path, left, sent = f"/storage/{public.name}/big", asyncio.Event(), 0

    async def receive() -> Message:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal sent
        sent += len(message.get("body", b""))
        left.set()
        await asyncio.sleep(0)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    await service({**scope, "headers": []}, receive, send)
    assert 0 < sent < 20_000_000


async def test_upload_of_a_client_that_leaves_stores_nothing(
    service: Service, client: httpx.AsyncClient, public: Bucket
) -> None:
    url = f"/files/upload-direct/{public.name}/half"
    messages: list[Message] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": b"x" * 100_000, "more_body": True},
    ]

    async def receive() -> Message:
        return messages.pop()

    async def send(message: Message) -> None:
        pass

    headers = [(name.encode(), value.encode()) for name, value in bearer().items()]
    scope = {"type": "http", "method": "PUT", "path": url, "raw_path": url.encode(), "query_string": b""}
    await service({**scope, "headers": headers}, receive, send)
    assert (await client.get(f"/storage/{public.name}/half")).status_code == 404
