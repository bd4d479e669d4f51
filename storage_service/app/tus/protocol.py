"""The headers of tus 1.0. Pure. Source: tus.io/protocols/resumable-upload, version 1.0.0."""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import NamedTuple

from storage_service.app.core.errors import InvalidArgument
from storage_service.app.core.objects import is_uuid

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration,concatenation"
ALGORITHMS: Mapping[str, int] = {"sha1": 20, "md5": 16, "sha256": 32, "crc32": 4}  # bytes of a digest
OFFSET_TYPE = "application/offset+octet-stream"

NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
NAME = re.compile(r"[!-+\--~]+", re.ASCII)  # printable, no space and no comma
MAX_METADATA = 16 * 1024
MAX_PIECES = 1000


def parse_number(text: str, header: str) -> int:
    """Of Upload-Length and Upload-Offset. Raises: InvalidArgument."""
    if not NUMBER.fullmatch(text):
        raise InvalidArgument(f"{header} is not a number of bytes")
    return int(text)


def parse_metadata(header: str) -> dict[str, str]:
    """Pairs of a name and base64 of UTF-8, by commas; a value may be missing.

    Raises: InvalidArgument, for a name that stands twice too.
    """
    if len(header) > MAX_METADATA:
        raise InvalidArgument(f"Upload-Metadata is longer than {MAX_METADATA} characters")
    found: dict[str, str] = {}
    for pair in header.split(","):
        if not pair.strip():
            continue
        name, _, value = pair.strip().partition(" ")
        if not NAME.fullmatch(name) or name in found:
            raise InvalidArgument("Upload-Metadata has a malformed name, or one twice")
        found[name] = _text(value.strip(), name)
    return found


def _text(value: str, name: str) -> str:
    try:
        return b64decode(value, validate=True).decode()
    except ValueError:  # binascii.Error and UnicodeDecodeError are
        raise InvalidArgument(f"Upload-Metadata: {name} is not base64 of UTF-8") from None


class Checksum(NamedTuple):
    """What a PATCH's body must hash to: algorithm in lower case, raw digest."""

    algorithm: str
    digest: bytes


def parse_checksum(header: str) -> Checksum:
    """Raises: InvalidArgument for an algorithm that is not offered, or a malformed digest."""
    name, _, value = header.strip().partition(" ")
    size = ALGORITHMS.get(name.lower())
    if size is None:
        raise InvalidArgument(f"Upload-Checksum: the algorithms are {', '.join(ALGORITHMS)}")
    try:
        digest = b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != size:
        raise InvalidArgument(f"Upload-Checksum is not base64 of {size} bytes")
    return Checksum(name.lower(), digest)


class Concat(NamedTuple):
    """`partial`: a piece to be joined. Else the ids of the pieces, in order."""

    partial: bool
    pieces: tuple[str, ...] = ()


def parse_concat(header: str) -> Concat:
    """Pieces are named by their URLs, absolute or not; only the id counts. Raises: InvalidArgument."""
    text = header.strip()
    if text == "partial":
        return Concat(True)
    kind, _, rest = text.partition(";")
    pieces = tuple(url.rstrip("/").rpartition("/")[2] for url in rest.split())
    if kind != "final" or not 1 <= len(pieces) <= MAX_PIECES or not all(map(is_uuid, pieces)):
        raise InvalidArgument("Upload-Concat is neither partial nor final; with the URLs of its pieces")
    return Concat(False, pieces)


def parse_target(path: str) -> str | None:
    """The upload's id in `/files/resumable/<id>`; empty for the collection itself, None for anything else."""
    rest = path.removeprefix("/files/resumable").strip("/")
    if not rest:
        return ""
    return rest if is_uuid(rest) else None
