"""What SelfDB knows of its files besides their bytes: a bucket's `.metadata.json`, and the backend's table of files.

Source: SelfDB storage_service v0.0.2 and its backend's `buckets` and `files`.
"""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

from storage_service.app.backends.foreign_files import SELFDB
from storage_service.app.core.objects import is_uuid
from storage_service.app.process.admin import Refused

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
    """Bucket and object name -> what the backend knew.

    Raises: Refused.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise Refused(f"{path} cannot be read as CSV: {error}") from None
    column = next((name for name in BUCKET_COLUMNS if rows and name in rows[0]), None)
    if column is None or "object_name" not in rows[0]:
        raise Refused(f"{path} needs a header line with the columns {' or '.join(BUCKET_COLUMNS)}, and object_name")
    return {(str(row[column]), str(row["object_name"])): _named(row) for row in rows}


def _named(row: dict[str, Any]) -> Named:
    def text(name: str) -> str:
        return str(row.get(name) or "")

    def identity(name: str) -> str:
        return text(name).lower() if is_uuid(text(name)) else ""

    return Named(text("filename"), text("content_type"), text("owner_id"), identity("id"), identity("bucket_id"))
