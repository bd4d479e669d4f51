"""What `check`, `where` and `settle --wait` ask of the catalog. Short reads only: a long one would let the WAL grow."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import apsw
import orjson

from storage_service.app.backends.catalog.rows import SELECT_BUCKET, bucket_of
from storage_service.app.backends.catalog.schema import (
    COLUMNS,
    DEAD_COLUMNS,
    MOST_FAILURES,
    PART_COLUMNS,
    UPLOAD_COLUMNS,
    connect,
    version_of,
)
from storage_service.app.core.objects import Bucket, Part, Upload, Version

ROWS_AT_ONCE = 1_000
_HEADS = f"SELECT {COLUMNS},NULL,NULL,NULL FROM objects"
_OTHERS = f"SELECT {DEAD_COLUMNS} FROM others"


class Debt(NamedTuple):
    """Journal rows that are not files yet. `parked` of them were set aside after too many failures."""

    waiting: int
    parked: int


class ParkedRow(NamedTuple):
    sequence: int
    bucket: int
    key: str | None
    version_id: str | None
    op: str


class Auditor:
    """Reads a catalog that others may be writing. One thread."""

    def __init__(self, path: str) -> None:
        """Raises: apsw.Error when there is no readable catalog."""
        self._connection = connect(path, "power-safe")
        self._connection.execute("PRAGMA query_only=ON").fetchall()

    def close(self) -> None:
        self._connection.close()

    # Rows, page by page -----------------------------------------------------------------------------------------

    def buckets(self) -> dict[int, Bucket]:
        """Open buckets by number."""
        return {row[0]: bucket_of(row) for row in self._connection.execute(SELECT_BUCKET)}

    def leaving(self) -> set[str]:
        """Names of deleted buckets whose directory has not been put away yet."""
        sql = "SELECT name FROM buckets WHERE closed_ms IS NOT NULL AND moved=0"
        return {str(row[0]) for row in self._connection.execute(sql)}

    def versions(self, bucket: int) -> Iterator[list[Version]]:
        """Every version of a bucket, the dead ones too, in pages; each page is one short read."""
        yield from self.current(bucket)
        yield from self._others(bucket)

    def current(self, bucket: int) -> Iterator[list[Version]]:
        """Current versions by key, in pages."""
        after = ""
        sql = f"{_HEADS} WHERE bucket=? AND key>? ORDER BY key LIMIT ?"
        while page := self._page(sql, (bucket, after, ROWS_AT_ONCE)):
            yield page
            after = page[-1].key

    def _others(self, bucket: int) -> Iterator[list[Version]]:
        after, sequence = "", 0
        sql = f"{_OTHERS} WHERE bucket=?1 AND (key>?2 OR (key=?2 AND seq<?3)) ORDER BY key,seq DESC LIMIT ?4"
        while page := self._page(sql, (bucket, after, sequence, ROWS_AT_ONCE)):
            yield page
            after, sequence = page[-1].key, page[-1].sequence

    def _page(self, sql: str, values: tuple[object, ...]) -> list[Version]:
        return [version_of(row) for row in self._connection.execute(sql, values)]

    def history(self, bucket: int, key: str) -> list[Version]:
        """Every version of a key, newest first."""
        where = "WHERE bucket=?1 AND key=?2"
        sql = f"{_HEADS} {where} UNION ALL {_OTHERS} {where} ORDER BY 11 DESC"
        return self._page(sql, (bucket, key))

    def heads(self, bucket: int, keys: Sequence[str]) -> dict[str, Version]:
        sql = f"{_HEADS} WHERE bucket=? AND key IN (SELECT value FROM json_each(?))"
        return {version.key: version for version in self._page(sql, (bucket, orjson.dumps(keys).decode()))}

    # Uploads in pieces ------------------------------------------------------------------------------------------

    def uploads(self) -> list[Upload]:
        """All that have a row, by id."""
        return [Upload(*row) for row in self._connection.execute(f"SELECT {UPLOAD_COLUMNS} FROM uploads ORDER BY id")]

    def upload(self, upload_id: str) -> Upload | None:
        row = self._connection.execute(f"SELECT {UPLOAD_COLUMNS} FROM uploads WHERE id=?", (upload_id,)).fetchone()
        return Upload(*row) if row else None

    def parts(self, upload_id: str) -> list[Part]:
        sql = f"SELECT {PART_COLUMNS} FROM parts WHERE upload=? ORDER BY number"
        return [Part(*row) for row in self._connection.execute(sql, (upload_id,))]

    # What is owed -----------------------------------------------------------------------------------------------

    def settled(self, versions: Sequence[Version]) -> dict[str, Version]:
        """The rows of these versions as they are now, by version id: only those that stand in an open bucket and owe
        nothing to the disk. One snapshot."""
        with self._snapshot():
            owed = self._owed_versions()
            wanted = [version for version in versions if version.version_id not in owed]
            found: dict[str, Version] = {}
            for bucket in {version.bucket for version in wanted} & self.buckets().keys():
                own = [version for version in wanted if version.bucket == bucket]
                heads = self.heads(bucket, [version.key for version in own])
                found |= {version.version_id: version for version in heads.values()}
                text = orjson.dumps([version.version_id for version in own]).decode()
                sql = f"{_OTHERS} WHERE vid IN (SELECT value FROM json_each(?))"
                found |= {version.version_id: version for version in self._page(sql, (text,))}
        names = {version.version_id for version in wanted}
        return {name: version for name, version in found.items() if name in names}

    def _snapshot(self) -> apsw.Connection:
        return self._connection  # a connection is a context manager: one savepoint, so one view of the file

    def _owed_versions(self) -> set[str]:
        rows = self._connection.execute("SELECT vid,victim FROM journal WHERE doc IS NOT NULL")
        return {str(name) for row in rows for name in row if name}

    def owed_keys(self, bucket: int) -> set[str]:
        """Keys of a bucket with unsettled changes."""
        sql = "SELECT key FROM journal WHERE doc IS NOT NULL AND bucket=? AND key IS NOT NULL"
        return {str(row[0]) for row in self._connection.execute(sql, (bucket,))}

    def owed_buckets(self) -> set[int]:
        """Buckets whose own sidecar is still to be written."""
        sql = "SELECT bucket FROM journal WHERE doc IS NOT NULL AND key IS NULL"
        return {int(row[0]) for row in self._connection.execute(sql)}

    def known(self, version_ids: Sequence[str]) -> set[str]:
        """Which of these have a row anywhere. Reads all of `objects` once."""
        text = orjson.dumps(version_ids).decode()
        wanted = "(SELECT value FROM json_each(?1))"
        sql = f"SELECT vid FROM objects WHERE vid IN {wanted} UNION ALL SELECT vid FROM others WHERE vid IN {wanted}"
        return {str(row[0]) for row in self._connection.execute(sql, (text,))}

    def is_owed(self, version_id: str) -> bool:
        return version_id in self._owed_versions()

    def parked(self) -> list[ParkedRow]:
        sql = "SELECT seq,bucket,key,vid,op FROM journal WHERE doc IS NOT NULL AND failures>=? ORDER BY seq"
        return [ParkedRow(*row) for row in self._connection.execute(sql, (MOST_FAILURES,))]

    def last_sequence(self) -> int:
        """The newest change that was committed."""
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name='journal'").fetchone()
        return int(row[0]) if row else 0

    def debt(self, up_to: int) -> Debt:
        """What is owed of the changes up to this sequence."""
        sql = "SELECT total(failures<?1),total(failures>=?1) FROM journal WHERE doc IS NOT NULL AND seq<=?2"
        waiting, parked = self._connection.execute(sql, (MOST_FAILURES, up_to)).fetchone()  # type: ignore[misc]
        return Debt(int(waiting), int(parked))
