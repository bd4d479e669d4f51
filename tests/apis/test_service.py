"""Health, metrics, feed, usage, and the page that describes it all."""

import asyncio
import gzip
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from storage_service.app.main import Service
from tests.apis.asking import NOBODY, OTHER, OWN, SERVICE, get, put, refused, said
from tests.apis.callers import OWNER, Bucket

ROOT = Path(__file__).parents[2]
SETTLED_SECONDS = 20.0


async def test_health_tells_a_degraded_service_by_name(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = service._operations
    assert operations is not None
    monkeypatch.setattr(operations, "_problems", lambda: ["the disk is full"])
    answer = await client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["problems"] == ["the disk is full"]


async def test_probes_need_no_credential(client: httpx.AsyncClient) -> None:
    for path in ("/health", "/healthz", "/readyz", "/"):
        for method in ("GET", "HEAD"):
            answer = await client.request(method, path)
            assert answer.status_code == 200, path
            assert bool(answer.content) == (method == "GET")
    assert (await client.get("/readyz")).json()["ready"] is True


@pytest.mark.parametrize("path", ["/health", "/buckets/nowhere", "/nothing"])
async def test_head_of_a_cold_route_stays_a_head_for_the_server(service: Service, path: str) -> None:
    """uvicorn cuts the connection when a GET's body is shorter than said, and knows a HEAD by its own scope."""
    scope = {"type": "http", "method": "HEAD", "path": path, "raw_path": path.encode(), "headers": []}
    methods: list[object] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    async def send(message: object) -> None:
        methods.append(scope["method"])

    await service(scope, receive, send)
    assert methods == ["HEAD", "HEAD"]


async def test_metrics_are_for_the_operator(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a")
    refused(await client.get("/metrics"), 401)
    refused(await client.get("/metrics", headers=OWN), 403)
    answer = await client.get("/metrics", headers=SERVICE)
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.text
    for name in ("requests_total", "request_seconds_bucket", "backlog_rows", "disk_free_bytes"):
        assert re.search(rf"^storage_{name}[ {{]", text, re.MULTILINE), name
    assert 'operation="buckets.create"' in text
    assert f'storage_bucket_objects{{bucket="{private.name}"}} 1.0' in text


async def test_feed_tells_of_every_change(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a")
    said(await client.delete(f"/files/{private.name}/a", headers=OWN), 204)
    seen: list[tuple[str, str | None]] = []
    after = 0
    deadline = time.monotonic() + SETTLED_SECONDS
    while len(seen) < 3 and time.monotonic() < deadline:  # only what has been settled is told
        page = await get(client, f"/api/v1/changes?after={after}&limit=1000", SERVICE)
        seen += [(change["op"], change["key"]) for change in page["changes"] if change["bucket"] == private.name]
        after = page["last"]
        await asyncio.sleep(0.02)
    assert seen == [("bucket-put", None), ("put", "a"), ("delete", "a")]


async def test_usage_counts_buckets_and_owners(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "a", b"12345")
    usage = await get(client, "/api/v1/usage", SERVICE)
    of_bucket = {bucket["id"]: bucket for bucket in usage["buckets"]}[private.id]
    assert (of_bucket["file_count"], of_bucket["total_size"], of_bucket["owner_id"]) == (1, 5, OWNER)
    assert OWNER in [owner["owner_id"] for owner in usage["owners"]]


@pytest.mark.parametrize("path", ["/api/v1/changes", "/api/v1/usage"])
async def test_operators_routes_are_closed_to_users(client: httpx.AsyncClient, path: str) -> None:
    refused(await client.get(path, headers=NOBODY), 401)
    refused(await client.get(path, headers=OTHER), 403)


@pytest.mark.parametrize("query", ["after=-1", "limit=0", "limit=1001", "after=x"])
async def test_feed_refuses_a_bad_query(client: httpx.AsyncClient, query: str) -> None:
    refused(await client.get(f"/api/v1/changes?{query}", headers=SERVICE), 422)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_docs_load_nothing_from_elsewhere(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    links = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert links
    for link in links:
        assert "//" not in link
        assert (await client.get("/" + link)).status_code == 200, link
    assert "<script>" not in answer.text


async def test_packed_assets_are_unpacked_for_who_cannot(client: httpx.AsyncClient) -> None:
    plain = await client.get("/docs/swagger-ui.css", headers={"accept-encoding": "identity"})
    packed = await client.get("/docs/swagger-ui.css", headers={"accept-encoding": "gzip"})
    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    assert plain.content == packed.content  # httpx has unpacked it
    assert plain.headers["content-type"].startswith("text/css")
    refused(await client.get("/docs/vendor.lock.json"), 404)


def test_vendored_assets_are_those_of_the_lock_file() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "vendor_docs.py", "--check"], check=False)
    assert done.returncode == 0


def test_vendored_script_asks_no_other_host_by_itself() -> None:
    static = ROOT / "storage_service" / "app" / "apis" / "static"
    assert "validatorUrl: null" in (static / "start.js").read_text()
    assert gzip.decompress((static / "swagger-ui-bundle.js.gz").read_bytes()).startswith(b"/*!")
    assert json.loads((static / "vendor.lock.json").read_text())["licence"] == "Apache-2.0"
