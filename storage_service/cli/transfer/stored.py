"""What is in the store below a prefix, and whether it is what lies elsewhere."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage_service.client import Client, FileInfo
from storage_service.client.digests import Algorithm, Digest

CHUNK_BYTES = 1024 * 1024
MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`path` is relative to the prefix that was listed. Digests are None where the service knows none.

    `record` is all the service said of it.
    """

    path: str
    size: int
    bucket: str
    key: str
    etag: str
    sha256: str | None
    crc64nvme: str | None
    at_seconds: float
    record: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, info: FileInfo, path: str) -> "StoredFile":
        at = info.updated_at.timestamp()
        return cls(path, info.size, info.bucket, info.key, info.etag, info.sha256, info.crc64nvme, at, info.record)


def stored_files(client: Client, bucket: str, prefix: str) -> Iterator[StoredFile]:
    """In the byte order of their keys. Raises: NotFound."""
    for info in client.bucket(bucket).list(prefix):
        path = info.key[len(prefix) :]
        if path:
            yield StoredFile.of(info, path)


def is_marker(found: StoredFile) -> bool:
    """Whether it only says that there is a directory, as consoles make them."""
    return found.path.endswith("/") and found.size == 0


def holds(file: Path, found: StoredFile) -> bool:
    """Whether a local file has just these bytes, by the best digest there is; unknown counts as different."""
    if file.stat().st_size != found.size:
        return False
    if found.sha256 is not None:
        return _digest(file, "sha256") == found.sha256
    if MD5.fullmatch(found.etag):  # of an upload in one piece. Source: Amazon S3 API Reference, ETag
        return _md5(file) == found.etag
    return found.crc64nvme is not None and _digest(file, "crc64nvme") == found.crc64nvme


def alike(one: StoredFile, other: StoredFile) -> bool:
    """Whether two objects have the same bytes."""
    if one.size != other.size:
        return False
    pairs = ((one.sha256, other.sha256), (one.crc64nvme, other.crc64nvme))
    known = [(mine, theirs) for mine, theirs in pairs if mine is not None and theirs is not None]
    return known[0][0] == known[0][1] if known else one.etag == other.etag


def _digest(file: Path, algorithm: Algorithm) -> str:
    digest = Digest(algorithm)
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.text()


def _md5(file: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
