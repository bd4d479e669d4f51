"""Objects that were uploaded in parts, and reads of one part."""

import base64
from typing import NamedTuple

import orjson

from storage_service.app.core.checksums import KINDS, Algorithm
from storage_service.app.core.errors import InvalidArgument, InvalidPart
from storage_service.app.core.objects import Span, Version
from storage_service.app.edge.respond import Header
from storage_service.app.s3.checksums import PREFIX, type_of

MOST_PARTS = 10_000


class Piece(NamedTuple):
    """What of an object to send: a span under 206, or the whole (None) under 200. `number`: the part it is, of so many
    `parts`; None where none was asked for, or the object has none."""

    span: Span | None = None
    number: int | None = None
    parts: int | None = None


def part_number(text: str) -> int:
    """Raises: InvalidArgument."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MOST_PARTS:
        raise InvalidArgument(f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive")
    return int(text)


def part_span(version: Version, number: int) -> Piece:
    """The bytes of one part; an object that was not put in parts is its own first. Raises: InvalidPart."""
    sizes = part_sizes(version)
    if sizes is None:
        if number != 1:
            raise InvalidPart("The object was not uploaded in parts", key=version.key)
        return Piece(Span(0, version.size) if version.size else None)
    if number > len(sizes):
        raise InvalidPart(f"The object has {len(sizes)} parts", key=version.key)
    start = sum(sizes[: number - 1])
    return Piece(Span(start, start + sizes[number - 1]), number, len(sizes))


def part_sizes(version: Version) -> list[int] | None:
    """Bytes of each part; None of an object that was put whole."""
    if '"parts"' not in version.doc:
        return None
    record = orjson.loads(version.doc).get("parts")
    return None if record is None else [size for size, count in record["sizes"] for _ in range(count)]


def part_sums(version: Version) -> tuple[list[str], str]:
    """Checksum of each part in base64, and the algorithm; none where the upload had no algorithm."""
    doc = orjson.loads(version.doc)
    packed, chosen = doc.get("parts", {}).get("checksums"), doc.get("checksums")
    if not packed or not chosen:
        return [], ""
    algorithm: Algorithm = next(iter(chosen))
    raw, size = base64.b64decode(packed), KINDS[algorithm].size
    return [base64.b64encode(raw[at : at + size]).decode() for at in range(0, len(raw), size)], algorithm


def part_checksum_headers(version: Version, number: int) -> list[Header]:
    """Of one part; the type is the whole's. None where its upload had no algorithm."""
    sums, algorithm = part_sums(version)
    if not sums:
        return []
    whole = orjson.loads(version.doc)["checksums"][algorithm]
    return [
        (f"{PREFIX}{algorithm.lower()}".encode(), sums[number - 1].encode()),
        (b"x-amz-checksum-type", type_of(whole).encode()),
    ]
