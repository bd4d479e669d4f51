"""`xl.meta`, in which MinIO keeps all versions of a key: read from its documented layout. Pure.

Eight bytes of header (`XL2 `, major 1, minor 0 to 3). From minor 1 on a byte string follows, a checksum (from minor 2
on), and bodies that are kept inline. Up to minor 2 the string is one MessagePack map of versions, then a sequence:
format numbers, a count, and for each version two byte strings, a short header and the version. The newest stands first.
Source: MinIO, docs/debugging/xl-meta; MessagePack specification.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgpack

MAGIC = b"XL2 "
HEADER_BYTES = 8
OBJECT, DELETE_MARKER = 1, 2
FREE_VERSION = 1  # a flag: what is left of a tiered version, seen by nobody
HIGHWAYHASH = 1
HASH_BYTES = 32  # HighwayHash-256 before each block of a body
NULL = "null"
MOST_BYTES = 256 << 20
# What MinIO did to a body that only it can undo.
BARRIERS = (
    ("x-minio-internal-compression", "it is compressed: let MinIO run and move from its address"),
    ("x-minio-internal-server-side-encryption", "it is encrypted: let MinIO run and move from its address"),
    ("x-minio-internal-transition-status", "its bytes are in another tier: let MinIO run and move from its address"),
)


class Damaged(ValueError):
    """Not an xl.meta, a newer one, or a broken one."""


class MinioVersion(NamedTuple):
    """One version. `version_id` is `null` or a UUID; `part_sizes` in bytes as they lie there, without hashes; `inline`:
    the body, framed, where it is not in files of its own; `barrier`: why it cannot be read without MinIO."""

    version_id: str
    modified_ns: int
    is_marker: bool = False
    size: int = 0
    etag: str = ""
    headers: Mapping[str, str] = {}
    data_dir: str = ""
    part_numbers: Sequence[int] = ()
    part_sizes: Sequence[int] = ()
    block_bytes: int = 0
    inline: bytes | None = None
    barrier: str | None = None


def parse(data: bytes) -> list[MinioVersion]:
    """All versions, the oldest first. Raises: Damaged."""
    try:
        return sorted(_versions(data), key=lambda version: version.modified_ns)
    except Damaged:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, msgpack.UnpackException) as error:
        raise Damaged(f"damaged xl.meta: {type(error).__name__} {error}") from None


def _versions(data: bytes) -> Iterator[MinioVersion]:
    if data[:4] != MAGIC or len(data) <= HEADER_BYTES:
        raise Damaged("no xl.meta")
    major, minor = int.from_bytes(data[4:6], "little"), int.from_bytes(data[6:8], "little")
    if data[4:8] == b"1   ":
        major, minor = 1, 0
    if major != 1:
        raise Damaged(f"an xl.meta of format {major}.{minor}, which is not known")
    if not minor:
        yield from _listed(unpack(data[HEADER_BYTES:]), {})
        return
    unpacker = _unpacker(data[HEADER_BYTES:])
    described = unpacker.unpack()
    bodies = _inline_of(data[HEADER_BYTES + unpacker.tell() :])
    first = described[0]
    if minor < 3 and (first & 0xF0 == 0x80 or first in {0xDE, 0xDF}):  # noqa: PLR2004 - a map's first byte
        yield from _listed(unpack(described), bodies)
    else:
        yield from _indexed(described, bodies)


def _listed(document: Any, bodies: Mapping[str, bytes]) -> Iterator[MinioVersion]:
    for version in document["Versions"]:
        yield _version(version, bodies)


def _indexed(described: bytes, bodies: Mapping[str, bytes]) -> Iterator[MinioVersion]:
    unpacker = _unpacker(described)
    header_format, meta_format, count = (unpacker.unpack() for _ in range(3))
    if header_format > 3 or meta_format > 3:  # noqa: PLR2004 - the newest that is known
        raise Damaged(f"an xl.meta of formats {header_format} and {meta_format}, which are not known")
    for _ in range(count):
        header, version = unpack(unpacker.unpack()), unpacker.unpack()
        if not header[4] & FREE_VERSION:
            yield _version(unpack(version), bodies)


def _version(record: Any, bodies: Mapping[str, bytes]) -> MinioVersion:
    if record["Type"] == DELETE_MARKER:
        marker = record["DelObj"]
        return MinioVersion(_id(marker["ID"]), marker["MTime"], is_marker=True)
    if record["Type"] != OBJECT:
        old = record.get("V1Obj") or {}
        barrier = "it is of MinIO's format before 2021: let MinIO run and move from its address"
        return MinioVersion(NULL, 0, size=int((old.get("Stat") or {}).get("Size", 0)), barrier=barrier)
    return _object(record["V2Obj"], bodies)


def _object(found: Any, bodies: Mapping[str, bytes]) -> MinioVersion:
    version_id = _id(found["ID"])
    system = {name.lower(): value for name, value in (found.get("MetaSys") or {}).items()}
    headers = {name.lower(): value for name, value in (found.get("MetaUsr") or {}).items()}
    inline = None
    if "x-minio-internal-inline-data" in system or version_id in bodies:
        inline = bodies.get(version_id)
    return MinioVersion(
        version_id,
        found["MTime"],
        size=found["Size"],
        etag=headers.pop("etag", "").strip('"'),
        headers=headers,
        data_dir=str(UUID(bytes=found["DDir"])),
        part_numbers=found["PartNums"],
        part_sizes=found["PartSizes"],
        block_bytes=-(-found["EcBSize"] // max(1, found["EcM"])),
        inline=inline,
        barrier=_barrier(found, system),
    )


def _barrier(found: Any, system: Mapping[str, bytes]) -> str | None:
    if found["EcM"] != 1:
        return f"it is spread over {found['EcM'] + found['EcN']} drives: let MinIO run and move from its address"
    if found["CSumAlgo"] != HIGHWAYHASH:
        return f"its bytes bear checksums of a kind that is not known ({found['CSumAlgo']})"
    names = [name for name, value in system.items() if value]
    return next((words for prefix, words in BARRIERS if any(name.startswith(prefix) for name in names)), None)


def _id(raw: bytes) -> str:
    return str(UUID(bytes=raw)) if any(raw) else NULL


def _inline_of(data: bytes) -> dict[str, bytes]:
    """Bodies by version id. Before them may stand a checksum, a number of 32 bits."""
    if data[:1] == b"\xce":
        data = data[5:]
    if not data:
        return {}
    if data[0] != 1:
        raise Damaged(f"inline bodies of format {data[0]}, which is not known")
    found: dict[str, bytes] = unpack(data[1:])
    return found


def unpack(data: bytes) -> Any:
    """One MessagePack value; what stands behind it is not looked at."""
    return _unpacker(data).unpack()


def _unpacker(data: bytes) -> msgpack.Unpacker:
    unpacker = msgpack.Unpacker(
        raw=False, strict_map_key=False, unicode_errors="surrogateescape", max_buffer_size=MOST_BYTES
    )
    unpacker.feed(data)
    return unpacker
