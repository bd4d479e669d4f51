"""Users' metadata in headers: `x-amz-meta-*`, any UTF-8. Source: AWS "Working with object metadata"."""

import re
from collections.abc import Iterable, Mapping
from email.errors import HeaderParseError
from email.header import Header as MailHeader
from email.header import decode_header
from typing import Any

import orjson

from storage_service.app.core.errors import InvalidArgument, MetadataTooLarge
from storage_service.app.edge.respond import Header

PREFIX = b"x-amz-meta-"
MOST_BYTES = 2048  # names and values together. Source: AWS, "User-defined object metadata"
MOST_RAW_BYTES = 8 * MOST_BYTES  # of one value as it was sent: its mail form is longer, and takes long to read
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,256}", re.ASCII)  # a header's. Source: RFC 9110 §5.6.2
PLAIN = re.compile(r"[ -~\t]*", re.ASCII)
ENCODED_WORD = "=?"
NEVER_FOLD = 1 << 20


def parse_metadata(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Names in lower case, without the prefix; a name sent twice has its values joined by a comma.

    Raises: MetadataTooLarge, InvalidArgument for a control character.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if name.startswith(PREFIX):
            if len(value) > MOST_RAW_BYTES:
                raise MetadataTooLarge(f"Your metadata headers exceed the {MOST_BYTES} bytes allowed")
            key, text = name[len(PREFIX) :].decode("latin-1"), _decode(value)
            found[key] = f"{found[key]},{text}" if key in found else text
    check_size(found)
    return found


def check_size(found: Mapping[str, str]) -> None:
    """Raises: MetadataTooLarge."""
    if sum(len(name.encode()) + len(value.encode("utf-8", "replace")) for name, value in found.items()) > MOST_BYTES:
        raise MetadataTooLarge(f"Your metadata headers exceed the {MOST_BYTES} bytes allowed")


def _decode(value: bytes) -> str:
    """Raw UTF-8, or the mail form of it (RFC 2047)."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    if ENCODED_WORD in text:
        text = _decode_words(text)
    if not text.isprintable() and any(ord(letter) < 32 and letter != "\t" for letter in text):  # noqa: PLR2004
        raise InvalidArgument("Metadata must not contain control characters")
    return text


def _decode_words(text: str) -> str:
    """As it stands where it only looks like RFC 2047."""
    try:
        return "".join(
            part.decode(charset or "latin-1") if isinstance(part, bytes) else part
            for part, charset in decode_header(text)
        )
    except (HeaderParseError, LookupError, ValueError):
        return text


def metadata_headers(metadata: Mapping[str, Any]) -> list[Header]:
    """Of any metadata a door stored: what is no text goes as JSON; a name that no header can bear is left out."""
    return [
        (PREFIX + name.lower().encode(), encode_value(value if isinstance(value, str) else _json(value)))
        for name, value in metadata.items()
        if NAME.fullmatch(name.lower())
    ]


def encode_value(text: str) -> bytes:
    if PLAIN.fullmatch(text):
        return text.encode()
    return MailHeader(text, "utf-8", maxlinelen=NEVER_FOLD).encode(linesep="").replace("\n", "").encode()


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
