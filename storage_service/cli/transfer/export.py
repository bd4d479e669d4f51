"""All that a bucket holds, with what is said of it, to a directory or to another object store."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from storage_service.cli.transfer.local import is_file_path
from storage_service.cli.transfer.steps import Options, Step, download
from storage_service.cli.transfer.stored import StoredFile
from storage_service.client import Client, FileInfo
from storage_service.client.source import Progress

if TYPE_CHECKING:
    from storage_service.providers.s3_copies import S3Copies

MANIFEST, SETTINGS = "manifest.jsonl", "bucket.json"
OBJECTS, ODD = "objects", "odd"  # keys as paths; keys that cannot be, by their digest
HEADERS = ("cache_control", "content_disposition", "content_encoding", "content_language")
SAID = ("content_type", "metadata", "tags", *HEADERS)


def manifest_line(info: FileInfo, path: str) -> str:
    """One object: where it lies in the export, and all that is said of it."""
    record = info.record
    line = {
        "key": info.key,
        "path": path,
        "size": info.size,
        "etag": info.etag,
        "sha256": info.sha256,
        "crc64nvme": info.crc64nvme,
        "version_id": info.version_id,
        "updated_at": record["updated_at"],
        "expires_at": record["expires_at"],
        **{name: record[name] for name in SAID},
    }
    return json.dumps(line, ensure_ascii=False)


def paths_of(keys: Sequence[str]) -> dict[str, str]:
    """Each key's path in an export; every key has one, and no two the same."""
    parents = {key[:end] for key in keys for end in _slashes(key)}
    return {key: _path(key, parents) for key in keys}


def _path(key: str, parents: set[str]) -> str:
    if is_file_path(key) and key not in parents:  # where a/b is, a cannot be a file
        return f"{OBJECTS}/{key}"
    return f"{ODD}/{hashlib.sha256(key.encode()).hexdigest()}"


def _slashes(key: str) -> Iterator[int]:
    return (at for at, letter in enumerate(key) if letter == "/")


def to_directory(client: Client, infos: Iterable[FileInfo], paths: dict[str, str], root: Path) -> list[Step]:
    """Steps that bring each object to its path below the directory."""
    files = ((StoredFile.of(info, info.key), paths[info.key]) for info in infos)
    return [download(client, file, (root, path), Options(pinned=True)) for file, path in files]


def to_bucket(client: Client, infos: Iterable[FileInfo], paths: dict[str, str], copies: "S3Copies") -> list[Step]:
    """Steps that bring each object to its key in another object store, a version that is there already to nowhere."""
    return [_copied(client, info, paths[info.key], copies) for info in infos]


def _copied(client: Client, info: FileInfo, key: str, copies: "S3Copies") -> Step:
    from storage_service.providers.s3_copies import About

    headers = {name: info.record[name] for name in HEADERS}
    about = About(info.version_id, info.content_type, info.metadata, info.tags, headers)

    def work(progress: Progress) -> None:
        found = client.bucket(info.bucket).get(info.key, version_id=info.version_id, progress=progress)
        with found, _as_os_errors():
            copies.put(key, found.iter_bytes(), about)

    def is_there() -> bool:
        with _as_os_errors():
            return copies.holds(key, info.size, info.version_id)

    return Step(f"{info.bucket}/{info.key}", f"s3://{copies.bucket}/{key}", info.size, work, is_there)


@contextmanager
def _as_os_errors() -> Iterator[None]:
    from storage_service.providers.errors import ProviderError

    try:
        yield
    except ProviderError as error:
        raise OSError(str(error)) from error


def write_whole(path: Path, write: Callable[[TextIO], Any]) -> None:
    """A text file that is there with all of it, or as it was before. Raises: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
