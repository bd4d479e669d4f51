"""What the console shows of a service at work: its requests as they are answered, usage over time, archives."""

from __future__ import annotations

import zipfile

import httpx
from playwright.sync_api import Page, expect

from tests.console.walking import act, go, open_files, put, row
from tests.support.service import Service


def test_requests_of_others_show_as_they_are_answered(page: Page, api: httpx.Client, bucket: str) -> None:
    go(page, "#/requests")
    expect(page.get_by_text("/api/v1/requests/live").or_(page.get_by_text("Nothing yet"))).to_be_visible()
    line = page.get_by_role("row", name=f"/files/info/{bucket}/nowhere")

    def ask() -> int:
        api.get(f"/files/info/{bucket}/nowhere")  # again until the page listens
        page.wait_for_timeout(200)
        return line.count()

    assert any(ask() for _ in range(100))
    expect(line.first).to_contain_text("404")
    page.get_by_label("Errors only").check()
    expect(line.first).to_be_visible()
    page.get_by_label("Search requests").fill("nothing is called like that")
    expect(line).to_have_count(0)


def test_files_of_others_come_and_go_while_one_looks(page: Page, api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "mine.txt")
    with page.expect_request("**/events?*"):
        open_files(page, bucket)
    expect(row(page, "mine.txt")).to_be_visible()
    page.get_by_label("Select mine.txt").check()
    put(api, bucket, "theirs.txt")
    expect(row(page, "theirs.txt")).to_be_visible()
    expect(page.get_by_label("Select mine.txt")).to_be_checked()
    api.delete(f"/files/{bucket}/theirs.txt").raise_for_status()
    expect(row(page, "theirs.txt")).to_have_count(0)


def test_what_happened_while_the_network_was_gone_shows_when_it_is_back(
    page: Page, api: httpx.Client, service: Service, bucket: str
) -> None:
    put(api, bucket, "before.txt")
    with page.expect_request("**/events?*"):
        open_files(page, bucket)
    expect(row(page, "before.txt")).to_be_visible()
    put(api, bucket, "heard.txt")
    expect(row(page, "heard.txt")).to_be_visible()
    with page.expect_request("**/events?*") as again:  # the stream ends with the service, and is asked for again
        service.kill_all()
        service.start()
        put(api, bucket, "missed.txt")
    assert again.value.headers["last-event-id"].isdecimal()
    expect(row(page, "missed.txt")).to_be_visible()


def test_usage_over_time_is_a_picture(page: Page, api: httpx.Client, bucket: str) -> None:
    samples = api.get("/api/v1/usage/history", params={"bucket": bucket}).raise_for_status().json()["samples"]
    assert samples[-1]["total_size"] == 0, "the last sample is of now"
    shown = [
        {"at": f"2026-11-20T{hour:02}:00:00Z", "total_size": hour * 1000, "file_count": hour} for hour in range(10)
    ]
    # An hour between samples is too long for a test: these are what the service would say later.
    page.route("**/api/v1/usage/history*", lambda route: route.fulfill(json={"samples": shown}))
    go(page, f"#/settings/{bucket}/usage")
    expect(page.get_by_role("img", name="Usage, now 8.79 KiB")).to_be_visible()


def test_folder_and_selection_are_downloaded_as_archives(page: Page, api: httpx.Client, bucket: str) -> None:
    for key in ("a/1.txt", "a/2/3.txt", "b.txt", "c.txt"):
        put(api, bucket, key, key.encode())
    open_files(page, bucket)
    with page.expect_download() as waiting:
        act(page, "a", "Download zip")
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "1.txt": b"a/1.txt",
            "2/3.txt": b"a/2/3.txt",
        }
    page.get_by_label("Select a/", exact=True).check()
    page.get_by_label("Select b.txt", exact=True).check()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download zip").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert sorted(archive.namelist()) == ["a/1.txt", "a/2/3.txt", "b.txt"]
    expect(row(page, "c.txt")).to_be_visible()
