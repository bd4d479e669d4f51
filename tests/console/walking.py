"""Words the tests of this room share: where pages are, and what the API says."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
from playwright.sync_api import FilePayload, Page, expect

PATIENCE_SECONDS = 60.0


def go(page: Page, place: str) -> None:
    """To a place behind `#` of the page that is open."""
    page.evaluate("place => { location.hash = place }", place)


def open_files(page: Page, bucket: str, prefix: str = "", query: str = "") -> None:
    go(page, f"#/b/{bucket}/{quote(prefix)}{query}")
    expect(page.get_by_role("grid", name="Files")).to_be_visible()
    expect(page.locator(".status", has_text="Loading")).to_have_count(0)


def put(api: httpx.Client, bucket: str, key: str, body: bytes = b"hello", content_type: str = "text/plain") -> Any:
    answer = api.put(
        f"/files/upload-direct/{bucket}/{quote(key)}", content=body, headers={"content-type": content_type}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def read(api: httpx.Client, bucket: str, key: str) -> bytes | None:
    """The file's bytes; None if it is not there."""
    answer = api.get(f"/files/download/{bucket}/{quote(key)}")
    if answer.status_code == 404:
        return None
    assert answer.status_code == 200, answer.text
    return answer.content


def info(api: httpx.Client, bucket: str, key: str) -> Any:
    answer = api.get(f"/files/info/{bucket}/{quote(key)}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def keys(api: httpx.Client, bucket: str) -> list[str]:
    return [file["path"] for file in api.get(f"/files/list/{bucket}").raise_for_status().json()]


def until(said: Callable[[], Any], expected: Any) -> None:
    """The page works by requests of its own: wait until their effect is there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := said()) != expected:
        assert time.monotonic() < deadline, f"still {found!r}, not {expected!r}"
        time.sleep(0.05)


def row(page: Page, name: str) -> Any:
    """The line of a file or folder."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def act(page: Page, name: str, action: str) -> None:
    """Choose from the menu of a line."""
    row(page, name).get_by_role("button", name="Actions of").click()
    page.get_by_role("menuitem", name=action).click()


def files(*named: tuple[str, bytes]) -> list[FilePayload]:
    return [{"name": name, "mimeType": "text/plain", "buffer": body} for name, body in named]


def toast(page: Page, text: str) -> Any:
    found = page.locator(".toast", has_text=text)
    expect(found).to_be_visible()
    return found
