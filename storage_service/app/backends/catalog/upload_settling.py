"""What the jobs ask of the catalog about uploads in pieces: which are stale, whose files may go, what is done."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from storage_service.app.backends.catalog.settling import Settling
from storage_service.app.core.objects import UploadPhase


class Ended(NamedTuple):
    """An upload whose files are to go. One that is still `open` lost its bucket."""

    id: str
    bucket: int
    version_id: str
    phase: UploadPhase


class UploadSettling:
    """Used by the thread that has the `Settling`."""

    def __init__(self, catalog: Settling) -> None:
        self._catalog = catalog

    def stale(self, now_ms: int, limit: int) -> list[tuple[str, int]]:
        """(id, bucket) of those past their expiry, in buckets that are open."""
        sql = (
            "SELECT id,bucket FROM uploads WHERE phase='open' AND expires_ms<=?"
            " AND bucket IN (SELECT id FROM buckets WHERE closed_ms IS NULL) ORDER BY expires_ms LIMIT ?"
        )
        return [(str(row[0]), int(row[1])) for row in self._catalog.connection.execute(sql, (now_ms, limit))]

    def ended(self, limit: int) -> list[Ended]:
        """Completed, aborted, or without a bucket."""
        columns = "SELECT id,bucket,vid,phase FROM uploads"
        sql = (
            f"{columns} WHERE phase<>'open' AND cleared=0 UNION ALL {columns} WHERE phase='open'"
            " AND bucket NOT IN (SELECT id FROM buckets WHERE closed_ms IS NULL) LIMIT ?"
        )
        return [Ended(*row) for row in self._catalog.connection.execute(sql, (limit,))]

    def forget(self, uploads: Sequence[Ended]) -> None:
        """Their files are gone. A completed one is remembered for its result, the others are not."""
        with self._catalog.transaction() as connection:
            names = [(upload.id,) for upload in uploads]
            connection.executemany("DELETE FROM parts WHERE upload=?", names)
            connection.executemany("UPDATE uploads SET cleared=1 WHERE id=? AND phase='done'", names)
            connection.executemany("DELETE FROM uploads WHERE id=? AND phase<>'done'", names)

    def forget_results(self, ended_before_ms: int) -> None:
        """Completed ones that nobody asks for any more."""
        sql = "SELECT 1 FROM uploads WHERE phase<>'open' AND ended_ms<? AND cleared LIMIT 1"
        if self._catalog.connection.execute(sql, (ended_before_ms,)).fetchone():
            with self._catalog.transaction() as connection:
                sql = "DELETE FROM uploads WHERE phase<>'open' AND ended_ms<? AND cleared"
                connection.execute(sql, (ended_before_ms,))

    def known(self, upload_ids: Sequence[str]) -> set[str]:
        """Which of these have a row."""
        sql = "SELECT id FROM uploads WHERE id IN (SELECT value FROM json_each(?))"
        rows = self._catalog.connection.execute(sql, (orjson.dumps(upload_ids).decode(),))
        return {str(row[0]) for row in rows}
