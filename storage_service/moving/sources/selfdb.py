"""A volume of SelfDB's storage service: a directory for each bucket, plain files in it (contract §9)."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from storage_service.moving.model import BucketSettings, Entry, Version
from storage_service.moving.sources.directory import FileOpened, files_below, opened_file

METADATA = ".metadata.json"  # name, is_public, owner_id, created_at; absent in generation B


class SelfDbSource:
    """All its buckets, with owner and access. Types are told by names: the volume does not have them."""

    def __init__(self, root: Path) -> None:
        self._root = str(root.resolve())
        self.name = f"selfdb {self._root}"

    def close(self) -> None:
        """Nothing is kept open."""

    def buckets(self) -> list[str]:
        with os.scandir(self._root) as entries:
            return sorted(
                entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."
            )

    def settings(self, bucket: str) -> BucketSettings:
        """A damaged file makes a private bucket: what may be shown is not guessed."""
        found = BucketSettings()
        try:
            record: dict[str, Any] = orjson.loads(Path(self._root, bucket, METADATA).read_bytes())
            found.public = record.get("is_public") is True
            owner = record.get("owner_id")
        except FileNotFoundError:
            return found
        except (OSError, ValueError, AttributeError):
            found.left.append(f"{METADATA}, which cannot be read: the bucket is private and the service's own")
            return found
        found.owner = owner if isinstance(owner, str) and owner else None
        return found

    def entries(self, bucket: str, prefix: str) -> Iterator[Entry]:
        return files_below(f"{self._root}/{bucket}", prefix, frozenset({METADATA}))

    def open(self, bucket: str, version: Version) -> FileOpened:
        return opened_file(f"{self._root}/{bucket}", version.key)
