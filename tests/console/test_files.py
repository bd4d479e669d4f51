"""Files: seen, found, renamed, moved, copied, deleted and brought back, walked in a browser."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import httpx
from playwright.sync_api import Page, Route, expect

from tests.console.walking import act, go, info, keys, open_files, put, read, row, toast, until


def names(page: Page) -> list[str]:
    return page.locator(".line .name a").all_inner_texts()


def test_folders_come_first_and_open(page: Page, api: httpx.Client, bucket: str) -> None:
    for key in ("b.txt", "a/x.txt", "a/deep/y.txt"):
        put(api, bucket, key)
    open_files(page, bucket)
    expect(row(page, "b.txt")).to_be_visible()
    assert names(page) == ["a", "b.txt"]
    row(page, "a").get_by_role("link").click()
    expect(row(page, "x.txt")).to_be_visible()
    assert names(page) == ["deep", "x.txt"]
    page.get_by_role("navigation", name="Folder").get_by_role("link", name=bucket).click()
    expect(row(page, "b.txt")).to_be_visible()


def test_deep_link_opens_folder_and_file(page: Page, api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "a/naïve 100%.txt", b"found it")
    open_files(page, bucket, "a/", "?open=a%2Fna%C3%AFve%20100%25.txt")
    expect(page.locator(".drawer pre")).to_have_text("found it")


def test_sorting_and_searching_are_done_by_the_service(page: Page, api: httpx.Client, bucket: str) -> None:
    for number, key in enumerate(("small.txt", "middle.md", "deep/large.txt")):
        put(api, bucket, key, b"x" * (number * 100 + 1))
    open_files(page, bucket)
    page.get_by_role("button", name="Sort by size").click()
    page.get_by_role("button", name="Sort by size").click()
    expect(page.locator(".line .name a").nth(1)).to_have_text("middle.md")
    page.get_by_label("Search this folder and all below it").fill("LARGE")
    expect(row(page, "deep/large.txt")).to_be_visible()
    assert names(page) == ["deep/large.txt"]


def test_keyboard_moves_selects_opens_and_goes_up(page: Page, api: httpx.Client, bucket: str) -> None:
    for key in ("folder/a", "folder/b", "folder/c"):
        put(api, bucket, key)
    open_files(page, bucket, "folder/")
    grid = page.get_by_role("grid", name="Files")
    expect(row(page, "a")).to_be_visible()
    grid.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.keyboard.press("Control+a")
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.locator(".drawer h2")).to_have_text("c")
    grid.focus()
    page.keyboard.press("Backspace")
    expect(row(page, "folder")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Search this folder")).to_be_focused()


def test_grid_shows_pictures(page: Page, api: httpx.Client, bucket: str) -> None:
    dot = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c63f8cfc0f01f0005000201a5f645400000000049454e44ae426082"
    )
    put(api, bucket, "dot.png", dot, "image/png")
    open_files(page, bucket)
    page.get_by_role("button", name="Show as grid").click()
    picture = page.locator(".cell img")
    expect(picture).to_be_visible()
    page.wait_for_function("() => document.querySelector('.cell img').naturalWidth === 1")
    page.get_by_role("button", name="Show as list").click()


def test_file_is_renamed_and_keeps_its_id(page: Page, api: httpx.Client, bucket: str) -> None:
    before = put(api, bucket, "a/old.txt", b"same")
    open_files(page, bucket, "a/")
    act(page, "old.txt", "Rename")
    page.get_by_label("New name").fill("new.txt")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(row(page, "new.txt")).to_be_visible()
    assert keys(api, bucket) == ["a/new.txt"]
    assert info(api, bucket, "a/new.txt")["id"] == before["id"]


def test_folder_is_renamed_with_all_that_is_in_it(page: Page, api: httpx.Client, bucket: str) -> None:
    for number in range(5):
        put(api, bucket, f"old/{number}")
    open_files(page, bucket)
    act(page, "old", "Rename")
    page.get_by_label("New name").fill("new")
    page.get_by_role("button", name="Rename", exact=True).click()
    until(lambda: keys(api, bucket), [f"new/{number}" for number in range(5)])


def select(page: Page, *labels: str) -> None:
    for label in labels:
        page.get_by_label(f"Select {label}", exact=True).check()


def test_selection_is_moved_and_copied(page: Page, api: httpx.Client, bucket: str) -> None:
    for key in ("a.txt", "b.txt", "c/d.txt"):
        put(api, bucket, key)
    open_files(page, bucket)
    select(page, "a.txt", "c/")
    page.get_by_role("toolbar").get_by_role("button", name="Move").click()
    page.get_by_role("dialog").get_by_label("Folder", exact=True).fill("target")
    page.get_by_role("button", name="Move here").click()
    until(lambda: keys(api, bucket), ["b.txt", "target/a.txt", "target/c/d.txt"])
    toast(page, "2 files moved")
    select(page, "b.txt")
    page.get_by_role("toolbar").get_by_role("button", name="Copy").click()
    page.get_by_role("dialog").get_by_label("Folder", exact=True).fill("target")
    page.get_by_role("button", name="Copy here").click()
    until(lambda: keys(api, bucket), ["b.txt", "target/a.txt", "target/b.txt", "target/c/d.txt"])


def test_one_file_is_moved_and_copied_by_its_menu(page: Page, api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "a.txt")
    open_files(page, bucket)
    act(page, "a.txt", "Copy…")
    page.get_by_role("dialog").get_by_label("Folder", exact=True).fill("copies")
    page.get_by_role("button", name="Copy here").click()
    until(lambda: keys(api, bucket), ["a.txt", "copies/a.txt"])
    page.goto(page.url + "?open=a.txt")
    page.get_by_role("button", name="Actions of this file").click()
    page.get_by_role("menuitem", name="Move…").click()
    page.get_by_role("dialog").get_by_label("Folder", exact=True).fill("moved")
    page.get_by_role("button", name="Move here").click()
    until(lambda: keys(api, bucket), ["copies/a.txt", "moved/a.txt"])


def test_menu_of_the_last_row_stands_inside_the_window_and_is_walked_by_keys(
    page: Page, api: httpx.Client, bucket: str
) -> None:
    for number in range(40):
        put(api, bucket, f"{number:02}")
    open_files(page, bucket)
    page.get_by_role("grid", name="Files").press("End")
    button = row(page, "39").get_by_role("button", name="Actions of")
    button.click()
    expect(page.get_by_role("menuitem", name="Open")).to_be_focused()
    box = page.get_by_role("menu").bounding_box()
    assert box is not None
    assert box["y"] > 0
    assert box["y"] + box["height"] <= 800
    page.keyboard.press("End")
    expect(page.get_by_role("menuitem", name="Delete")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    expect(button).to_be_focused()


def test_long_work_says_how_far_it_is_and_can_be_stopped(page: Page, api: httpx.Client, bucket: str) -> None:
    for key in ("a.txt", "b.txt"):
        put(api, bucket, key)
    open_files(page, bucket)
    # A job that takes long: the service would need very many files.
    body = json.dumps({"done": 1, "total": 5000, "failed": 0}) + "\n"
    page.evaluate(LINGERING, body)
    select(page, "a.txt", "b.txt")
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog", name="Deleting 2 files")
    expect(dialog.get_by_role("progressbar")).to_have_attribute("max", "5000")
    expect(dialog.get_by_role("status")).to_have_text("1 of 5,000 done")
    dialog.get_by_role("button", name="Stop").click()
    toast(page, "1 file deleted")
    expect(dialog).to_have_count(0)


LINGERING = """(line) => {
  const whole = window.fetch
  window.fetch = (url, options) => {
    if (!String(url).endsWith("/api/v1/bulk")) return whole(url, options)
    const body = new ReadableStream({
      start(stream) {
        stream.enqueue(new TextEncoder().encode(line))
        options.signal.addEventListener("abort", () => stream.error(new DOMException("stopped", "AbortError")))
      },
    })
    return Promise.resolve(new Response(body))
  }
}"""


def test_deleted_files_come_back_by_undo(page: Page, api: httpx.Client, bucket: str) -> None:
    for key in ("a.txt", "b.txt", "c/d.txt", "c/e.txt"):
        put(api, bucket, key, key.encode())
    open_files(page, bucket)
    select(page, "a.txt", "c/")
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    until(lambda: keys(api, bucket), ["b.txt"])
    toast(page, "3 files deleted").get_by_role("button", name="Undo").click()
    until(lambda: keys(api, bucket), ["a.txt", "b.txt", "c/d.txt", "c/e.txt"])
    assert read(api, bucket, "c/e.txt") == b"c/e.txt"


def test_selecting_all_deletes_the_folder_whatever_its_size(page: Page, api: httpx.Client, bucket: str) -> None:
    for number in range(30):
        put(api, bucket, f"many/{number:03}")
    put(api, bucket, "kept")
    open_files(page, bucket, "many/")
    expect(row(page, "000")).to_be_visible()
    page.get_by_label("Select all").check()
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    until(lambda: keys(api, bucket), ["kept"])


def test_deleted_files_are_listed_and_brought_back(page: Page, api: httpx.Client, bucket: str) -> None:
    for key in ("a.txt", "b.txt"):
        put(api, bucket, key, key.encode())
        api.delete(f"/files/{bucket}/{key}").raise_for_status()
    open_files(page, bucket)
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Deleted files").click()
    page.get_by_label("Select b.txt").check()
    page.get_by_role("button", name="Bring 1 back").click()
    until(lambda: keys(api, bucket), ["b.txt"])
    assert read(api, bucket, "b.txt") == b"b.txt"


def test_new_folder_is_where_uploads_go(page: Page, bucket: str) -> None:
    open_files(page, bucket)
    page.get_by_role("button", name="New folder").click()
    page.get_by_role("dialog").get_by_label("Name").fill("fresh")
    page.get_by_role("button", name="Make folder").click()
    expect(page).to_have_url(re.compile(f"#/b/{bucket}/fresh/"))


# One file -------------------------------------------------------------------------------------------------------------


def test_tags_metadata_and_delivery_are_edited(page: Page, api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "a.txt")
    open_files(page, bucket, "", "?open=a.txt")
    page.get_by_role("tab", name="Details").click()
    for title, name, value in (("Tags", "team", "blue"), ("Metadata", "author", "Ada")):
        form = page.locator("form", has=page.get_by_role("heading", name=title))
        form.get_by_role("button", name="Add").click()
        form.get_by_label(f"{title}: name 1").fill(name)
        form.get_by_label(f"{title}: value 1").fill(value)
        form.get_by_role("button", name="Save").click()
        toast(page, f"{title} saved")
    page.get_by_label("Content type").fill("text/markdown")
    page.get_by_label("Cache-Control").fill("max-age=60")
    page.get_by_role("button", name="Save delivery").click()
    until(lambda: info(api, bucket, "a.txt")["cache_control"], "max-age=60")
    found = info(api, bucket, "a.txt")
    assert (found["tags"], found["metadata"]) == ({"team": "blue"}, {"author": "Ada"})
    assert found["content_type"] == "text/markdown"


def test_older_version_is_restored_and_deleted_file_undeleted(page: Page, api: httpx.Client, bucket: str) -> None:
    api.put(f"/buckets/{bucket}", json={"versioning": "on"}).raise_for_status()
    for body in (b"first", b"second"):
        put(api, bucket, "a.txt", body)
    open_files(page, bucket, "", "?open=a.txt")
    page.get_by_role("tab", name="Versions").click()
    page.get_by_role("button", name="Restore").click()
    until(lambda: read(api, bucket, "a.txt"), b"first")
    api.delete(f"/files/{bucket}/a.txt").raise_for_status()
    go(page, f"#/b/{bucket}/")
    open_files(page, bucket, "", "?open=a.txt")
    page.get_by_role("tab", name="Versions").click()
    page.get_by_role("button", name="Undelete").click()
    until(lambda: read(api, bucket, "a.txt"), b"first")


def test_one_version_is_deleted_and_the_others_stay(page: Page, api: httpx.Client, bucket: str) -> None:
    api.put(f"/buckets/{bucket}", json={"versioning": "on"}).raise_for_status()
    first = put(api, bucket, "a.txt", b"first")["version_id"]
    put(api, bucket, "a.txt", b"second")
    open_files(page, bucket, "", "?open=a.txt")
    page.get_by_role("tab", name="Versions").click()
    page.get_by_role("button", name="Actions of this version").last.click()
    page.get_by_role("menuitem", name="Delete version").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete version", exact=True).click()
    expect(page.get_by_text("in trash")).to_be_visible()
    assert api.get(f"/files/download/{bucket}/a.txt", params={"version_id": first}).status_code == 404
    assert read(api, bucket, "a.txt") == b"second"


def test_text_is_edited_and_nobody_elses_change_is_lost(page: Page, api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "a.txt", b"one")
    open_files(page, bucket, "", "?open=a.txt")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Content").fill("two")
    page.get_by_role("button", name="Save", exact=True).click()
    until(lambda: read(api, bucket, "a.txt"), b"two")
    page.get_by_role("button", name="Edit").click()
    put(api, bucket, "a.txt", b"of somebody else")
    page.get_by_label("Content").fill("three")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody has changed this file")
    assert read(api, bucket, "a.txt") == b"of somebody else"
    page.get_by_role("button", name="Save over it").click()
    until(lambda: read(api, bucket, "a.txt"), b"three")


def test_editor_stays_locked_until_the_saved_file_is_read(page: Page, api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "a.txt", b"one")
    open_files(page, bucket, "", "?open=a.txt")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Content").fill("two")
    held: list[Route] = []
    page.route("**/files/info/**", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks its handlers
    page.get_by_role("button", name="Save", exact=True).click()
    toast(page, "Saved")
    while not held:
        page.wait_for_timeout(10)
    expect(page.get_by_label("Content")).not_to_be_editable()
    expect(page.get_by_role("button", name="Cancel")).to_be_disabled()
    expect(page.get_by_role("button", name="Edit")).to_have_count(0)
    held[0].continue_()
    expect(page.locator(".drawer pre")).to_have_text("two")
    expect(page.get_by_role("button", name="Edit")).to_be_visible()


def test_download_gives_the_bytes_under_the_files_name(page: Page, api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "a/report.txt", b"of this year")
    open_files(page, bucket, "a/", "?open=a%2Freport.txt")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download").first.click()
    assert waiting.value.suggested_filename == "report.txt"
    assert waiting.value.path().read_bytes() == b"of this year"


def test_links_are_made_for_good_and_for_a_while(page: Page, api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "a b.txt", b"shared")
    open_files(page, bucket)
    act(page, "a b.txt", "Share")
    dialog = page.get_by_role("dialog")
    permanent = dialog.get_by_label("Permanent link").input_value()
    assert httpx.get(permanent).status_code == 403, "the bucket is private"
    dialog.get_by_label("It holds for").select_option("1 year")
    dialog.get_by_role("button", name="Make link").click()
    link = dialog.get_by_label("Signed link").input_value()
    assert httpx.get(link).content == b"shared"
    expect(dialog.get_by_text("It holds until")).to_be_visible()
    expect(dialog.get_by_role("img", name="QR code")).to_be_visible()
    expect(dialog.get_by_label("curl line", exact=True)).to_contain_text(link)
    expect(dialog.get_by_label("wget line", exact=True)).to_contain_text("'a b.txt'")


def test_link_holds_until_the_minute_one_names(page: Page, api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "a.txt", b"shared")
    open_files(page, bucket, "", "?open=a.txt")
    page.get_by_role("tab", name="Share").click()
    page.get_by_label("It holds for").select_option("until…")
    end = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=12_345)
    page.get_by_label("It ends").fill(end.strftime("%Y-%m-%dT%H:%M"))
    with page.expect_response("**/presigned-url/download/**") as answer:
        page.get_by_role("button", name="Make link").click()
    made = answer.value.json()
    assert abs(datetime.fromisoformat(made["expires_at"]) - end) < timedelta(minutes=1)
    assert httpx.get(page.get_by_label("Signed link").input_value()).content == b"shared"
