"""What SelfDB knows of its files besides their bytes: a bucket's `.metadata.json`, and the backend's table of files.

Source: SelfDB storage_service v0.0.2 and its backend's `buckets` and `files`.
"""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from storage_service.app.backends.foreign_files import SELFDB
from storage_service.app.core.objects import is_uuid
from storage_service.app.process.admin import Refused
from storage_service.app.process.pg_dump import TITLE, Row, rows_of

LOOK_CHARACTERS = 4096  # of a file's start: enough to tell what it is
BUCKET_COLUMNS = ("bucket", "bucket_name", "minio_bucket_name")


class Named(NamedTuple):
    """A row of the backend's table."""

    filename: str
    content_type: str
    owner: str
    file_id: str
    bucket_id: str


Table = dict[tuple[str, str], Named]


def read_selfdb(directory: Path) -> dict[str, Any]:
    """What SelfDB says of a bucket; empty where it says nothing that can be read."""
    try:
        found = json.loads((directory / SELFDB).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def made_ms(said: dict[str, Any]) -> int | None:
    """When SelfDB made the bucket, in milliseconds since 1970."""
    try:
        return int(float(said["created_at"]) * 1000)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def read_table(path: Path) -> Table:
    """Bucket and object name -> what the backend knew, of a plain dump of its database or a CSV.

    Raises: Refused.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            is_dump = TITLE in file.read(LOOK_CHARACTERS)
            file.seek(0)
            rows = _of_dump(file) if is_dump else list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise Refused(f"{path} is neither a CSV nor a plain dump of PostgreSQL (pg_dump -Fp): {error}") from None
    if is_dump and not rows:
        raise Refused(f"{path} holds no rows of the table files; dump the tables buckets and files, without --inserts")
    column = next((name for name in BUCKET_COLUMNS if rows and name in rows[0]), None)
    if column is None or "object_name" not in rows[0]:
        raise Refused(f"{path} needs a header line with the columns {' or '.join(BUCKET_COLUMNS)}, and object_name")
    return {(str(row[column]), str(row["object_name"])): _named(row) for row in rows}


def _of_dump(file: TextIO) -> list[Row]:
    """The rows of `files`, each with its bucket's name."""
    buckets: dict[str, str] = {}
    files: list[Row] = []
    for table, row in rows_of(file):
        if table == "buckets":
            buckets[row["id"]] = row.get("minio_bucket_name") or row["name"]
        elif table == "files":
            files.append(row)
    for row in files:
        row["bucket_name"] = buckets.get(row.get("bucket_id", "")) or row.get("bucket_name", "")
    return files


def _named(row: dict[str, Any]) -> Named:
    def text(name: str) -> str:
        return str(row.get(name) or "")

    def identity(name: str) -> str:
        return text(name).lower() if is_uuid(text(name)) else ""

    return Named(text("filename"), text("content_type"), text("owner_id"), identity("id"), identity("bucket_id"))
