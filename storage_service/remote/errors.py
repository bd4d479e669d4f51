"""What goes wrong at another server."""

from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # worth another try


class RemoteError(Exception):
    """The other server did not do what was asked. `passing`: it may, a moment later."""

    passing = False


class Unreachable(RemoteError):
    """No connection, a broken one, or an answer that is not HTTP's or S3's."""

    passing = True


class Refused(RemoteError):
    """An answer that is an error: `status`, S3's `code`, and the server's words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}" if message else f"{status} {code}")
        self.status = status
        self.code = code
        self.passing = status in PASSING


def refused(status: int, body: bytes) -> Refused:
    """Of S3's XML, or of anything else a server or a proxy says."""
    try:
        root = parse_xml(body)
    except Unreachable:
        return Refused(status, "HTTPError", "")
    code = next((node.text for node in root.iter() if node.tag == "Code"), None)
    message = next((node.text for node in root.iter() if node.tag == "Message"), None)
    return Refused(status, _plain(code or "HTTPError"), _plain(message or ""))


def _plain(text: str) -> str:
    """Another's words, fit for a terminal and a log."""
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))


def parse_xml(body: bytes) -> Element:
    """The root, with namespaces taken off. Raises: Unreachable for what is no XML."""
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise Unreachable(f"the answer is not XML: {error}") from None
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
    return root
