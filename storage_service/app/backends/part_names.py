"""Names of the files of parts: all that the catalog knows of a part but its upload, for a catalog made again."""

import re
from base64 import b64decode, b64encode

from storage_service.app.core.objects import Part

NAME = re.compile(
    r"(?P<number>[0-9]{5})-(?P<attempt>[0-9a-f-]{36})\.(?P<at_ms>[0-9]+)\.(?P<size>[0-9]+)\.(?P<md5>[0-9a-f]{32})"
    r"\.(?P<crc>[0-9a-f]{16})\.(?P<checksum>[0-9a-f]*)",
    re.ASCII,
)
IN_SLOT = ".slot"  # behind the name of a part whose bytes lie in the file of slots; its own file is empty


def part_name(part: Part) -> str:
    digests = ".".join(b64decode(text).hex() for text in (part.crc64nvme, part.checksum))
    return f"{part.number:05d}-{part.attempt}.{part.at_ms}.{part.size}.{part.etag}.{digests}"


def part_of_name(name: str, upload_id: str) -> Part | None:
    """The inverse, wherever the bytes lie; None for any other file."""
    match = NAME.fullmatch(name.removesuffix(IN_SLOT))
    if match is None:
        return None
    crc, checksum = (b64encode(bytes.fromhex(match[field])).decode() for field in ("crc", "checksum"))
    size, at_ms = int(match["size"]), int(match["at_ms"])
    return Part(upload_id, int(match["number"]), match["attempt"], size, match["md5"], crc, checksum, at_ms)
