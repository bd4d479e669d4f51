"""Uploads from a browser: files, trees, pauses, reloads, killed services, files that are there already."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from pathlib import Path

import httpx
from playwright.sync_api import Page, Request, expect

from tests.console.conftest import PASSWORD
from tests.console.walking import PATIENCE_SECONDS, files, go, keys, open_files, put, read, row, toast, until
from tests.support.service import Service

MIB = 1 << 20


def choose(page: Page, *named: tuple[str, bytes]) -> None:
    page.set_input_files("[data-test=files]", files=files(*named))


def large_file(place: Path, size: int = 24 * MIB) -> tuple[Path, str]:
    path = place / "large.bin"
    block = hashlib.sha256(b"block").digest() * (MIB // 32)
    with path.open("wb") as file:
        for number in range(size // MIB):
            file.write(number.to_bytes(8) + block[8:])
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def slow_down(page: Page, bytes_per_second: int) -> None:
    """-1 takes the limit away."""
    wanted = {
        "offline": False,
        "latency": 0,
        "downloadThroughput": -1,
        "uploadThroughput": bytes_per_second,
    }
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", wanted)


def test_files_are_uploaded_where_the_person_is(page: Page, api: httpx.Client, bucket: str) -> None:
    open_files(page, bucket, "in/here/")
    choose(page, ("a.txt", b"first"), ("empty.txt", b""), ("%.txt", b"odd"))
    toast(page, "3 files uploaded")
    assert {key: read(api, bucket, key) for key in keys(api, bucket)} == {
        "in/here/%.txt": b"odd",
        "in/here/a.txt": b"first",
        "in/here/empty.txt": b"",
    }
    expect(row(page, "a.txt")).to_be_visible()


def test_folder_is_uploaded_as_a_tree(page: Page, api: httpx.Client, bucket: str, tmp_path: Path) -> None:
    for name in ("tree/a.txt", "tree/deep/b.txt", "tree/deep/er/c.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    open_files(page, bucket)
    page.set_input_files("[data-test=folder]", tmp_path / "tree")
    toast(page, "3 files uploaded")
    assert keys(api, bucket) == ["tree/a.txt", "tree/deep/b.txt", "tree/deep/er/c.txt"]
    assert read(api, bucket, "tree/deep/er/c.txt") == b"tree/deep/er/c.txt"


DROP = """([target, tree]) => {
  const entry = (name, inside) => typeof inside === "string"
    ? { isFile: true, isDirectory: false, name, file: (found) => found(new File([inside], name)) }
    : { isFile: false, isDirectory: true, name, createReader: () => {
        const rest = Object.entries(inside).map(([name, inside]) => entry(name, inside))
        return { readEntries: (found) => found(rest.splice(0, 2)) }
      } }
  const data = new DataTransfer()
  const event = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data })
  const items = Object.entries(tree).map(([name, inside]) => ({ webkitGetAsEntry: () => entry(name, inside) }))
  Object.defineProperty(event, "dataTransfer", { value: { items } })
  document.querySelector(target).dispatchEvent(event)
}"""


def test_tree_that_is_dropped_is_uploaded(page: Page, api: httpx.Client, bucket: str) -> None:
    """The browser hands over entries of a file system, some at a time; a test cannot drag a real folder."""
    open_files(page, bucket)
    tree = {"photos": {"a.txt": "1", "b.txt": "2", "c.txt": "3", "more": {"d.txt": "4"}}, "alone.txt": "5"}
    page.evaluate(DROP, [".listing", tree])
    toast(page, "5 files uploaded")
    assert keys(api, bucket) == ["alone.txt", *(f"photos/{name}.txt" for name in ("a", "b", "c", "more/d"))]


def test_file_that_is_there_already_is_asked_about(page: Page, api: httpx.Client, bucket: str) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        put(api, bucket, name, b"old")
    open_files(page, bucket)
    choose(page, ("a.txt", b"new"))
    page.get_by_role("dialog").get_by_role("button", name="Replace").click()
    until(lambda: read(api, bucket, "a.txt"), b"new")
    choose(page, ("b.txt", b"new"))
    page.get_by_role("dialog").get_by_role("button", name="Keep both").click()
    until(lambda: read(api, bucket, "b (2).txt"), b"new")
    assert read(api, bucket, "b.txt") == b"old"
    choose(page, ("c.txt", b"new"), ("a.txt", b"newer"), ("d.txt", b"new"))
    page.get_by_role("dialog").get_by_label("Do the same for all others").check()
    page.get_by_role("dialog").get_by_role("button", name="Skip").click()
    until(lambda: read(api, bucket, "d.txt"), b"new")
    expect(page.get_by_role("region", name="Uploads")).to_contain_text("skipped")
    assert (read(api, bucket, "c.txt"), read(api, bucket, "a.txt")) == (b"old", b"new")


def test_paused_upload_goes_on_where_it_was(page: Page, api: httpx.Client, bucket: str, tmp_path: Path) -> None:
    path, digest = large_file(tmp_path)
    open_files(page, bucket)
    slow_down(page, 4 * MIB)
    page.set_input_files("[data-test=files]", path)
    came(page, 2 * MIB)
    page.get_by_role("button", name="Pause large.bin").click()
    until(lambda: size_of(api, bucket) > MIB, True)
    slow_down(page, -1)
    page.get_by_role("button", name="Resume large.bin").click()
    until(lambda: digest_of(api, bucket, "large.bin"), digest)


def test_upload_goes_on_after_the_page_was_loaded_again(
    page: Page, api: httpx.Client, bucket: str, tmp_path: Path
) -> None:
    path, digest = large_file(tmp_path)
    open_files(page, bucket)
    slow_down(page, 4 * MIB)
    page.set_input_files("[data-test=files]", path)
    came(page, 2 * MIB)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.get_by_text("1 upload of an earlier visit can go on")).to_be_visible()
    until(lambda: size_of(api, bucket) > MIB, True)
    left = size_of(api, bucket)
    open_files(page, bucket)
    offsets = offsets_of(page)
    page.set_input_files("[data-test=files]", path)
    until(lambda: digest_of(api, bucket, "large.bin"), digest)
    page.wait_for_timeout(0)  # what the browser has told is heard now
    assert min(offsets) >= left, "nothing is sent twice"


def test_upload_outlives_a_killed_service(
    page: Page, api: httpx.Client, service: Service, bucket: str, tmp_path: Path
) -> None:
    path, digest = large_file(tmp_path)
    open_files(page, bucket)
    slow_down(page, 4 * MIB)
    page.set_input_files("[data-test=files]", path)
    came(page, 18 * MIB)
    offsets = offsets_of(page)
    service.kill_all()
    service.start()
    slow_down(page, -1)
    until(lambda: digest_of(api, bucket, "large.bin"), digest)
    page.wait_for_timeout(0)
    assert min(offsets) >= 16 * MIB, "only the piece in flight is sent twice"


def test_session_that_ended_keeps_the_queue_which_goes_on_after_signing_in(
    page: Page, api: httpx.Client, bucket: str, tmp_path: Path
) -> None:
    path, digest = large_file(tmp_path)
    open_files(page, bucket)
    slow_down(page, 8 * MIB)
    page.set_input_files("[data-test=files]", path)
    came(page, 2 * MIB)
    page.context.clear_cookies()
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    left = size_of(api, bucket)
    offsets = offsets_of(page)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    until(lambda: digest_of(api, bucket, "large.bin"), digest)
    page.wait_for_timeout(0)
    assert min(offsets) >= left > 0, "nothing is sent twice"


def test_unfinished_upload_is_listed_and_ended(page: Page, api: httpx.Client, bucket: str) -> None:
    said = {"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": f"bucket {b64(bucket)},key {b64('x')}"}
    api.post("/files/resumable", headers=said).raise_for_status()
    assert len(unfinished(api, bucket)) == 1
    go(page, "#/uploads")
    line = page.get_by_role("row", name=f"{bucket}/x")
    line.get_by_role("button", name="End").click()
    page.get_by_role("dialog").get_by_role("button", name="End upload").click()
    until(lambda: unfinished(api, bucket), [])


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def unfinished(api: httpx.Client, bucket: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(api.get(f"/api/v1/uploads/{bucket}").text)["uploads"]
    return found


def came(page: Page, least: int) -> None:
    """Wait until the page has sent so many bytes of the one upload."""
    page.wait_for_function("least => document.querySelector('.queue li progress')?.value >= least", arg=least)


def size_of(api: httpx.Client, bucket: str) -> int:
    """Bytes of the one upload that are on disk."""
    return sum(int(str(one["size"])) for one in unfinished(api, bucket))


def offsets_of(page: Page) -> list[int]:
    """Fills with where the pieces begin that the page sends from now on."""
    offsets: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            offsets.append(int(request.headers.get("upload-offset", "0")))

    page.on("request", note)
    return offsets


def digest_of(api: httpx.Client, bucket: str, key: str) -> str | None:
    """None while it is not there, or nobody answers."""
    try:
        with api.stream("GET", f"/files/download/{bucket}/{key}", timeout=PATIENCE_SECONDS) as answer:
            if answer.status_code != 200:
                return None
            digest = hashlib.sha256()
            for chunk in answer.iter_bytes():
                digest.update(chunk)
            return digest.hexdigest()
    except httpx.TransportError:
        return None
