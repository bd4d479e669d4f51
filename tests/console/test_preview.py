"""What files look like, and that nothing in them runs in the console's page."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.console.walking import open_files, put
from tests.support.service import Service

MARKDOWN = b"# Title\n\nSome *soft* words, [a link](https://example.org), <b>no tag</b>\n\n- one\n- two\n"
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><script>window.top.ran = 1</script>'
    b'<rect width="8" height="8"/></svg>'
)
RAN = "<script>try { window.top.ran = 1 } catch {} ; try { parent.ran = 1 } catch {}; window.ran = 1</script>"


def show(page: Page, api: httpx.Client, bucket: str, key: str, body: bytes, content_type: str) -> None:
    put(api, bucket, key, body, content_type)
    open_files(page, bucket, "", f"?open={key}")


def test_markdown_is_formatted_and_its_html_stays_text(page: Page, api: httpx.Client, bucket: str) -> None:
    show(page, api, bucket, "a.md", MARKDOWN, "text/markdown")
    prose = page.locator(".prose")
    expect(prose.get_by_role("heading", name="Title")).to_be_visible()
    expect(prose.get_by_role("link", name="a link")).to_have_attribute("rel", "noopener noreferrer")
    expect(prose).to_contain_text("<b>no tag</b>")
    expect(prose.locator("li")).to_have_count(2)


def test_json_is_laid_out_and_csv_is_a_table(page: Page, api: httpx.Client, bucket: str) -> None:
    show(page, api, bucket, "a.json", b'{"a":[1,2]}', "application/json")
    expect(page.locator(".drawer pre")).to_contain_text('"a": [\n    1,')
    show(page, api, bucket, "a.csv", b'name,said\nAda,"hello, ""you"""\n', "text/csv")
    expect(page.get_by_role("cell", name='hello, "you"')).to_be_visible()


@pytest.mark.parametrize(
    ("key", "content_type", "element"),
    [("a.webm", "video/webm", "video"), ("a.ogg", "audio/ogg", "audio"), ("a.pdf", "application/pdf", "iframe")],
)
def test_media_and_documents_stand_in_players_and_frames(
    page: Page, api: httpx.Client, bucket: str, key: str, content_type: str, element: str
) -> None:
    show(page, api, bucket, key, PDF, content_type)
    expect(page.locator(f".preview {element}")).to_have_attribute(
        "src", f"{page.url.partition('/console/')[0]}/files/view/{bucket}/{key}?version_id={version(api, bucket, key)}"
    )


def version(api: httpx.Client, bucket: str, key: str) -> str:
    return str(api.get(f"/files/info/{bucket}/{key}").json()["version_id"])


def test_long_text_shows_its_beginning(page: Page, api: httpx.Client, bucket: str) -> None:
    show(page, api, bucket, "long.log", b"line of a log\n" * 60_000, "text/plain")
    expect(page.get_by_text("The first 512 KiB of")).to_be_visible()
    expect(page.get_by_role("button", name="Edit")).to_have_count(0)


def test_picture_with_a_script_is_drawn_and_runs_nothing(page: Page, api: httpx.Client, bucket: str) -> None:
    show(page, api, bucket, "a.svg", SVG, "image/svg+xml")
    page.wait_for_function("() => document.querySelector('.preview img')?.naturalWidth === 8")
    assert page.evaluate("window.ran") is None


def test_page_that_was_uploaded_is_shown_as_text(page: Page, api: httpx.Client, bucket: str) -> None:
    show(page, api, bucket, "a.html", RAN.encode(), "text/html")
    expect(page.locator(".drawer pre")).to_have_text(RAN)
    assert page.evaluate("window.ran") is None


@pytest.mark.parametrize("words", ["files/view", "storage", "files/download", ""])
def test_uploaded_page_has_no_part_in_the_consoles_origin(
    context: BrowserContext, service: Service, api: httpx.Client, bucket: str, words: str
) -> None:
    """By every door, S3's too: it neither reads what the console may read nor signs anything out."""
    api.put(f"/buckets/{bucket}", json={"is_public": True}).raise_for_status()
    steal = (
        "<body><script>fetch('/console/session').then(r => r.json()).then(s => { document.title = s.subject })</script>"
    )
    put(api, bucket, "a.html", steal.encode(), "text/html")
    put(api, bucket, "a.svg", SVG, "image/svg+xml")
    for key in ("a.html", "a.svg"):
        page = context.new_page()
        url = "/".join(filter(None, (service.url, words, bucket, key)))
        answer = context.request.get(url)
        policy, kind = answer.headers["content-security-policy"], answer.headers.get("content-disposition", "")
        assert policy.startswith("sandbox")
        assert "allow-same-origin" not in policy
        if "attachment" not in kind:
            page.goto(url)
            page.wait_for_load_state("networkidle")
            assert page.title() != "@service"
            assert page.evaluate("window.origin") == "null"
        page.close()


def test_name_with_marks_of_direction_stays_in_its_place(page: Page, api: httpx.Client, bucket: str) -> None:
    key = "photo\u202egpj.exe"
    put(api, bucket, key)
    open_files(page, bucket)
    link = page.locator(".line .name a")
    expect(link).to_have_text(key)
    assert link.evaluate("element => getComputedStyle(element).unicodeBidi") == "isolate"
