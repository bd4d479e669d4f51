"""The examples' pages in a real browser, in the stacks that their compose files describe."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Error, Page, expect

from storage_service.client import Client
from tests.examples.composed import Composed, free_port, running
from tests.support.browser import chromium
from tests.support.service import ANON_KEY, SECRET_KEY, SERVICE_KEY, Service

pytestmark = [pytest.mark.ci, pytest.mark.timeout(300)]

BODY = b"a picture, so to say"
DROP = """(target) => {
    const files = new DataTransfer()
    files.items.add(new File(['dropped'], 'dropped.txt', { type: 'text/plain' }))
    target.dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }))
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def into(heard: list[Any]) -> Callable[[Any], None]:
    """A listener that remembers: playwright takes no methods of lists."""

    def listen(what: Any) -> None:
        heard.append(what)

    return listen


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Whatever the page's own code throws is a failure."""
    context = browser.new_context(accept_downloads=True)
    found = context.new_page()
    thrown: list[Error] = []
    found.on("pageerror", into(thrown))
    yield found
    context.close()
    assert thrown == []


def chosen(name: str, body: bytes, kind: str = "image/png") -> Any:
    return {"name": name, "mimeType": kind, "buffer": body}


# A page without a backend ------------------------------------------------------------------------------------------


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A plain web server for these files; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def upload_page(tmp_path: Path) -> Iterator[tuple[str, Service]]:
    """Its address, and the storage service it speaks with."""
    folder = tmp_path / "page"
    folder.mkdir()
    with served(folder) as origin:
        service = Service(tmp_path / "data", tmp_path / "logs")
        variables = {"SECRET_KEY": SECRET_KEY, "ANON_KEY": ANON_KEY}
        addresses = {"http://localhost:8080": origin, "http://localhost:8001": service.url}
        composed = Composed("upload_page", variables, addresses)
        shutil.copy(composed.folder / "index.html", folder)
        (folder / "settings.json").write_text(composed.record["configs"]["settings"]["content"])
        with (
            service.changed({**service.environment, **composed.environment("storage"), "DURABILITY": "scratch"}),
            service,
        ):
            yield origin, service


def test_whoever_opens_the_page_uploads_and_gets_a_link(page: Page, upload_page: tuple[str, Service]) -> None:
    origin, service = upload_page
    page.goto(origin)
    page.locator("#chosen").set_input_files([chosen("cat 1.png", BODY), chosen("ä.png", b"two")])
    links = page.get_by_role("link", name="open")
    expect(links).to_have_count(2)
    page.locator("#target").evaluate(DROP)
    expect(links).to_have_count(3)
    bodies = {httpx.get(link.get_attribute("href") or "").content for link in links.all()}
    assert bodies == {BODY, b"two", b"dropped"}
    with Client(service.url, api_key=SERVICE_KEY) as client:
        assert sorted(info.key.rpartition("/")[2] for info in client.bucket("inbox").list()) == [
            "cat 1.png",
            "dropped.txt",
            "ä.png",
        ]


def test_the_page_says_what_the_bucket_refuses(page: Page, upload_page: tuple[str, Service]) -> None:
    origin, service = upload_page
    with Client(service.url, api_key=SERVICE_KEY) as client:
        client.buckets.update("inbox", max_object_bytes=10)
        page.goto(origin)
        page.locator("#chosen").set_input_files([chosen("large.png", BODY)])
        expect(page.locator("#files li")).to_contain_text("large.png: ")
        expect(page.locator("#files progress")).to_have_count(0)
        assert page.get_by_role("link").count() == 0
        assert [*client.bucket("inbox").list()] == []


def test_settings_beside_the_page_are_for_a_service_on_this_machine() -> None:
    composed = Composed("upload_page", {"SECRET_KEY": SECRET_KEY, "ANON_KEY": ANON_KEY}, {})
    kept = json.loads((composed.folder / "settings.json").read_text())
    shown = json.loads(composed.record["configs"]["settings"]["content"])
    assert kept | {"anonKey": ""} == shown | {"anonKey": ""}


# With FastAPI ------------------------------------------------------------------------------------------------------


@pytest.fixture
def fastapi_app(tmp_path: Path) -> Iterator[tuple[str, Service]]:
    """Started by the compose file's own words; its address, and its storage service."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    service = Service(tmp_path / "data", tmp_path / "logs")
    variables = {"SECRET_KEY": SECRET_KEY, "STORAGE_SERVICE_API_KEY": SERVICE_KEY}
    addresses = {
        "http://localhost:8000": origin,
        "http://localhost:8001": service.url,
        "http://storage:8001": service.url,
        "/records/": f"{tmp_path}/",
    }
    composed = Composed("fastapi_uploads", variables, addresses)
    environment = {**service.environment, **composed.environment("app")}
    with (
        service.changed({**service.environment, **composed.environment("storage"), "DURABILITY": "scratch"}),
        service,
        running(composed.command(port), composed.folder, environment, origin),
    ):
        yield origin, service


def test_user_uploads_from_the_browser_and_downloads_again(
    page: Page, fastapi_app: tuple[str, Service], tmp_path: Path
) -> None:
    origin, service = fastapi_app
    heard: list[Any] = []
    page.on("websocket", lambda found: found.on("framereceived", into(heard)))
    page.goto(origin)
    page.get_by_label("Login token").fill(service.token("ada"))
    page.get_by_label("Login token").blur()
    deadline = time.monotonic() + 60
    while not heard:  # the page listens
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)
    page.locator("#chosen").set_input_files([chosen("cat 1.png", BODY)])
    expect(page.get_by_role("status")).to_have_text("cat 1.png has arrived")
    entry = page.get_by_role("link", name=f"cat 1.png ({len(BODY)} bytes, ready)")
    with page.expect_download() as download:
        entry.click()
    assert download.value.suggested_filename == "cat 1.png"
    assert Path(download.value.path()).read_bytes() == BODY


def test_page_says_that_a_token_does_not_hold(page: Page, fastapi_app: tuple[str, Service]) -> None:
    origin, _ = fastapi_app
    page.goto(origin)
    page.get_by_label("Login token").fill("nonsense")
    page.get_by_label("Login token").blur()
    expect(page.get_by_role("status")).to_have_text("Log in first")
