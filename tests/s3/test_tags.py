"""Tags in headers and in XML."""

import pytest

from storage_service.app.core.errors import InvalidTag, MalformedXML, StorageError
from storage_service.app.s3.reading import parse_xml
from storage_service.app.s3.tags import parse_header, parse_tagging, render_tagging


def tagging(inner: str) -> dict[str, str]:
    return parse_tagging(parse_xml(f"<Tagging>{inner}</Tagging>".encode(), "Tagging"))


@pytest.mark.parametrize(
    ("text", "tags"),
    [("", {}), ("a=1&b=2", {"a": "1", "b": "2"}), ("a", {"a": ""}), ("a%20b=%C3%A9+", {"a b": "é "})],
)
def test_a_header_is_read_as_a_query(text: str, tags: dict[str, str]) -> None:
    assert parse_header(text) == tags


@pytest.mark.parametrize(
    "text",
    ["a=1&a=2", f"{'k' * 129}=v", f"k={'v' * 257}", "aws:x=1", "=1", "&".join(f"k{n}=v" for n in range(11))],
)
def test_tags_over_their_limits_are_refused(text: str) -> None:
    with pytest.raises(InvalidTag):
        parse_header(text)


def test_spaces_belong_to_a_value() -> None:
    found = tagging("<TagSet><Tag><Key>k</Key><Value> v </Value></Tag></TagSet>")
    assert found == {"k": " v "}


@pytest.mark.parametrize(
    ("inner", "error"),
    [
        ("", MalformedXML),
        ("<TagSet><Tag><Key>k</Key></Tag></TagSet>", MalformedXML),
        ("<TagSet><Tag><Value>v</Value></Tag></TagSet>", MalformedXML),
        ("<TagSet><Other/></TagSet>", MalformedXML),
        ("<TagSet><Tag><Key></Key><Value>v</Value></Tag></TagSet>", InvalidTag),
    ],
)
def test_what_is_no_tag_set_is_refused(inner: str, error: type[StorageError]) -> None:
    with pytest.raises(error):
        tagging(inner)


def test_what_is_rendered_can_be_read() -> None:
    tags = {"b": "<&>", "a": ""}
    assert parse_tagging(parse_xml(render_tagging(tags).encode(), "Tagging")) == tags
