import pytest
from hypothesis import given
from hypothesis import strategies as st
from puremagic.main import magic_footer_array, magic_header_array

from storage_service.app.core.errors import InvalidArgument
from storage_service.app.edge import mime
from storage_service.app.edge.mime import INLINE_SAFE, detect, is_inline_safe, matches

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.mark.parametrize(
    ("declared", "key", "first", "found"),
    [
        ("text/x-mine; charset=utf-8", "a.png", PNG, "text/x-mine; charset=utf-8"),
        (" image/png ", "a", b"", "image/png"),
        (None, "photos/cat.jpg", b"", "image/jpeg"),
        (None, "CAT.JPG", b"", "image/jpeg"),
        ("", "a.webp", b"", "image/webp"),
        ("application/octet-stream", "a.pdf", PNG, "application/pdf"),
        ("Binary/Octet-Stream", "a.css", b"", "text/css"),
        (None, "a.js", b"", "text/javascript"),
        (None, "a.tar.gz", b"", "application/gzip"),
        (None, "a.tgz", b"", "application/gzip"),
        (None, "data:text/html,x", b"", "application/octet-stream"),
        (None, "dir.png/noname", b"", "application/octet-stream"),
        (None, "noname", PNG, "image/png"),
        (None, "noname", b"%PDF-1.7\n", "application/pdf"),
        (None, "noname", b"PK\x03\x04" + bytes(60), "application/zip"),
        (None, "noname", b"\x1f\x8b\x08" + bytes(60), "application/gzip"),
        (None, "noname", b"BM is how this text begins", "application/octet-stream"),
        (None, "noname", b"hello", "application/octet-stream"),
        (None, "noname", b"", "application/octet-stream"),
        (None, "noname", b"\0" * 8192, "application/octet-stream"),
    ],
)
def test_detect(declared: str | None, key: str, first: bytes, found: str) -> None:
    assert detect(declared, key, first) == found


@pytest.mark.parametrize("declared", ["text/plain\r\nset-cookie: a=b", "a\0b", "tab\there", "é/x", "a" * 256])
def test_type_that_could_not_stand_in_a_header_is_refused(declared: str) -> None:
    with pytest.raises(InvalidArgument):
        detect(declared, "a.txt", b"")


@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_bytes_and_any_name_give_a_type(first: bytes, key: str) -> None:
    assert "/" in detect(None, key, first)


@pytest.mark.parametrize(
    ("allowed", "content_type", "holds"),
    [
        ((), "image/png", True),
        (("image/png",), "Image/PNG; q=1", True),
        (("image/*",), "image/svg+xml", True),
        (("image/*", "text/csv"), "text/plain", False),
        (("IMAGE/PNG",), "image/png", True),
        (("*/*",), "x/y", True),
        (("*",), "x/y", True),
        (("image/png",), "image/png2", False),
    ],
)
def test_matches(allowed: tuple[str, ...], content_type: str, holds: bool) -> None:
    assert matches(allowed, content_type) is holds


@pytest.mark.parametrize(
    "name",
    [
        "text/html",
        "image/svg+xml",
        "application/xml",
        "text/xml",
        "application/xhtml+xml",
        "text/javascript",
        "",
        "x",
    ],
)
def test_types_that_run_scripts_are_never_inline(name: str) -> None:
    assert not is_inline_safe(name)
    assert name not in INLINE_SAFE


def test_pictures_films_and_text_are_inline() -> None:
    for name in ("image/png", "VIDEO/mp4", "text/plain; charset=utf-8", "application/pdf"):
        assert is_inline_safe(name)


def test_the_sieve_lets_every_signature_that_counts_through() -> None:
    for row in magic_header_array:
        if len(row.byte_match) / 10 >= mime.MIN_CONFIDENCE:
            assert mime._may_match(b"\xf5" * row.offset + row.byte_match)
    for row in magic_footer_array:
        tail = row.byte_match + b"\xf5" * (-row.offset - len(row.byte_match))
        assert mime._may_match(b"\xf5" * 600 + tail)


def test_bytes_that_look_like_nothing_are_not_looked_up() -> None:
    assert not mime._may_match(b"\xf5" * 4096)
