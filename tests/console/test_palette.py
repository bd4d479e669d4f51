"""The palette: everywhere one can go and all that can be done here, by a few letters and without a mouse."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.console.conftest import PATIENCE_MS
from tests.console.walking import go, keys, open_files, put, row, until
from tests.support.service import Service


def palette_of(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Go to a bucket or page")


def call(page: Page, said: str) -> None:
    """Open it by keys and write into it."""
    page.keyboard.press("Control+k")
    palette_of(page).fill(said)


def test_a_few_letters_and_enter_go_to_a_bucket(page: Page, api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "a.txt")
    call(page, bucket)
    expect(page.get_by_role("option", name=f"{bucket} Bucket", exact=True)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(row(page, "a.txt")).to_be_visible()
    expect(palette_of(page)).to_have_count(0)


def test_arrows_choose_and_escape_leaves_where_one_was(page: Page, bucket: str) -> None:
    open_files(page, bucket)
    grid = page.get_by_role("grid", name="Files")
    grid.focus()
    call(page, "theme")
    for name in ("Theme: system", "Theme: light", "Theme: dark", "Theme: system"):
        expect(page.get_by_role("option", name=name)).to_have_attribute("aria-selected", "true")
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(grid).to_be_focused()
    call(page, "nothing is called like that")
    expect(page.get_by_text("Nothing is called like that.")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(palette_of(page)).to_be_visible()


def test_what_can_be_done_with_a_folder_is_done_from_there(page: Page, api: httpx.Client, bucket: str) -> None:
    for key in ("a.txt", "b.txt"):
        put(api, bucket, key)
    # Listened for from here on: begun with the key press, the browser may hear of it only after the press.
    page.on("filechooser", lambda _: None)
    open_files(page, bucket)
    page.get_by_label("Select a.txt").check()
    call(page, "delete selection")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    until(lambda: keys(api, bucket), ["b.txt"])
    call(page, "new folder")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_label("Name").fill("fresh")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"#/b/{bucket}/fresh/"))
    call(page, "upload files")
    with page.expect_file_chooser():
        page.keyboard.press("Enter")


@pytest.mark.parametrize(
    ("place", "said", "shown"),
    [
        ("#/", "new bucket", "New bucket"),
        ("#/keys", "new access", "New access key"),
        ("#/status", "unfinished", "Unfinished uploads"),
    ],
)
def test_every_page_offers_what_it_can_do(page: Page, place: str, said: str, shown: str) -> None:
    go(page, place)
    expect(page.locator("main h1")).to_be_visible()
    call(page, said)
    page.get_by_role("option").first.click()
    expect(page.get_by_role("heading", name=shown, exact=True)).to_be_visible()


def test_settings_are_a_few_letters_away(page: Page, bucket: str) -> None:
    go(page, f"#/settings/{bucket}/general")
    expect(page.get_by_label("Description")).to_be_visible()
    call(page, "cors")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Add rule")).to_be_visible()


def test_phone_has_a_button_for_it(context: BrowserContext, service: Service) -> None:
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.set_viewport_size({"width": 375, "height": 700})
    page.goto(f"{service.url}/console/")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Go to…").click()
    expect(palette_of(page)).to_be_focused()
    page.mouse.click(10, 10)
    expect(palette_of(page)).to_have_count(0)
