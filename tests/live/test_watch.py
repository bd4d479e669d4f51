"""What a console draws, of a running service with two workers."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests.live.listening import ENDED, Listener
from tests.support.service import SERVICE_KEY, Service

WAIT_SECONDS = 60.0


class Watcher(Listener):
    """Of a stream without ids: it has begun with its head."""

    def _take(self, line: str) -> None:
        self._begun.set()
        super()._take(line)


def watch_until(watcher: Watcher, do: Callable[[], object], enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Do something again and again until a request is seen that is enough."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        do()
        while not watcher._heard.empty():
            record = watcher.next()
            if enough(record):
                return record  # type: ignore[no-any-return]
        time.sleep(0.05)
    raise AssertionError("never seen")


def test_requests_of_every_worker_are_seen(service: Service, admin: httpx.Client, bucket: str) -> None:
    workers = {str(process.pid) for process in service.pids("worker")}
    assert len(workers) == 2
    seen: set[str] = set()

    def ask() -> None:
        with service.client() as client:  # a connection of its own, so that both workers get some
            client.put(f"/files/upload-direct/{bucket}/a%20b?x=secret", content=b"hello").raise_for_status()

    def enough(record: dict[str, Any]) -> bool:
        if record.get("path") == f"/files/upload-direct/{bucket}/a%20b":
            seen.add(record["worker"])
        return seen == workers

    with Watcher(admin, "/api/v1/requests/live") as watcher:
        record = watch_until(watcher, ask, enough)
    assert record["method"] == "PUT"
    assert (record["door"], record["operation"], record["status"]) == ("json", "files.upload_direct", 201)
    assert (record["bytes_in"], record["code"], record["client"]) == (5, None, "127.0.0.1")
    assert record["milliseconds"] > 0
    assert abs(record["at_ms"] / 1000 - time.time()) < WAIT_SECONDS


def test_errors_say_their_code_and_links_hide_their_token(service: Service, admin: httpx.Client, bucket: str) -> None:
    def ask() -> None:
        admin.get(f"/files/download/{bucket}/none")
        admin.get(f"/files/zip-signed/secret-token/{bucket}.zip")
        httpx.get(f"{service.url}/{bucket}/none?X-Amz-Signature=secret", headers={"x-amz-date": "x"})

    found: dict[str, dict[str, Any]] = {}

    def enough(record: dict[str, Any]) -> bool:
        assert "secret" not in str(record)
        if record.get("status", 0) >= 400:
            found[record["path"]] = record
        return len(found) == 3

    with Watcher(admin, "/api/v1/requests/live") as watcher:
        watch_until(watcher, ask, enough)
    assert found[f"/files/download/{bucket}/none"]["code"] == "no_such_key"
    assert found[f"/files/zip-signed/-/{bucket}.zip"]["code"] == "access_denied"
    assert found[f"/{bucket}/none"]["door"] == "s3"
    assert found[f"/{bucket}/none"]["code"]


def test_a_worker_that_comes_again_is_seen_too(tmp_path: Path) -> None:
    with (
        Service(tmp_path / "data", tmp_path, workers=2) as service,
        httpx.Client(base_url=service.url, headers={"X-API-Key": SERVICE_KEY}, timeout=60.0) as admin,
        Watcher(admin, "/api/v1/requests/live") as watcher,
    ):
        seen: set[str] = set()

        def ask() -> None:
            httpx.get(f"{service.url}/healthz").raise_for_status()

        def look(record: dict[str, Any]) -> bool:
            seen.add(record.get("worker", ""))
            return len(seen) >= 2

        watch_until(watcher, ask, look)
        ours = worker_of(service, watcher)
        victim = next(process.pid for process in service.pids("worker") if process.pid != ours)
        service.kill(victim)

        def ask_gently() -> None:
            with suppress(httpx.TransportError):
                ask()

        before = set(seen)
        watch_until(watcher, ask_gently, lambda record: record.get("worker", "") not in before)
        assert service.stop() == 0
        while watcher.next() != ENDED:
            pass


def worker_of(service: Service, watcher: Watcher) -> int:
    """The worker that a watcher's connection leads to."""
    for process in service.pids("worker"):
        if watcher.local_port in peers_of(process.pid):
            return process.pid
    raise AssertionError("no worker has that connection")


def peers_of(pid: int) -> set[int]:
    """Ports that a process's IPv4 connections lead to."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:")}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[2].partition(":")[2], 16) for row in rows if row[9] in inodes}


def test_only_admins_watch(service: Service, client: httpx.Client) -> None:
    assert client.get("/api/v1/requests/live").status_code == 403
    assert httpx.get(f"{service.url}/api/v1/requests/live").status_code == 401


def test_usage_is_a_line_that_ends_now(client: httpx.Client, admin: httpx.Client, bucket: str) -> None:
    client.put(f"/files/upload-direct/{bucket}/a", content=b"hello").raise_for_status()
    found = client.get("/api/v1/usage/history", params={"bucket": bucket, "days": 7}).json()
    assert (found["bucket"], found["samples"][-1]["file_count"], found["samples"][-1]["total_size"]) == (bucket, 1, 5)
    everything = admin.get("/api/v1/usage/history").json()
    assert everything["bucket"] is None
    assert len(everything["samples"]) >= 2  # one was taken when the service started
    assert everything["samples"][-1]["file_count"] >= 1
    assert client.get("/api/v1/usage/history").status_code == 403
    for days in ("0", "401", "x"):
        assert admin.get("/api/v1/usage/history", params={"days": days}).status_code == 422


def test_status_says_what_is_left_and_what_waits(client: httpx.Client, admin: httpx.Client, bucket: str) -> None:
    before = admin.get("/api/v1/status").json()
    said = {"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": f"bucket {b64(bucket)},key {b64('k')}"}
    made = client.post("/files/resumable", headers=said)
    assert made.status_code == 201
    kind = "application/offset+octet-stream"
    part = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": kind}
    client.patch(made.headers["location"], headers=part, content=b"1234").raise_for_status()
    after = admin.get("/api/v1/status").json()
    assert after["uploads"]["open"] == before["uploads"]["open"] + 1
    assert after["uploads"]["bytes"] == before["uploads"]["bytes"] + 4
    disk, settle = after["disk"], after["settle"]
    assert 0 < disk["free_bytes"] <= disk["total_bytes"]
    assert disk["reserve_bytes"] > 0
    assert settle["rows"] >= 0
    assert settle["set_aside_rows"] == 0
    assert client.get("/api/v1/status").status_code == 403


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()
