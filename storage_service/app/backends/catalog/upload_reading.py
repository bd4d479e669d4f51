"""What a reader asks about uploads in pieces. Blocking."""

from storage_service.app.backends.catalog.reading import Reader, next_prefix
from storage_service.app.backends.catalog.schema import PART_COLUMNS, UPLOAD_COLUMNS
from storage_service.app.core.objects import Part, Upload


class UploadReader:
    """Reads committed rows. Safe from any thread."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def upload(self, upload_id: str) -> Upload | None:
        sql = f"SELECT {UPLOAD_COLUMNS} FROM uploads WHERE id=?"
        row = self._reader.connection.execute(sql, (upload_id,)).fetchone()
        return Upload(*row) if row else None

    def parts(self, upload_id: str, after: int, limit: int) -> list[Part]:
        """By number, behind `after`."""
        sql = f"SELECT {PART_COLUMNS} FROM parts WHERE upload=? AND number>? ORDER BY number LIMIT ?"
        return [Part(*row) for row in self._reader.connection.execute(sql, (upload_id, after, limit))]

    def uploads(self, bucket: int, prefix: str, after: tuple[str, str], limit: int) -> list[Upload]:
        """Open ones by key and id, behind `after`; pieces that are to be joined with others have no key and are left
        out."""
        where = "phase='open' AND bucket=? AND (key,id)>(?,?) AND key>=? AND kind<>'partial'"
        values: list[object] = [bucket, *after, prefix]
        if (end := next_prefix(prefix)) is not None:
            where += " AND key<?"
            values.append(end)
        sql = f"SELECT {UPLOAD_COLUMNS} FROM uploads WHERE {where} ORDER BY key,id LIMIT ?"
        return [Upload(*row) for row in self._reader.connection.execute(sql, (*values, limit))]

    def open_totals(self) -> tuple[int, int]:
        """How many are open, pieces too, and their bytes."""
        sql = "SELECT count(*),coalesce(sum(size),0) FROM uploads WHERE phase='open'"
        row = self._reader.connection.execute(sql).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)
