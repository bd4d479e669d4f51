"""Folders of 100,000 files and uploads of a GiB. Figures are printed, promises are asserted; for the full tier."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.console.walking import open_files, row, until
from tests.support.service import SERVICE_KEY, Service

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]

MANY = 100_000
AT_ONCE = 64
LONGEST_FRAME_MS = 100
ROUNDS = 4
MIB = 1 << 20
TREE_FILES, TREE_BYTES = 200, 1 << 30

SCROLL = """async () => {
  const box = document.querySelector("[data-test=rows]")
  const frames = []
  box.scrollTop = 0
  let last = performance.now()
  const frame = () => new Promise((next) => requestAnimationFrame(() => {
    const now = performance.now()
    frames.push(now - last)
    last = now
    next()
  }))
  await frame()
  frames.length = 0
  for (let step = 0; step < 120; step++) {
    box.scrollTop += 700
    await frame()
  }
  for (let step = 0; step <= 60; step++) {
    box.scrollTop = box.scrollHeight * step / 60
    await frame()
  }
  return frames
}"""


async def make_files(service: Service, bucket: str, count: int) -> None:
    """By plain sockets: a client that does more would take minutes."""
    numbers = iter(range(count))

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        for number in numbers:
            head = f"PUT /files/upload-direct/{bucket}/many/{number:06}.txt HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            writer.write(f"{head}X-API-Key: {SERVICE_KEY}\r\nContent-Length: 1\r\n\r\nx".encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert answer.startswith(b"http/1.1 201"), answer
            await reader.readexactly(int(answer.partition(b"content-length:")[2].split(b"\r\n")[0]))
        writer.close()

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


@pytest.fixture
def many(service: Service, bucket: str) -> str:
    # In a thread: the browser's driver has a loop of its own in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, make_files(service, bucket, MANY)).result()
    return bucket


def test_folder_of_100_000_files_scrolls_without_a_long_frame(page: Page, many: str) -> None:
    open_files(page, many, "many/")
    expect(page.get_by_text("100,000 files", exact=True)).to_be_visible()
    # The best of a few rounds: what a neighbour on this machine takes is not the page's.
    longest = [max(page.evaluate(SCROLL)) for _ in range(ROUNDS)]
    print(f"scrolling {MANY} files: longest frames {[round(one) for one in longest]} ms")
    assert min(longest) <= LONGEST_FRAME_MS
    expect(row(page, "099999.txt")).to_be_visible()
    page.get_by_role("button", name="Sort by size").click()
    expect(page.get_by_text("100,000 files", exact=True)).to_be_visible()
    page.get_by_label("Search this folder").fill("012345")
    expect(row(page, "012345.txt")).to_be_visible()


def test_tree_of_a_gib_arrives_though_the_service_is_killed_twice(
    page: Page, api: httpx.Client, service: Service, bucket: str, tmp_path: Path
) -> None:
    expected: dict[str, str] = {}
    for number in range(TREE_FILES):
        path = tmp_path / "tree" / f"{number % 10}" / f"{number:03}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = hashlib.sha256(str(number).encode()).digest() * (TREE_BYTES // TREE_FILES // 32)
        path.write_bytes(body)
        expected[str(path.relative_to(tmp_path))] = hashlib.sha256(body).hexdigest()
    open_files(page, bucket)
    page.set_input_files("[data-test=folder]", tmp_path / "tree")
    for least in (TREE_FILES // 4, TREE_FILES // 2):
        until(lambda least=least: stored(api, bucket) >= least, True)  # type: ignore[misc]
        service.kill_all()
        service.start()
    until(lambda: stored(api, bucket), TREE_FILES)
    found = api.get(f"/files/list/{bucket}").json()
    assert {file["path"]: digest(api, bucket, file["path"]) for file in found} == expected


def stored(api: httpx.Client, bucket: str) -> int:
    try:
        return int(api.get(f"/buckets/{bucket}").json()["file_count"])
    except (httpx.TransportError, KeyError):
        return -1


def digest(api: httpx.Client, bucket: str, key: str) -> str:
    return hashlib.sha256(api.get(f"/files/download/{bucket}/{key}").content).hexdigest()
