"""The five checksums S3 clients may choose from: running, of a whole, and put together from those of parts. Pure.

Values are raw bytes, big-endian; base64 is the doors' matter. Source: AWS "Checking object integrity in Amazon S3".
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, get_args

from awscrt.checksums import combine_crc32, combine_crc32c, combine_crc64nvme, crc32c, crc64nvme
from isal.isal_zlib import crc32

Algorithm = Literal["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]
ChecksumType = Literal["COMPOSITE", "FULL_OBJECT"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


class Running(Protocol):
    """A checksum under way; `update` of a large chunk may run in a thread."""

    def update(self, chunk: bytes | memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    __slots__ = ("_size", "_step", "_value")

    def __init__(self, step: Callable[[Any, int], int], size: int) -> None:
        self._step = step
        self._size = size
        self._value = 0

    def update(self, chunk: bytes | memoryview, /) -> None:
        self._value = self._step(chunk, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class Kind(NamedTuple):
    """One algorithm: bytes of a value, the types an upload may have (its default first), how to begin, how to join."""

    size: int
    types: tuple[ChecksumType, ...]
    begin: Callable[[], Running]
    join: Callable[[int, int, int], int] | None = None


KINDS: dict[Algorithm, Kind] = {
    "CRC32": Kind(4, ("COMPOSITE", "FULL_OBJECT"), lambda: _Crc(crc32, 4), combine_crc32),
    "CRC32C": Kind(4, ("COMPOSITE", "FULL_OBJECT"), lambda: _Crc(crc32c, 4), combine_crc32c),
    "CRC64NVME": Kind(8, ("FULL_OBJECT",), lambda: _Crc(crc64nvme, 8), combine_crc64nvme),
    "SHA1": Kind(20, ("COMPOSITE",), lambda: hashlib.sha1(usedforsecurity=False)),
    "SHA256": Kind(32, ("COMPOSITE",), hashlib.sha256),
}


def checksum(algorithm: Algorithm, data: bytes) -> bytes:
    """Of bytes that are in memory whole."""
    running = KINDS[algorithm].begin()
    running.update(data)
    return running.digest()


def joined(algorithm: Algorithm, parts: Sequence[tuple[bytes, int]]) -> bytes:
    """The checksum of all parts in a row, from that of each and its length in bytes.

    Raises: ValueError for an algorithm that cannot be joined.
    """
    join = KINDS[algorithm].join
    if join is None:
        raise ValueError(f"{algorithm} of a whole does not follow from its parts'")
    value = 0  # of nothing: joining to it changes nothing
    for digest, size in parts:
        value = join(value, int.from_bytes(digest, "big"), size)
    return value.to_bytes(KINDS[algorithm].size, "big")


def composite(algorithm: Algorithm, parts: Sequence[bytes]) -> bytes:
    """The checksum of the parts' checksums; S3 writes `-N` behind it."""
    return checksum(algorithm, b"".join(parts))


def base64_of(digest: bytes) -> str:
    """As headers and rows write it."""
    return b64encode(digest).decode()
