from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from storage_service.app.edge.names import content_disposition, http_date, iso, quote_key

AT_MS = 1_795_231_500_123


@pytest.mark.parametrize(
    ("filename", "value"),
    [
        ("cat.jpg", 'attachment; filename="cat.jpg"'),
        ("a b;c.txt", 'attachment; filename="a b;c.txt"'),
        ('q"x\\y.txt', "attachment; filename=\"q_x_y.txt\"; filename*=UTF-8''q%22x_y.txt"),
        (
            "naïve €.pdf",
            "attachment; filename=\"na_ve _.pdf\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.pdf",
        ),
        ("50%.txt", "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"),
        ("a\r\nset-cookie: x", 'attachment; filename="aset-cookie: x"'),
        ("\u202egpj.exe", 'attachment; filename="gpj.exe"'),
        ("../../etc/passwd", 'attachment; filename=".._.._etc_passwd"'),
        ("..", 'attachment; filename="download"'),
        ("", 'attachment; filename="download"'),
        ("\ud800", 'attachment; filename="download"'),
    ],
)
def test_content_disposition(filename: str, value: str) -> None:
    assert content_disposition("attachment", filename) == value.encode()


@given(st.text())
def test_any_name_is_one_safe_header_that_others_read(filename: str) -> None:
    value = content_disposition("inline", filename)
    assert all(0x20 <= byte < 0x7F for byte in value)
    kind, options = parse_options_header(value.decode())
    assert kind == "inline"
    assert "/" not in options["filename"]
    assert "\\" not in options["filename"]


def test_http_date_is_imf_fixdate_of_the_second_below() -> None:
    assert http_date(AT_MS) == b"Sat, 21 Nov 2026 03:25:00 GMT"
    assert http_date(AT_MS) is http_date(AT_MS + 1)


@given(st.integers(0, 4_000_000_000_000))
def test_times_survive(at_ms: int) -> None:
    assert datetime.fromisoformat(iso(at_ms)) == datetime.fromtimestamp(at_ms // 1000, UTC).replace(
        microsecond=at_ms % 1000 * 1000
    )
    assert parsedate_to_datetime(http_date(at_ms).decode()).timestamp() == at_ms // 1000


def test_iso() -> None:
    assert iso(AT_MS) == "2026-11-21T03:25:00.123Z"
    assert iso(1_000) == "1970-01-01T00:00:01.000Z"


@pytest.mark.parametrize(
    ("key", "quoted"),
    [
        ("a/b.txt", "a/b.txt"),
        ("a b+c?d#e", "a%20b%2Bc%3Fd%23e"),
        ("€", "%E2%82%AC"),
        ("a/../b", "a%2F..%2Fb"),
        ("./a", ".%2Fa"),
        ("a/..b", "a/..b"),
        ("100%", "100%25"),
    ],
)
def test_quote_key(key: str, quoted: str) -> None:
    assert quote_key(key) == quoted


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_quoted_keys_are_ascii_and_come_back(key: str) -> None:
    assert quote_key(key).isascii()
    assert unquote(quote_key(key), errors="strict") == key


@given(st.lists(st.sampled_from(["..", ".", "a", ""]), min_size=2, max_size=5).map("/".join))
def test_clients_do_not_resolve_quoted_keys_away(key: str) -> None:
    assert urljoin("http://h/", "/b/" + quote_key(key)) == "http://h/b/" + quote_key(key)
