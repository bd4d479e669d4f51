"""Tags of objects and buckets: in a header, in XML. Source: AWS "Categorizing your objects using tags"."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from storage_service.app.core.errors import InvalidArgument, InvalidTag, MalformedXML
from storage_service.app.s3.answers import document, element
from storage_service.app.s3.reading import need_text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_OBJECT_TAGS = 10
MOST_BUCKET_TAGS = 50
MOST_NAME_CHARS, MOST_VALUE_CHARS = 128, 256


def parse_header(text: str, most: int = MOST_OBJECT_TAGS) -> dict[str, str]:
    """Of `x-amz-tagging: a=1&b=2`. Raises: InvalidTag, InvalidArgument."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise InvalidArgument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query"
        ) from None
    if text and not pairs:
        raise InvalidArgument("The header 'x-amz-tagging' is not a query")
    return checked(pairs, most)


def parse_tagging(root: "Element", most: int = MOST_OBJECT_TAGS) -> dict[str, str]:
    """Of a `Tagging` document. Raises: MalformedXML, InvalidTag."""
    listed = root.find("TagSet")
    if listed is None:
        raise MalformedXML("Tagging has a TagSet of Tags")
    return parse_listed(listed, most)


def parse_listed(listed: "Element", most: int) -> dict[str, str]:
    """Of an element of `Tag`s. Raises: MalformedXML, InvalidTag."""
    if any(child.tag != "Tag" for child in listed):
        raise MalformedXML(f"{listed.tag} has Tags alone")
    pairs = [(need_text(tag, "Key"), _raw(tag, "Value")) for tag in listed]
    return checked(pairs, most)


def _raw(tag: "Element", name: str) -> str:
    """The text as it stands: spaces are part of a value."""
    child = tag.find(name)
    if child is None:
        raise MalformedXML(f"Tag has no {name}")
    return child.text or ""


def checked(pairs: Iterable[tuple[str, str]], most: int) -> dict[str, str]:
    """Raises: InvalidTag."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if not 1 <= len(name) <= MOST_NAME_CHARS:
            raise InvalidTag("The TagKey you have provided is invalid")
        if len(value) > MOST_VALUE_CHARS:
            raise InvalidTag("The TagValue you have provided is invalid")
        if name.lower().startswith("aws:"):
            raise InvalidTag("System tags cannot be added/updated by requester")
        if name in found:
            raise InvalidTag("Cannot provide multiple Tags with the same key")
        found[name] = value
    if len(found) > most:
        raise InvalidTag(f"Object tags cannot be greater than {most}" if most == MOST_OBJECT_TAGS else "Too many tags")
    return found


def render_tagging(tags: Mapping[str, str]) -> str:
    """A `Tagging` document, by name."""
    listed = "".join(f"<Tag>{element('Key', name)}{element('Value', tags[name])}</Tag>" for name in sorted(tags))
    return document("Tagging", f"<TagSet>{listed}</TagSet>")
