"""Folders of many thousand files and uploads of a GiB. Figures are printed, promises are asserted."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from playwright.sync_api import Page, Request, expect

from tests.console.scrolling import make_files, scroll
from tests.console.walking import open_files, row, until
from tests.support.service import Service

pytestmark = pytest.mark.timeout(1200)

LONGEST_FRAME_MS = 100
AT_ONCE = 3  # uploads of the console
MIB = 1 << 20


@pytest.mark.parametrize(
    ("view", "count"),
    [
        ("list", 3_000),
        pytest.param("grid", 3_000, marks=pytest.mark.full),
        pytest.param("list", 100_000, marks=pytest.mark.full),
        pytest.param("grid", 100_000, marks=pytest.mark.full),
    ],
)
def test_folder_scrolls_without_a_long_frame(page: Page, service: Service, bucket: str, view: str, count: int) -> None:
    """A frame is long by what the page does in it: that is measured, not what a busy machine takes besides."""
    make_files(service, bucket, count)
    open_files(page, bucket, "many/", f"?view={view}")
    expect(page.get_by_text(f"{count:,} files", exact=True)).to_be_visible()
    frames = scroll(page)
    busy, wall = sorted(frames.busy), sorted(frames.wall)
    middle = len(busy) // 2
    print(f"{view} of {count}: ms of a step, median {busy[middle]:.1f}, most {busy[-1]:.1f} of the page's own;")
    print(f"    median {wall[middle]:.0f}, most {wall[-1]:.0f} on the clock for two frames")
    assert busy[-1] <= LONGEST_FRAME_MS
    if view == "list":
        expect(row(page, f"{count - 1:06}.txt")).to_be_visible()
        page.get_by_role("button", name="Sort by size").click()
        expect(page.get_by_text(f"{count:,} files", exact=True)).to_be_visible()
        page.get_by_label("Search this folder").fill("001234")
        expect(row(page, "001234.txt")).to_be_visible()


class Tree(NamedTuple):
    files: int
    file_bytes: int


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param(Tree(48, 2 * MIB), id="96 MiB"),
        pytest.param(Tree(200, (1 << 30) // 200 // 32 * 32), id="1 GiB", marks=pytest.mark.full),
    ],
)
def test_tree_arrives_though_the_service_is_killed_twice_and_only_pieces_in_flight_are_sent_again(
    page: Page, api: httpx.Client, service: Service, bucket: str, tmp_path: Path, tree: Tree
) -> None:
    expected = lay_down(tmp_path, tree)
    open_files(page, bucket)
    offsets = pieces_of(page)
    page.set_input_files("[data-test=folder]", tmp_path / "tree")
    kills = (tree.files // 4, tree.files // 2)
    for least in kills:
        until(lambda least=least: stored(api, bucket) >= least, True)  # type: ignore[misc]
        service.kill_all()
        service.start()
    until(lambda: stored(api, bucket), tree.files)
    found = api.get(f"/files/list/{bucket}").json()
    assert {file["path"]: digest(api, bucket, file["path"]) for file in found} == expected
    page.wait_for_timeout(0)  # what the browser has told is heard now
    again = sum(tree.file_bytes - offset for offset in offsets) - tree.files * tree.file_bytes
    print(f"{tree.files} files of {tree.file_bytes} bytes: at most {again} bytes sent again, {len(offsets)} pieces")
    assert len(offsets) <= tree.files + AT_ONCE * len(kills)
    assert 0 <= again <= AT_ONCE * len(kills) * tree.file_bytes


def lay_down(place: Path, tree: Tree) -> dict[str, str]:
    """The tree on disk; its paths with their digests."""
    found: dict[str, str] = {}
    for number in range(tree.files):
        path = place / "tree" / f"{number % 10}" / f"{number:03}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = hashlib.sha256(str(number).encode()).digest() * (tree.file_bytes // 32)
        path.write_bytes(body)
        found[str(path.relative_to(place))] = hashlib.sha256(body).hexdigest()
    return found


def pieces_of(page: Page) -> list[int]:
    """Fills with where each piece begins that the browser sends; it goes on to the end of its file at most."""
    offsets: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            offsets.append(int(request.headers["upload-offset"]))

    page.on("request", note)
    return offsets


def stored(api: httpx.Client, bucket: str) -> int:
    try:
        return int(api.get(f"/buckets/{bucket}").json()["file_count"])
    except (httpx.TransportError, KeyError):
        return -1


def digest(api: httpx.Client, bucket: str, key: str) -> str:
    return hashlib.sha256(api.get(f"/files/download/{bucket}/{key}").content).hexdigest()
