"""What files look like, and that nothing in them runs in the console's page."""

from __future__ import annotations

import io
import wave
from base64 import b64decode
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect
from playwright.sync_api import Error as PlaywrightError

from tests.console.conftest import PATIENCE_MS
from tests.console.walking import open_files, put, toast
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
STEAL = b"fetch('/console/session').then(r => r.json()).then(s => { document.title = s.subject })"
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


def test_sound_plays_and_film_is_shown(page: Page, api: httpx.Client, bucket: str) -> None:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(256)) * 64)
    show(page, api, bucket, "a.wav", sound.getvalue(), "audio/wav")
    page.wait_for_function("() => document.querySelector('.preview audio')?.duration > 2")
    film = b64decode(page.evaluate(FILM))
    show(page, api, bucket, "a.webm", film, "video/webm")
    page.wait_for_function("() => document.querySelector('.preview video')?.videoWidth === 64")


def test_document_is_drawn_by_the_viewer_of_the_browser(page: Page, api: httpx.Client, bucket: str) -> None:
    """Which browsers refuse to start where a policy closes the frame too far."""
    show(page, api, bucket, "a.pdf", PDF, "application/pdf")
    for _ in range(PATIENCE_MS // 100):
        if any(frame.url.startswith("chrome-extension:") for frame in page.frames):
            return
        page.wait_for_timeout(100)
    raise AssertionError([frame.url for frame in page.frames])


FILM = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 })
  const paint = setInterval(() => canvas.getContext("2d").fillRect(Math.random() * 64, 0, 9, 9), 20)
  const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: "video/webm;codecs=vp8" })
  const parts = []
  recorder.ondataavailable = (event) => parts.push(event.data)
  recorder.start()
  while (!parts.some((part) => part.size)) {
    await new Promise((next) => setTimeout(next, 100))
    recorder.requestData()
  }
  await new Promise((next) => { recorder.onstop = next; recorder.stop() })
  clearInterval(paint)
  return btoa(String.fromCharCode(...new Uint8Array(await new Blob(parts).arrayBuffer())))
}"""


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


PAGE = b"<body><script>%s</script>" % STEAL
HOSTILE = {
    "a.html": ("text/html", PAGE),
    "a.xhtml": (
        "application/xhtml+xml",
        b"<html xmlns='http://www.w3.org/1999/xhtml'><script>%s</script></html>" % STEAL,
    ),
    "a.xml": ("text/xml", b"<x><s:script xmlns:s='http://www.w3.org/1999/xhtml'>%s</s:script></x>" % STEAL),
    "a.svg": ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'><script>%s</script></svg>" % STEAL),
    "a.pdf": ("application/pdf", PAGE),
    "a.txt": ("text/plain", PAGE),
    "untyped": ("", PAGE),
    "guess": ("unknown/unknown", PAGE),
    "any": ("*/*", PAGE),
}
ACTIVE = frozenset({"a.html", "a.xhtml", "a.xml", "a.svg"})
DOORS = ("files/view", "storage", "files/download", "files/public", "")


@pytest.mark.parametrize("words", DOORS)
def test_uploaded_page_has_no_part_in_the_consoles_origin(
    context: BrowserContext, service: Service, api: httpx.Client, bucket: str, words: str
) -> None:
    """By every door, S3's too: it neither reads what the console may read nor signs anything out."""
    api.put(f"/buckets/{bucket}", json={"is_public": True}).raise_for_status()
    for key, (content_type, body) in HOSTILE.items():
        put(api, bucket, key, body, content_type)
        page = context.new_page()
        url = "/".join(filter(None, (service.url, words, bucket, key)))
        answer = context.request.get(url)
        assert answer.ok, (url, answer.status)
        policy, kind = (answer.headers.get(name, "") for name in ("content-security-policy", "content-disposition"))
        if "attachment" not in kind and opens(page, url):
            assert page.title() != "@service", (url, answer.headers)
            assert page.evaluate("window.origin") == ("null" if policy.startswith("sandbox") else service.url)
        assert policy.startswith("sandbox") or key not in ACTIVE, (url, policy)
        assert policy.startswith("sandbox") or answer.headers.get("x-content-type-options") == "nosniff", url
        assert "allow-same-origin" not in policy
        page.close()


def opens(page: Page, url: str) -> bool:
    """Whether the browser shows it; what it rather downloads runs nowhere."""
    try:
        page.goto(url)
        page.wait_for_load_state("networkidle")
    except PlaywrightError as error:
        assert "Download is starting" in str(error)
        return False
    return True


def test_signed_link_shows_no_page_that_runs(context: BrowserContext, api: httpx.Client, bucket: str) -> None:
    for key in ("a.html", "a.svg"):
        content_type, body = HOSTILE[key]
        put(api, bucket, key, body, content_type)
        made = api.post(f"/files/presigned-url/download/{bucket}/{key}", json={"disposition": "inline"}).json()
        headers = context.request.get(made["download_url"]).headers
        assert headers["content-security-policy"].startswith("sandbox;")
        assert "allow-scripts" not in headers["content-security-policy"]
        assert key == "a.svg" or headers["content-disposition"].startswith("attachment")


def test_name_with_marks_of_direction_shows_them_and_cannot_pass_for_another(
    page: Page, api: httpx.Client, bucket: str
) -> None:
    key = "photo\u202egpj.exe"
    put(api, bucket, key)
    open_files(page, bucket, "", f"?open={quote(key)}")
    expect(page.locator(".line .name a")).to_have_text("photo\\u202egpj.exe")
    expect(page.locator(".drawer h2")).to_have_text("photo\\u202egpj.exe")
    api.delete(f"/files/{bucket}/{quote(key)}").raise_for_status()
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Deleted files").click()
    expect(page.get_by_role("dialog").get_by_role("cell", name="photo\\u202egpj.exe")).to_be_visible()


def test_names_that_look_like_markup_stay_names(page: Page, api: httpx.Client, bucket: str) -> None:
    key = "<img src=x onerror='window.ran = 1'>.txt"
    put(api, bucket, key)
    for view in ("list", "grid"):
        open_files(page, bucket, "", f"?view={view}&open={quote(key)}")
        expect(page.get_by_role("link", name=key)).to_be_visible()
        for tab in ("Details", "Versions", "Share"):
            page.get_by_role("tab", name=tab).click()
        expect(page.locator(".drawer h2")).to_have_text(key)
    page.get_by_role("button", name="Close details").click()
    page.get_by_label(f"Select {key}").check()
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    toast(page, "1 file deleted")
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Deleted files").click()
    expect(page.get_by_role("dialog").get_by_role("cell", name=key, exact=True)).to_be_visible()
    assert page.evaluate("window.ran") is None


HOSTILE_TEXTS = {
    "a.md": ("text/markdown", b"[link](javascript:window.ran=1) <img src=x onerror=window.ran=1> ![p](data:x)"),
    "a.csv": ("text/csv", b"<img src=x onerror=window.ran=1>,b\n1,2\n"),
    "a.json": ("application/json", b'{"a": "<img src=x onerror=window.ran=1>"}'),
}


@pytest.mark.parametrize("key", HOSTILE_TEXTS)
def test_text_that_looks_like_markup_stays_text(page: Page, api: httpx.Client, bucket: str, key: str) -> None:
    content_type, body = HOSTILE_TEXTS[key]
    show(page, api, bucket, key, body, content_type)
    expect(page.locator(".preview")).to_contain_text("<img src=x onerror=window.ran=1>")
    assert page.locator(".preview a[href^='javascript'], .preview img").count() == 0
    assert page.evaluate("window.ran") is None
