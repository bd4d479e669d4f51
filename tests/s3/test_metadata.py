"""Users' metadata in headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import InvalidArgument, MetadataTooLarge
from storage_service.app.s3.metadata import encode_value, metadata_headers, parse_metadata

SHOWN = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=60)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], {}),
        ([(b"content-type", b"x"), (b"x-amz-meta-a", b"1")], {"a": "1"}),
        ([(b"x-amz-meta-a", b"1"), (b"x-amz-meta-a", b"2")], {"a": "1,2"}),
        ([(b"x-amz-meta-name", "é".encode())], {"name": "é"}),
        ([(b"x-amz-meta-name", b"\xe9")], {"name": "é"}),
        ([(b"x-amz-meta-name", b"=?UTF-8?B?w6k=?=")], {"name": "é"}),
        ([(b"x-amz-meta-name", b"=?UTF-8?Q?=C3=A9?=")], {"name": "é"}),
        ([(b"x-amz-meta-name", b"=?nonsense?B?w6k=?=")], {"name": "=?nonsense?B?w6k=?="}),
        ([(b"x-amz-meta-empty", b"")], {"empty": ""}),
    ],
)
def test_metadata_is_read(headers: list[tuple[bytes, bytes]], found: dict[str, str]) -> None:
    assert parse_metadata(headers) == found


def test_more_than_two_kilobytes_are_refused() -> None:
    assert parse_metadata([(b"x-amz-meta-a", b"x" * 2047)])
    with pytest.raises(MetadataTooLarge):
        parse_metadata([(b"x-amz-meta-a", b"x" * 2048)])


@pytest.mark.parametrize("value", [b"a\x00b", b"a\x1bb"])
def test_control_characters_are_refused(value: bytes) -> None:
    with pytest.raises(InvalidArgument):
        parse_metadata([(b"x-amz-meta-a", value)])


@given(SHOWN)
def test_any_text_comes_back_through_a_header(text: str) -> None:
    sent = encode_value(text)
    assert sent.isascii()
    assert b"\n" not in sent
    if "=?" not in text:
        assert parse_metadata([(b"x-amz-meta-a", sent)]) == {"a": text}


def test_metadata_of_another_door_is_shown_as_far_as_headers_can() -> None:
    stored = {"Plain": "x", "list": [1, 2], "not a name": "y", "naïve": "z"}
    assert metadata_headers(stored) == [(b"x-amz-meta-plain", b"x"), (b"x-amz-meta-list", b"[1,2]")]
