"""The pictures of README and docs/console.md. With STORAGE_PICTURES=1 they are written to docs/pictures."""

from __future__ import annotations

import math
import os
import struct
import zlib
from pathlib import Path
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.console.conftest import PATIENCE_MS
from tests.console.walking import files, go, open_files, put, row
from tests.support.service import Service

pytestmark = pytest.mark.full

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
LEAST_BYTES = 10_000
README = b"""# Spring collection

Pictures for the *spring* catalogue, as delivered by the studio.

| folder | what |
|---|---|
| raw | as they came from the camera |
| web | cut and compressed |

- Names follow the catalogue's numbers.
- Ask [the studio](https://studio.example.org) for larger ones.
"""


def picture(number: int, width: int = 240, height: int = 180) -> bytes:
    """A small landscape, another one for each number."""
    rows = []
    for y in range(height):
        line = bytearray(b"\0")
        for x in range(width):
            hill = height * (0.55 + 0.18 * math.sin(x / 37 + number) + 0.08 * math.sin(x / 11 + number * 2))
            sky = (140 + number * 13 % 90, 190 - y // 3, 235 - number * 17 % 80)
            ground = (70 + number * 29 % 120, 120 + (y // 4) % 40, 70 + number * 11 % 60)
            line += bytes(max(0, min(255, value)) for value in (sky if y < hill else ground))
        rows.append(bytes(line))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"".join(rows), 9)) + chunk(b"IEND", b"")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def fill(api: httpx.Client) -> None:
    for name, public in (("catalogue", False), ("downloads", True), ("backups", False)):
        api.post("/buckets", json={"name": name, "is_public": public}).raise_for_status()
    api.put("/buckets/backups", json={"description": "Nightly, by restic", "quota_bytes": 50 << 30}).raise_for_status()
    for number in range(12):
        put(api, "catalogue", f"spring/SC-{1040 + number}.png", picture(number), "image/png")
    put(api, "catalogue", "spring/README.md", README, "text/markdown")
    put(api, "catalogue", "spring/prices.csv", b"number,price\nSC-1040,49.00\nSC-1041,59.00\n", "text/csv")
    for key in ("spring/raw/SC-1040.tiff", "spring/web/SC-1040.webp", "autumn/list.txt"):
        put(api, "catalogue", key, b"x" * 4096, "application/octet-stream")
    put(api, "downloads", "manual.pdf", b"%PDF-1.4" + b"x" * 90_000, "application/pdf")
    for number in range(40):
        put(api, "backups", f"data/{number:02}/pack", os.urandom(60_000), "application/octet-stream")


@pytest.fixture(scope="module")
def shots(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with httpx.Client(base_url=service.url, headers={"X-API-Key": "b1" * 32}, timeout=60) as api:
        fill(api)
    place = PICTURES if os.environ.get("STORAGE_PICTURES") else tmp_path_factory.mktemp("pictures")
    place.mkdir(exist_ok=True)
    return place


def buckets(page: Page) -> None:
    go(page, "#/")
    expect(page.get_by_role("row", name="catalogue")).to_be_visible()


def listed(page: Page) -> None:
    open_files(page, "catalogue", "spring/", "?view=list&open=spring%2FREADME.md")
    expect(page.locator(".prose h3")).to_be_visible()


def grid(page: Page) -> None:
    open_files(page, "catalogue", "spring/", "?view=grid")
    page.wait_for_function("() => [...document.querySelectorAll('.cell img')].filter(i => i.naturalWidth).length >= 9")


def uploading(page: Page) -> None:
    open_files(page, "catalogue", "summer/")
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 400_000}
    session.send("Network.emulateNetworkConditions", limits)
    page.set_input_files("[data-test=files]", files(*((f"SC-{1100 + n}.raw", b"x" * 900_000) for n in range(8))))
    expect(page.get_by_role("region", name="Uploads")).to_contain_text("/s")


def policy(page: Page) -> None:
    go(page, "#/settings/catalogue/access")
    page.get_by_label("Begin with").select_option("Anyone may read files below public/")
    page.get_by_label("to which key").fill("public/cover.png")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("[data-test=answer]")).to_contain_text("Yes")


def share(page: Page) -> None:
    open_files(page, "catalogue", "spring/", "?view=list&open=spring%2FSC-1040.png")
    page.get_by_role("tab", name="Share").click()
    page.get_by_role("button", name="Make link").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()


def palette(page: Page) -> None:
    open_files(page, "catalogue", "spring/", "?view=list")
    page.get_by_label("Select spring/SC-1040.png").check()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option", name="backups")).to_be_visible()


def status(page: Page) -> None:
    go(page, "#/status")
    expect(page.get_by_role("row", name="catalogue")).to_be_visible()


def phone(page: Page) -> None:
    page.set_viewport_size({"width": 375, "height": 720})
    open_files(page, "catalogue", "spring/", "?view=list")
    expect(row(page, "SC-1040.png")).to_be_visible()


SHOTS = {
    "buckets": buckets, "files": listed, "grid": grid, "uploads": uploading, "policy": policy, "share": share,
    "palette": palette, "status": status, "phone": phone,
}  # fmt: skip
DARK = frozenset({"grid", "phone"})
HEIGHTS = {"policy": 880, "share": 960}  # the others: as low as a laptop


@pytest.mark.parametrize("name", SHOTS)
def test_picture_is_made(browser: Browser, signed_in: Path, service: Service, shots: Path, name: str) -> None:
    scheme: Literal["dark", "light"] = "dark" if name in DARK else "light"
    size: ViewportSize = {"width": 1200, "height": HEIGHTS.get(name, 720)}
    with browser.new_context(storage_state=signed_in, color_scheme=scheme, viewport=size) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{service.url}/console/")
        SHOTS[name](page)
        page.mouse.move(0, 0)
        path = shots / f"console-{name}.png"
        page.screenshot(path=path, animations="disabled")
    assert path.stat().st_size > LEAST_BYTES
