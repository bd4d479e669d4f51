"""Uploads in pieces, as one transaction sees and writes them: gathered here, flushed with the rest."""

from typing import Any

import apsw

from storage_service.app.backends.catalog.schema import PART_COLUMNS, UPLOAD_COLUMNS
from storage_service.app.core.changes import Writes
from storage_service.app.core.objects import Part, Upload

PUT_UPLOAD = (
    f"INSERT INTO uploads({UPLOAD_COLUMNS}) VALUES({','.join('?' * len(Upload._fields))})"
    " ON CONFLICT(id) DO UPDATE SET " + ",".join(f"{name}=excluded.{name}" for name in UPLOAD_COLUMNS.split(",")[1:])
)
PUT_PART = f"INSERT OR REPLACE INTO parts({PART_COLUMNS}) VALUES({','.join('?' * len(Part._fields))})"


class UploadRows:
    """Lives for one BEGIN..COMMIT."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._uploads: dict[str, Upload] = {}
        self._parts: dict[tuple[str, int], Part] = {}

    def upload(self, upload_id: str) -> Upload | None:
        gathered = self._uploads.get(upload_id)
        if gathered is not None:
            return gathered
        row = self._one(f"SELECT {UPLOAD_COLUMNS} FROM uploads WHERE id=?", (upload_id,))
        return Upload(*row) if row else None

    def part(self, upload_id: str, number: int) -> Part | None:
        gathered = self._parts.get((upload_id, number))
        if gathered is not None:
            return gathered
        row = self._one(f"SELECT {PART_COLUMNS} FROM parts WHERE upload=? AND number=?", (upload_id, number))
        return Part(*row) if row else None

    def _one(self, sql: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        return self._connection.execute(sql, values).fetchone()

    def gather(self, writes: Writes) -> None:
        for upload in writes.uploads:
            self._uploads[upload.id] = upload
        for part in writes.parts:
            self._parts[part.upload, part.number] = part

    def flush(self) -> None:
        if self._uploads:
            self._connection.executemany(PUT_UPLOAD, list(self._uploads.values()))
            self._uploads = {}
        if self._parts:
            self._connection.executemany(PUT_PART, list(self._parts.values()))
            self._parts = {}
