"""XML bodies of requests: bounded, without entities or DTDs, names without their namespace."""

from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from storage_service.app.core.errors import MalformedXML

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_XML_BYTES = 1 << 20  # a CompleteMultipartUpload of 10,000 parts with checksums; a bulk delete has 1,000 keys
MAX_BULK_BYTES = 4 << 20  # 1,000 keys of 1,024 bytes, each character escaped
MAX_DEPTH = 16
MAX_ELEMENTS = 100_000


def parse_xml(data: bytes, root: str) -> "Element":
    """Raises: MalformedXML."""
    try:
        found: Element = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):  # LookupError: an unknown encoding
        raise MalformedXML("The XML you provided was not well-formed") from None
    _strip(found)
    if found.tag != root:
        raise MalformedXML(f"The document is not a {root}")
    return found


def _strip(root: "Element") -> None:
    """Names without their namespace, and no deeper or wider than any document of S3 is."""
    level, depth, seen = [root], 1, 1
    while level:
        if depth > MAX_DEPTH or seen > MAX_ELEMENTS:
            raise MalformedXML("The XML is too deep or has too many elements")
        for node in level:
            node.tag = node.tag.rpartition("}")[2]
        level = [child for node in level for child in node]
        depth, seen = depth + 1, seen + len(level)


def text_of(node: "Element", name: str) -> str | None:
    """The text of a child, stripped; None where there is no such child."""
    child = node.find(name)
    return None if child is None else (child.text or "").strip()


def need_text(node: "Element", name: str) -> str:
    """The same of a child that must be there. Raises: MalformedXML."""
    found = text_of(node, name)
    if found is None:
        raise MalformedXML(f"{node.tag} has no {name}")
    return found
