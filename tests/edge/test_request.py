import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import InvalidArgument, InvalidKey
from storage_service.app.edge.names import quote_key
from storage_service.app.edge.request import Request
from tests.edge.asgi import Client, request


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/files/a%2Fb", "/files/a/b"),
        (b"/a+b", "/a+b"),
        (b"/%25zz", "/%zz"),
        (b"/%2525", "/%25"),
        (b"/100%.txt", "/100%.txt"),
        (b"/%E2%82%AC", "/€"),
        ("/€".encode(), "/€"),
        (b"/%2e%2e/x", "/../x"),
        (b"/a%00b", "/a\0b"),
    ],
)
def test_path_is_decoded_once(raw: bytes, path: str) -> None:
    asked = request(target=raw)
    assert asked.path == path
    assert asked.path is asked.path
    assert asked.raw_path == raw


@pytest.mark.parametrize("raw", [b"/%ff", b"/\xff", b"/%C0%AF", b"/%ED%A0%80"])
def test_path_that_is_not_utf8_is_an_invalid_key(raw: bytes) -> None:
    with pytest.raises(InvalidKey):
        _ = request(target=raw).path


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_key_survives_the_way_through_a_path(key: str) -> None:
    assert request(target=quote_key(key).encode()).path == key


def test_path_is_made_where_the_server_gives_no_raw_one() -> None:
    scope = {"method": "GET", "path": "/a b/€", "headers": []}
    client = Client()
    assert Request(scope, client.receive, client.send).path == "/a b/€"


def test_first_of_repeated_headers_counts_and_all_can_be_had() -> None:
    asked = request(headers=[("x-a", "1"), ("x-b", "é"), ("x-a", "2")])
    assert asked.header(b"x-a") == "1"
    assert asked.header(b"x-b") == "é"
    assert asked.header(b"x-c") is None
    assert asked.headers_all(b"x-a") == ["1", "2"]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (b"", {}),
        (b"a=1&b=&c", {"a": "1", "b": "", "c": ""}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a=b+c%2Bd", {"a": "b c+d"}),
        ("q=€".encode(), {"q": "€"}),
        (b"a=1;b=2", {"a": "1;b=2"}),
    ],
)
def test_query_is_decoded(query: bytes, fields: dict[str, str]) -> None:
    assert request(target=b"/?" + query).query == fields


@pytest.mark.parametrize("query", [b"a=%ff", b"\xff=1", b"&".join([b"a=1"] * 2000)])
def test_query_that_cannot_be_read_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidArgument):
        _ = request(target=b"/?" + query).query


def test_request_id_is_taken_if_plain_else_made_once() -> None:
    assert request(headers=[("x-request-id", "ab-1.2_3")]).request_id == "ab-1.2_3"
    for bad in ("", "a b", "a" * 129, "é", "a\r\nb"):
        made = request(headers=[("x-request-id", bad)])
        assert made.request_id != bad
        assert made.request_id == made.request_id
    assert request().request_id != request().request_id


@pytest.mark.parametrize(("values", "length"), [([], None), (["0"], 0), (["5"], 5), (["5", "5"], 5), (["007"], 7)])
def test_content_length(values: list[str], length: int | None) -> None:
    headers = [("content-length", value) for value in values]
    assert request(headers=headers).content_length == length


@pytest.mark.parametrize("values", [[""], ["-1"], ["+1"], ["1_0"], ["0x1"], ["\xb2"], ["5", "6"], ["5, 5"], ["9" * 20]])
def test_bad_content_length_is_refused(values: list[str]) -> None:
    headers = [("content-length", value) for value in values]
    with pytest.raises(InvalidArgument):
        _ = request(headers=headers).content_length


def test_headers_that_stood_elsewhere_never_replace_what_was_sent() -> None:
    asked = request(headers=[("x-amz-acl", "private")])
    assert asked.header(b"x-amz-tagging") is None
    asked.add_headers([(b"x-amz-acl", b"public-read"), (b"x-amz-tagging", b"a=b")])
    assert (asked.header(b"x-amz-acl"), asked.header(b"x-amz-tagging")) == ("private", "a=b")
