"""XML in: bounded, and without a way to make the parser work for nothing."""

import pytest

from storage_service.app.core.errors import MalformedXML
from storage_service.app.s3.reading import MAX_DEPTH, MAX_ELEMENTS, need_text, parse_xml, text_of

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
BOMB = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]><Delete>&y;</Delete>"""
OUTSIDE = b"""<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete>&x;</Delete>"""


@pytest.mark.parametrize("head", ["", f' xmlns="{NAMESPACE}"', ' xmlns="urn:anything"'])
def test_names_are_read_without_their_namespace(head: str) -> None:
    root = parse_xml(f"<Delete{head}><Object><Key> a </Key></Object></Delete>".encode(), "Delete")
    child = root.find("Object")
    assert child is not None
    assert text_of(child, "Key") == "a"
    assert text_of(child, "VersionId") is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not xml",
        b"<Delete>",
        b"<Delete></Other>",
        b"<Other/>",
        b"\xff\xfe<Delete/>",
        b"<Delete>\x01</Delete>",
        b'<?xml version="1.0" encoding="nonsense"?><Delete/>',
        BOMB,
        OUTSIDE,
        b"<!DOCTYPE Delete><Delete/>",
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<Delete>" + b"<a/>" * MAX_ELEMENTS + b"</Delete>",
    ],
    ids=range(13),
)
def test_what_is_not_the_document_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedXML):
        parse_xml(data, "Delete")


def test_a_child_that_must_be_there_is_named_when_it_is_not() -> None:
    with pytest.raises(MalformedXML, match="Tag has no Key"):
        need_text(parse_xml(b"<Tag/>", "Tag"), "Key")
