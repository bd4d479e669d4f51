"""A MinIO drive without MinIO: a single one, in the format it has had since 2021. Nothing in it is changed.

<drive>/<bucket>/<key>/xl.meta tells of all versions of a key; bodies are in it, or in <data dir>/part.N beside it,
every block behind its hash. The hash is passed over: each object is compared with its ETag.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from storage_service.moving.layouts import parts_in
from storage_service.moving.model import (
    HAS_NONE,
    HEADERS,
    METADATA,
    BucketSettings,
    CannotMove,
    Entry,
    Version,
    entry_of,
)
from storage_service.moving.sources.minio_meta import (
    HASH_BYTES,
    NULL,
    Damaged,
    MinioVersion,
    parse,
    unpack,
)
from storage_service.moving.sources.s3 import LOCK
from storage_service.remote.errors import Unreachable, parse_xml

META, SYSTEM = "xl.meta", ".minio.sys"
DIRECTORY_SUFFIX = "__XLDIR__"  # stands for the slash at a key's end
PIECE_BYTES = 1 << 20
TAGGING = "x-amz-tagging"
# Sub-resource, and the field of the bucket's metadata.
DOCUMENTS = {
    "policy": "PolicyConfigJSON",
    "lifecycle": "LifecycleConfigXML",
    "tagging": "TaggingConfigXML",
    "cors": "CorsConfigXML",
}
# What stays behind, by what stands in its document when it is in use.
LEFT = {
    "encryption": ("EncryptionConfigXML", b"Rule"),
    "replication": ("ReplicationConfigXML", b"Rule"),
    "notification": ("NotificationConfigXML", b"Queue"),
}


class MinioOpened:
    """One version's body, without the hashes."""

    def __init__(self, folder: str, version: MinioVersion) -> None:
        self._folder = folder
        self._version = version
        self.size = version.size
        self.etag = version.etag
        several = parts_in(version.etag) == len(version.part_sizes) and version.inline is None
        self.layouts: Sequence[Sequence[int]] = [list(version.part_sizes)] if several else []
        self.guessed = False
        self.headers: Mapping[str, str] = _headers(version.headers)

    def pieces(self) -> Iterator[bytes]:
        version = self._version
        if version.inline is not None:
            yield from _unframed(version.inline, version.block_bytes)
            return
        for number in version.part_numbers if version.size else ():
            yield from self._part(f"{self._folder}/{version.data_dir}/part.{number}")

    def _part(self, path: str) -> Iterator[bytes]:
        try:
            with Path(path).open("rb", buffering=0) as file:
                frame = HASH_BYTES + self._version.block_bytes
                while data := _read_full(file.fileno(), frame):
                    yield data[HASH_BYTES:]
        except FileNotFoundError:
            raise CannotMove(f"{Path(path).name} is missing") from None

    def close(self) -> None:
        """Nothing is open but while pieces are read."""


def _read_full(fd: int, size: int) -> bytes:
    """So many bytes, fewer at the file's end only."""
    data = os.read(fd, size)
    while data and len(data) < size and (more := os.read(fd, size - len(data))):
        data += more
    return data


def _unframed(data: bytes, block_bytes: int) -> Iterator[bytes]:
    for at in range(0, len(data), HASH_BYTES + block_bytes):
        yield data[at + HASH_BYTES : at + HASH_BYTES + block_bytes]


def _headers(known: Mapping[str, str]) -> dict[str, str]:
    kept = {name: known[name] for name in (*HEADERS, *LOCK, TAGGING) if known.get(name)}
    return kept | {name: value for name, value in known.items() if name.startswith(METADATA)}


class MinioSource:
    """All buckets of a drive. `versions`: all versions of each key, with delete markers, not only what is current."""

    def __init__(self, root: Path, *, versions: bool = False) -> None:
        """Raises: CannotMove for a drive that is one of several, or of another format."""
        self._root = str(root.resolve())
        self._versions = versions
        self.name = f"minio {self._root}" + ("?versions" if versions else "")
        check_format(root)

    def close(self) -> None:
        """Nothing is kept open."""

    def buckets(self) -> list[str]:
        with os.scandir(self._root) as entries:
            return sorted(
                entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."
            )

    def entries(self, bucket: str, prefix: str) -> Iterator[Entry]:
        for key, folder in keys_below(f"{self._root}/{bucket}", prefix):
            entry = self._entry(key, folder)
            if entry is not None:
                yield entry

    def _entry(self, key: str, folder: str) -> Entry | None:
        """None where the newest is a delete marker and only what is current counts."""
        try:
            known = read_meta(folder)
        except (Damaged, OSError) as error:
            return entry_of([Version(key, 0, place=folder, fault=str(error))], f"damaged: {error}")
        if not self._versions:
            known = [version for version in known[-1:] if not version.is_marker]
        found = [
            Version(key, one.size, one.etag, one.version_id, one.is_marker, folder, one.barrier or "") for one in known
        ]
        return entry_of(found, f"{len(known)}:{known[-1].modified_ns}") if found else None

    def open(self, bucket: str, version: Version) -> MinioOpened:
        try:
            known = read_meta(version.place)
        except Damaged as error:
            raise CannotMove(str(error)) from None
        found = next((one for one in known if one.version_id == (version.version_id or NULL)), None)
        if found is None:
            raise CannotMove("its version is gone")
        if found.barrier:
            raise CannotMove(found.barrier)
        return MinioOpened(version.place, found)

    # Settings ---------------------------------------------------------------------------------------------------

    def settings(self, bucket: str) -> BucketSettings:
        found = BucketSettings()
        folder = f"{self._root}/{SYSTEM}/buckets/{bucket}/.metadata.bin"
        try:
            known = read_meta(folder)
            record: dict[str, Any] = unpack(b"".join(MinioOpened(folder, known[-1]).pieces())[4:])
        except FileNotFoundError:
            return found
        except (Damaged, CannotMove, OSError, ValueError, IndexError) as error:
            found.left.append(f"all settings: {error}")
            return found
        found.documents = {name: record[field] for name, field in DOCUMENTS.items() if record.get(field)}
        found.left = [
            f"{name}: {HAS_NONE}" for name, (field, used) in LEFT.items() if used in (record.get(field) or b"")
        ]
        _read_special(record, found)
        return found


def _read_special(record: Mapping[str, Any], found: BucketSettings) -> None:
    try:
        if versioning := record.get("VersioningConfigXML"):
            found.versioning = parse_xml(versioning).findtext("Status") or ""
        if lock := record.get("ObjectLockConfigXML"):
            found.documents["object-lock"], found.locking = lock, True
        if quota := record.get("QuotaConfigJSON"):
            told = orjson.loads(quota)
            found.quota_bytes = int(told.get("size") or told.get("quota") or 0) or None
    except (Unreachable, ValueError, AttributeError) as error:
        found.left.append(f"versioning, lock or quota: {error}")


def read_meta(folder: str) -> list[MinioVersion]:
    """The oldest first, at least one. Raises: Damaged, OSError."""
    found = parse(Path(folder, META).read_bytes())
    if not found:
        raise Damaged("no version in xl.meta")
    return found


def check_format(root: Path) -> None:
    """Raises: CannotMove."""
    try:
        known = orjson.loads((root / SYSTEM / "format.json").read_bytes())
        sets = known.get("xl", {}).get("sets", [[]])
        drives = sum(map(len, sets))
    except (OSError, ValueError, AttributeError, TypeError):
        raise CannotMove(f"{root} has no readable {SYSTEM}/format.json: it is no drive of MinIO's") from None
    if not str(known.get("format", "")).startswith("xl") or drives != 1:
        kind = "of its old format for file systems" if known.get("format") == "fs" else f"one of {drives} drives"
        raise CannotMove(f"{root} is {kind}: let MinIO run, and move from its address")


def _order(below: tuple[str, str]) -> tuple[bytes, bool]:
    """As keys are ordered; an object whose key ends in a slash before what begins with it."""
    name = below[0]
    return os.fsencode(name.replace(DIRECTORY_SUFFIX, "/")), name.endswith("/")


def keys_below(root: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Keys and their folders, by key. A folder may be an object and hold others."""
    waiting = [("", root)]
    while waiting:
        key, folder = waiting.pop()
        if key and not key.endswith("/"):
            if os.path.lexists(f"{folder}/{META}"):
                object_key = key.removesuffix(DIRECTORY_SUFFIX) + "/" if key.endswith(DIRECTORY_SUFFIX) else key
                if object_key.startswith(prefix):
                    yield object_key, folder
            continue
        below = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    # As an object, and as what others begin with: `a`, then `a-b`, then `a/c`.
                    below += [(key + entry.name, entry.path), (key + entry.name + "/", entry.path)]
        below.sort(key=_order, reverse=True)
        waiting += [one for one in below if one[0].startswith(prefix) or prefix.startswith(one[0].rstrip("/"))]
