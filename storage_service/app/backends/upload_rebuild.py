"""Unfinished uploads in a catalog made again: parts say all that is needed in their files' names.

Of a resumable upload only the lost catalog knew how far it was synced; an offset that is guessed could lie. It is said
to be lost.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import apsw
import orjson

from storage_service.app.backends.blobs import read_file
from storage_service.app.backends.catalog.schema import PART_COLUMNS, UPLOAD_COLUMNS
from storage_service.app.backends.catalog.settling import add_usage
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.part_names import part_of_name
from storage_service.app.backends.slots import Slots
from storage_service.app.backends.upload_files import RECORD
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import Bucket, Part, Upload, Usage, is_uuid

log = logging.getLogger(__name__)

LEAST_MS = 86_400_000  # how long a restored one lives at least


def restore_uploads(
    connection: apsw.Connection, root: str, disk: Disk, buckets: Mapping[str, Bucket], now_ms: int
) -> int:
    """Put the rows back, with what they count in usage; how many uploads were lost. `buckets`: open ones by id."""
    lost = 0
    for name in sorted(disk.names(root)):
        if not is_uuid(name):
            continue
        upload = _read(disk, f"{root}/{name}", buckets, now_ms)
        if upload is None:
            lost += 1
        elif not _is_completed(connection, upload):
            _restore(connection, upload, list(_parts(disk, f"{root}/{name}", name)), buckets)
    if lost:
        log.error("rebuild: %d unfinished uploads are lost: begun without parts of their own, or unreadable", lost)
    return lost


def _read(disk: Disk, directory: str, buckets: Mapping[str, Bucket], now_ms: int) -> Upload | None:
    try:
        record: dict[str, Any] = orjson.loads(read_file(disk, f"{directory}/{RECORD}"))
        upload = Upload(**{name: record[name] for name in Upload._fields})
        bucket = buckets[orjson.loads(upload.doc)["bucket"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("rebuild: upload %s: %s: %s", directory.rpartition("/")[2], type(error).__name__, error)
        return None
    if upload.kind != "multipart":
        return None
    return upload._replace(bucket=bucket.id, expires_ms=max(upload.expires_ms, now_ms + LEAST_MS))


def _is_completed(connection: apsw.Connection, upload: Upload) -> bool:
    """Its version is there: only the files of its parts had not been removed yet."""
    sql = "SELECT 1 FROM objects WHERE bucket=?1 AND key=?2 AND vid=?3 UNION ALL SELECT 1 FROM others WHERE vid=?3"
    return connection.execute(sql, (upload.bucket, upload.key, upload.version_id)).fetchone() is not None


def _parts(disk: Disk, directory: str, upload_id: str) -> Iterator[Part]:
    """The latest whole attempt of each number."""
    newest: dict[int, Part] = {}
    slots = Slots(directory, disk)
    for name in sorted(disk.names(directory)):  # attempts of a number in the order of time
        part = part_of_name(name, upload_id)
        if part is not None:
            with contextlib.suppress(FileNotFoundError, DamagedObject):
                slots.find(part)
                newest[part.number] = part
    yield from newest.values()


def _restore(connection: apsw.Connection, upload: Upload, parts: list[Part], buckets: Mapping[str, Bucket]) -> None:
    size = sum(part.size for part in parts)
    row = upload._replace(phase="open", size=size, stamp=len(parts), ended_ms=None, result=None)
    marks = ",".join("?" * len(row))
    connection.execute(f"INSERT INTO uploads({UPLOAD_COLUMNS}) VALUES({marks})", row)
    marks = ",".join("?" * len(Part._fields))
    connection.executemany(f"INSERT INTO parts({PART_COLUMNS}) VALUES({marks})", parts)
    owner = next(bucket.owner for bucket in buckets.values() if bucket.id == upload.bucket)
    add_usage(connection, "bucket", str(upload.bucket), Usage(upload_bytes=size))
    add_usage(connection, "owner", owner, Usage(upload_bytes=size))
