"""How the console looks: to everyone (axe-core), in the dark, on a phone, under a path; and how little it loads."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.console.conftest import PASSWORD, PATIENCE_MS, watch
from tests.console.walking import files, go, open_files, put, row
from tests.nginx.gateway import Gateway
from tests.support.service import Service

AXE = gzip.decompress((Path(__file__).parent / "vendor" / "axe.min.js.gz").read_bytes()).decode()
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FIRST_LOAD_BYTES = 100_000
DESK: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 375, "height": 700}
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
Look = tuple[Scheme, ViewportSize]


def serious(page: Page) -> list[str]:
    """What axe-core finds wrong that keeps somebody out."""
    page.evaluate(AXE)
    found = page.evaluate("tags => axe.run(document, { runOnly: tags })", STANDARDS)
    return [
        f"{fault['id']}: {fault['nodes'][0]['html'][:160]} {fault['nodes'][0].get('failureSummary', '')[:200]}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


def files_page(page: Page, bucket: str) -> None:
    open_files(page, bucket)
    expect(row(page, "readme.md")).to_be_visible()


def selection(page: Page, bucket: str) -> None:
    files_page(page, bucket)
    page.get_by_label("Select readme.md").check()


def opened(tab: str) -> Callable[[Page, str], None]:
    def show(page: Page, bucket: str) -> None:
        open_files(page, bucket, "", "?open=readme.md")
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tabpanel")).to_be_visible()

    return show


def menu(page: Page, bucket: str) -> None:
    files_page(page, bucket)
    row(page, "readme.md").get_by_role("button", name="Actions of").click()
    expect(page.get_by_role("menu")).to_be_visible()


def settings(tab: str) -> Callable[[Page, str], None]:
    def show(page: Page, bucket: str) -> None:
        go(page, f"#/settings/{bucket}/{tab}")
        expect(page.locator(".page .card, .page form").first).to_be_visible()

    return show


def named(place: str, heading: str) -> Callable[[Page, str], None]:
    def show(page: Page, bucket: str) -> None:
        go(page, place)
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        page.wait_for_load_state("networkidle")

    return show


def requests(page: Page, bucket: str) -> None:
    go(page, "#/requests")  # which never ceases to load
    expect(page.get_by_role("heading", name="Requests", exact=True)).to_be_visible()


def new_bucket(page: Page, bucket: str) -> None:
    named("#/", "Buckets")(page, bucket)
    page.get_by_role("button", name="New bucket").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def connect(page: Page, bucket: str) -> None:
    files_page(page, bucket)
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def from_toolbar(button: str) -> Callable[[Page, str], None]:
    """A dialog about what is selected."""

    def show(page: Page, bucket: str) -> None:
        selection(page, bucket)
        page.get_by_role("toolbar").get_by_role("button", name=button).click()
        expect(page.get_by_role("dialog")).to_be_visible()

    return show


def from_more(item: str) -> Callable[[Page, str], None]:
    def show(page: Page, bucket: str) -> None:
        files_page(page, bucket)
        page.get_by_role("button", name="More", exact=True).click()
        page.get_by_role("menuitem", name=item).click()
        expect(page.get_by_role("dialog")).to_be_visible()

    return show


def nothing_found(page: Page, bucket: str) -> None:
    open_files(page, bucket, "", "?q=nothing-is-called-like-that")
    expect(page.get_by_text("Nothing found")).to_be_visible()


def gone(page: Page, bucket: str) -> None:
    open_files(page, f"{bucket}-is-gone")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def grid(page: Page, bucket: str) -> None:
    open_files(page, bucket, "", "?view=grid")
    expect(page.get_by_role("link", name="readme.md")).to_be_visible()


def shared(page: Page, bucket: str) -> None:
    opened("Share")(page, bucket)
    page.get_by_role("button", name="Make link").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()


def edited(page: Page, bucket: str) -> None:
    opened("Preview")(page, bucket)
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_label("Content")).to_be_visible()


def new_key(page: Page, bucket: str) -> None:
    named("#/keys", "Access keys")(page, bucket)
    page.get_by_role("button", name="New key").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def made_key(page: Page, bucket: str) -> None:
    new_key(page, bucket)
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_label("Secret key", exact=True)).to_be_visible()


def palette(page: Page, bucket: str) -> None:
    files_page(page, bucket)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option").first).to_be_visible()


def there_already(page: Page, bucket: str) -> None:
    """With the queue of uploads behind it."""
    files_page(page, bucket)
    page.set_input_files("[data-test=files]", files=files(("readme.md", b"another")))
    expect(page.get_by_role("dialog")).to_be_visible()


PLACES: dict[str, Callable[[Page, str], None]] = {
    "buckets": named("#/", "Buckets"),
    "new bucket": new_bucket,
    "files": files_page,
    "grid": grid,
    "nothing found": nothing_found,
    "no such bucket": gone,
    "palette": palette,
    "selection": selection,
    "menu": menu,
    "preview": opened("Preview"),
    "details": opened("Details"),
    "versions": opened("Versions"),
    "share": shared,
    "text in the editor": edited,
    "move to": from_toolbar("Move"),
    "delete?": from_toolbar("Delete"),
    "new folder": from_more("New folder"),
    "deleted files": from_more("Deleted files"),
    "connect": connect,
    **{
        f"settings {tab}": settings(tab)
        for tab in ("general", "access", "cors", "lifecycle", "tags", "usage", "danger")
    },
    "keys": named("#/keys", "Access keys"),
    "new key": new_key,
    "key that was made": made_key,
    "status": named("#/status", "Status"),
    "requests": requests,
    "uploads": named("#/uploads", "Unfinished uploads"),
    "configuration": named("#/config", "Configuration"),
    "there already": there_already,
}


def picture(page: Page, look: Look, name: str) -> None:
    """Of every page, for people to look at: with STORAGE_LOOKS=directory."""
    if directory := os.environ.get("STORAGE_LOOKS"):
        path = Path(directory) / f"{name} {look[0]} {look[1]['width']}.png"
        page.screenshot(path=path, animations="disabled")


def fill(api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "readme.md", b"# Read me\n\nSome *words* and [a link](https://example.org).\n", "text/markdown")
    put(api, bucket, "2026/report.csv", b"a,b\n1,2\n", "text/csv")
    put(api, bucket, "deleted.txt")
    api.delete(f"/files/{bucket}/deleted.txt").raise_for_status()
    rule = {"expiration": {"days": 30}, "filter": {"prefix": "tmp/"}}
    cors = {"origins": ["https://app.example.org"], "methods": ["GET"]}
    made = {"lifecycle": [rule], "cors": [cors], "tags": {"team": "blue"}}
    api.patch(f"/api/v1/buckets/{bucket}/configuration", json=made).raise_for_status()
    api.post("/api/v1/keys", json={"description": "backup", "buckets": [bucket]}).raise_for_status()


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(("light", DESK), id="light"),
        pytest.param(("dark", PHONE), id="phone in the dark"),
        pytest.param(("dark", DESK), id="dark", marks=pytest.mark.full),
        pytest.param(("light", PHONE), id="phone", marks=pytest.mark.full),
    ],
)
def test_no_page_keeps_anybody_out(
    browser: Browser, signed_in: Path, service: Service, api: httpx.Client, bucket: str, look: Look
) -> None:
    fill(api, bucket)
    scheme, viewport = look
    with browser.new_context(storage_state=signed_in, color_scheme=scheme, viewport=viewport) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{service.url}/console/")
        faults: dict[str, list[str]] = {}
        for name, show in PLACES.items():
            show(page, bucket)
            picture(page, look, name)
            faults[name] = serious(page)
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > viewport["width"]:
                faults[name].append(f"{width} pixels wide")
            page.keyboard.press("Escape")
            page.reload() if page.locator("dialog").count() else None
        assert {name: found for name, found in faults.items() if found} == {}


def test_sign_in_page_keeps_nobody_out(browser: Browser, service: Service) -> None:
    for scheme in SCHEMES:
        with browser.new_context(color_scheme=scheme, viewport=PHONE) as context:
            page = context.new_page()
            page.goto(f"{service.url}/console/")
            expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=PATIENCE_MS)
            assert serious(page) == []


def test_theme_is_chosen_and_kept(page: Page) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(background)
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate(background) != before
    page.reload()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()


def test_phone_has_a_menu_that_slides_in(context: BrowserContext, service: Service) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 375, "height": 700})
    page.goto(f"{service.url}/console/")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Access keys").click()
    expect(page.get_by_role("heading", name="Access keys", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("link", name="Buckets")).not_to_be_visible()


def test_first_load_is_small_and_comes_from_here_alone(browser: Browser, service: Service) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        loaded: list[float] = []
        asked: list[str] = []
        session.on("Network.loadingFinished", lambda event: loaded.append(event["encodedDataLength"]))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{service.url}/console/")
        page.fill("input[name=password]", PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Buckets", exact=True)).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert [url for url in asked if not url.startswith(f"{service.url}/")] == []
        print(f"first load with signing in: {sum(loaded) / 1000:.1f} kB, {len(loaded)} requests")
        assert 10_000 < sum(loaded) < FIRST_LOAD_BYTES


def test_files_that_were_loaded_once_are_never_asked_for_again(service: Service) -> None:
    with httpx.Client(base_url=service.url) as client:
        text = client.get("/console/").text
        path = text.partition('src="')[2].partition('"')[0]
        found = client.get(f"/console/{path}", headers={"accept-encoding": "gzip"})
        assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert found.headers["content-encoding"] == "gzip"
        assert client.get(f"/console/{path.replace('static/', 'static/0')}").status_code == 404


def test_console_works_under_a_path_of_another_site(
    browser: Browser, service: Service, api: httpx.Client, bucket: str, open_path: Path
) -> None:
    put(api, bucket, "a.txt", b"under a path")
    front = Gateway(open_path, "path.conf", service.port, service.data)
    with front.running(), browser.new_context() as context:
        page = context.new_page()
        faults = watch(page)
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"http://127.0.0.1:{front.http}/objects/console")
        page.fill("input[name=password]", PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name=bucket).click()
        page.set_input_files("[data-test=files]", files=files(("b.txt", b"up")))
        expect(row(page, "b.txt")).to_be_visible()
        row(page, "a.txt").get_by_role("link").click()
        expect(page.locator(".drawer pre")).to_have_text("under a path")
        with page.expect_download() as waiting:
            page.get_by_role("link", name="Download").first.click()
        assert waiting.value.path().read_bytes() == b"under a path"
        assert faults == []
