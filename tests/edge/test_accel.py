"""When a gateway may send a blob itself, and who is believed to be one."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from storage_service.app.core.downloads import Download
from storage_service.app.core.objects import Span
from storage_service.app.edge.accel import GIVEN_BACK, MIN_BYTES, PLACE, RENAMED, keep, place_of
from storage_service.app.edge.request import Request

BLOBS = Path(__file__).parents[2] / "nginx/storage/blobs.conf"
LOCATION = "photos/.blobs/2e/0195"
HEAD = [(b"content-type", b"image/png"), (b"etag", b'"x"')]
PART = [*HEAD, (b"content-range", b"bytes 0-999999/1000000")]


class Found:
    """A download as far as it is looked at."""

    def __init__(self, location: str | None) -> None:
        self.location = location


def request(headers: Mapping[str, str] | None = None, place: bytes | None = b"/_storage_blobs/") -> Request:
    named = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": named}
    return Request(scope | ({PLACE: place} if place else {}), cast(Any, None), cast(Any, None))


def place(
    asked: Request, headers: list[tuple[bytes, bytes]], location: str | None = LOCATION, size: int = 10**6
) -> str:
    return place_of(asked, headers, cast(Download, Found(location)), Span(0, size)) or ""


def test_place_is_the_blob_below_the_gateways_location() -> None:
    assert place(request(), HEAD) == f"/_storage_blobs/{LOCATION}"
    assert place(request(), HEAD, "a b/.blobs/é") == "/_storage_blobs/a%20b/.blobs/%C3%A9"


@pytest.mark.parametrize(("size", "handed"), [(MIN_BYTES - 1, False), (MIN_BYTES, True)])
def test_small_bodies_stay(size: int, handed: bool) -> None:
    assert bool(place(request(), HEAD, size=size)) is handed


def test_bodies_that_are_no_plain_file_stay() -> None:
    assert place(request(), HEAD, None) == ""


def test_nothing_is_handed_to_nobody() -> None:
    assert place(request(place=None), HEAD) == ""
    told = request()
    keep(told)
    assert place(told, HEAD) == ""


@pytest.mark.parametrize("name", ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"])
def test_conditional_requests_stay(name: str) -> None:
    assert place(request({name: '"x"'}), HEAD) == ""
    assert place(request({name: '"x"', "range": "bytes=0-999999"}), PART) == ""


@pytest.mark.parametrize(
    ("asked", "handed"),
    [
        ("bytes=0-999999", True),
        ("bytes=5-", True),
        ("bytes=-500000", True),
        ("Bytes=0-999999", False),
        ("bytes= 0-999999", False),
        ("bytes=0-999999 ", False),
        ("bytes=0-1,5-9", False),
        (f"bytes=0-{'9' * 19}", False),
        ("bytes=-", False),
    ],
)
def test_parts_that_nginx_might_read_otherwise_stay(asked: str, handed: bool) -> None:
    assert bool(place(request({"range": asked}), PART)) is handed


def test_two_ranges_stay() -> None:
    asked = request({"range": "bytes=0-999999"})
    asked.scope["headers"].append((b"range", b"bytes=0-1"))
    assert place(asked, PART) == ""


def test_range_that_was_ignored_stays() -> None:
    assert place(request({"range": "bytes=9-2"}), HEAD) == ""


@pytest.mark.parametrize("header", [(b"x-amz-meta-colour", b"red"), (b"etag", b'"y"'), (b"set-cookie", b"a=b")])
def test_headers_that_nginx_would_not_give_back_stay(header: tuple[bytes, bytes]) -> None:
    assert place(request(), [*HEAD, header]) == ""


def test_shipped_configuration_gives_every_header_back() -> None:
    lines = re.findall(r"add_header (\S+) \$(?:upstream_http_)?(\S+);", BLOBS.read_text(encoding="utf-8"))
    given = {name.lower().encode(): source.replace("_", "-").encode() for name, source in lines}
    assert given.pop(b"accept-ranges") == b"storage-ranges"
    assert given == {name: name for name in GIVEN_BACK} | RENAMED
