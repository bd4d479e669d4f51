"""A running service, and a real Chromium in front of its console. Effects are asked of the API, never of the page."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.service import SERVICE_KEY, Service
from tests.support.tools import require_tool

PASSWORD = "correct-horse-battery-staple"
ROOT = ("ROOTACCESSKEY", "root-secret-of-the-tests")
PATIENCE_MS = 60_000  # a condition comes within milliseconds, on a slow and shared machine within seconds
SETTINGS = {
    "CONSOLE_PASSWORD": PASSWORD,
    "S3_ROOT_ACCESS_KEY": ROOT[0],
    "S3_ROOT_SECRET_KEY": ROOT[1],
    "DURABILITY": "scratch",  # what power cuts do is tested elsewhere
    "DEFAULT_BUCKET_PUBLIC": "false",
}
_numbers = count(1)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("console")
    with Service(place / "data", place, environment=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with each module: while its driver runs, no test of this process may have an event loop of its own."""
    program = require_tool("chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=[*arguments, "--disable-dev-shm-usage"])
        yield found
        found.close()


@pytest.fixture
def api(service: Service) -> Iterator[httpx.Client]:
    """The service itself, by its own key."""
    with httpx.Client(base_url=service.url, headers={"X-API-Key": SERVICE_KEY}, timeout=60) as client:
        yield client


@pytest.fixture
def bucket(api: httpx.Client) -> str:
    name = f"bucket-{next(_numbers)}"
    api.post("/buckets", json={"name": name, "is_public": False}).raise_for_status()
    return name


@pytest.fixture(scope="session")
def signed_in(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cookies of a browser in which somebody has signed in by password."""
    answer = httpx.post(f"{service.url}/console/session", json={"password": PASSWORD}).raise_for_status()
    (cookie,) = answer.cookies.jar
    kept = {"name": cookie.name, "value": cookie.value, "domain": "127.0.0.1", "path": "/", "expires": -1}
    flags = {"httpOnly": True, "secure": False, "sameSite": "Strict"}
    place = tmp_path_factory.mktemp("state") / "state.json"
    place.write_text(json.dumps({"cookies": [kept | flags], "origins": []}))
    return place


@pytest.fixture
def context(browser: Browser, signed_in: Path) -> Iterator[BrowserContext]:
    with browser.new_context(storage_state=signed_in, viewport={"width": 1280, "height": 800}) as found:
        yield found


@pytest.fixture
def page(context: BrowserContext, service: Service) -> Iterator[Page]:
    """Signed in. What the page throws, and what its policy refuses, fails the test."""
    found = context.new_page()
    faults = watch(found)
    found.set_default_timeout(PATIENCE_MS)
    found.goto(f"{service.url}/console/")
    expect(found.get_by_role("navigation", name="Main")).to_be_attached()
    yield found
    found.close(run_before_unload=False)
    assert faults == []


def watch(page: Page) -> list[str]:
    """Fills with what went wrong inside the page."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    return faults
