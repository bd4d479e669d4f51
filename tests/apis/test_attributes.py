"""What headers and fields say of an object: pure tables."""

from base64 import b64encode

import pytest

from storage_service.app.apis.attributes import parse_metadata, parse_said, parse_tags, with_fields
from storage_service.app.apis.endpoints.upload_plan import key_of_filename, parse_truth
from storage_service.app.core.errors import InvalidArgument, ValidationFailed
from storage_service.app.core.objects import Attributes, now_ms


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('{"a":"1"}', {"a": "1"}),
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a%20b=%C3%A4", {"a b": "ä"}),
        ("k=" + "v" * 256, {"k": "v" * 256}),
    ],
)
def test_tags(text: str, tags: dict[str, str]) -> None:
    assert parse_tags(text) == tags


@pytest.mark.parametrize("text", ["=x", "k=" + "v" * 257, "k" * 129 + "=v", '{"a":1}', '{"a":', "%ff=a", '{"":"x"}'])
def test_bad_tags(text: str) -> None:
    with pytest.raises(InvalidArgument, match="tags"):
        parse_tags(text)


def test_metadata_plain_or_in_base64() -> None:
    text = '{"name":"größe","deep":{"n":[1,null]}}'
    assert parse_metadata(text) == parse_metadata(b64encode(text.encode()).decode())


@pytest.mark.parametrize("text", ["{", "[]", "bnVsbA==", "eyJh", "ä", '{"a":' + "[" * 2000 + "]" * 2000 + "}"])
def test_bad_metadata(text: str) -> None:
    with pytest.raises(InvalidArgument, match="metadata"):
        parse_metadata(text)


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2099-01-01T00:00:00Z", 4_070_908_800_000),
        ("2099-01-01T02:00:00+02:00", 4_070_908_800_000),
        ("2099-01-01T00:00:00.5Z", 4_070_908_800_500),
        ("4070908800", 4_070_908_800_000),
    ],
)
def test_instant(text: str, at_ms: int) -> None:
    assert parse_said({"expires_at": text}) == {"expires_ms": at_ms}


def test_lifetime_counts_from_now() -> None:
    at_ms = parse_said({"expires_in": "60"})["expires_ms"]
    assert 59_000 < at_ms - now_ms() <= 60_000


def test_empty_fields_say_nothing() -> None:
    attributes = Attributes(metadata={"a": 1})
    assert with_fields(attributes, {"metadata": "", "expires_in": "", "other": "x"}) == attributes


@pytest.mark.parametrize(("word", "truth"), [("true", True), (" ON ", True), ("0", False), ("No", False)])
def test_truth(word: str, truth: bool) -> None:
    assert parse_truth(word) is truth


def test_neither_true_nor_false() -> None:
    with pytest.raises(ValidationFailed):
        parse_truth("2")


@pytest.mark.parametrize("name", ["a.txt", "a b.txt", "dir/a.txt", "...", ".hidden", "ä"])
def test_usable_filename(name: str) -> None:
    assert key_of_filename(name) == name
