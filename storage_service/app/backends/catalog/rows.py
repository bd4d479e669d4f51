"""One transaction over several changes: reads what `decide` asks, gathers what it writes, flushes in wide statements.

Every SQLite call gives up the GIL and must win it back from the event loop, so calls are few: keys are looked up
together, rows are inserted many a statement (commit-proof §3, design §2 "known traps"). Of many rows those of a page
come one after the other: a delete of 1,000 keys takes a sixth less of the thread.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import apsw
import orjson

from storage_service.app.backends.catalog.schema import COLUMNS, DEAD_COLUMNS, version_of
from storage_service.app.backends.catalog.upload_rows import UploadRows
from storage_service.app.core import sidecar
from storage_service.app.core.changes import BucketRow, Entry, Writes
from storage_service.app.core.objects import NULL_ID, Bucket, Part, Upload, Usage, Version

Row = TypeVar("Row")

WIDEST = 64  # rows a statement
EXACT = 16  # up to here each number of rows has a prepared statement of its own
USAGE_COLUMNS = "objects,bytes,noncurrent,noncurrent_bytes,upload_bytes,trash,trash_bytes"

INSERT_HEAD = f"INSERT INTO objects({COLUMNS}) VALUES "
HEAD_CONFLICT = " ON CONFLICT(bucket,key) DO UPDATE SET " + ",".join(
    f"{name}=excluded.{name}" for name in COLUMNS.split(",")[2:]
)
INSERT_OTHER = f"INSERT INTO others({DEAD_COLUMNS}) VALUES "
INSERT_ENTRY = "INSERT INTO journal(seq,at_ms,bucket,key,vid,op,actor,doc,victim) VALUES "
INSERT_BODY = "INSERT INTO bodies(seq,body) VALUES "
SELECT_BUCKET = "SELECT id,uuid,name,owner,generation,created_ms,updated_ms,doc FROM buckets WHERE closed_ms IS NULL"


def bucket_of(row: tuple[Any, ...]) -> Bucket:
    number, uuid, name, owner, generation, created_ms, updated_ms, doc = row
    options = sidecar.parse_options(orjson.loads(doc))
    return Bucket(number, uuid, name, owner, generation, created_ms, updated_ms, options)


class Transaction:
    """The `Rows` that `decide` reads, and where its writes are gathered. Lives for one BEGIN..COMMIT."""

    def __init__(self, connection: apsw.Connection, bucket_by_id: Callable[[int], Bucket | None]) -> None:
        self._connection = connection
        self._bucket_by_id = bucket_by_id
        self._seen: dict[tuple[int, str], Version | None] = {}
        self._heads: dict[tuple[int, str], Version | None] = {}
        self._others: list[Version] = []
        self._ended: list[Version] = []
        self._bodies: list[tuple[int, bytes]] = []
        self._log: list[Entry] = []
        self._usage: dict[tuple[str, str], Usage] = {}
        self._changed_buckets: dict[int, Bucket | None] = {}
        self._unfinished = UploadRows(connection)
        self.buckets_changed = False
        self.body_bytes = 0

    # What decide reads ------------------------------------------------------------------------------------------

    def prefetch(self, keys: Sequence[tuple[int, str]]) -> None:
        """Look the heads of these keys up in one statement."""
        wanted = sorted(set(keys))
        self._seen.update(dict.fromkeys(wanted))
        for chunk in _chunks(wanted):
            sql = f"SELECT {COLUMNS} FROM objects WHERE (bucket,key) IN (VALUES {_marks(chunk)})"
            for row in self._connection.execute(sql, _flat(chunk)):
                version = version_of(row)
                self._seen[version.bucket, version.key] = version

    def head(self, bucket: int, key: str) -> Version | None:
        if (bucket, key) not in self._seen:
            self.flush()
            self.prefetch([(bucket, key)])
        return self._seen[bucket, key]

    def bucket(self, number: int) -> Bucket | None:
        if number in self._changed_buckets:
            return self._changed_buckets[number]
        return self._bucket_by_id(number)

    def bucket_named(self, name: str) -> Bucket | None:
        row = self._one(f"{SELECT_BUCKET} AND name=?", (name,))
        return bucket_of(row) if row else None

    def is_leaving(self, name: str) -> bool:
        leaving = "SELECT 1 FROM buckets WHERE name=? AND closed_ms IS NOT NULL AND moved=0"
        return self._one(leaving, (name,)) is not None

    def next_bucket(self) -> int:
        row = self._one("SELECT seq FROM sqlite_sequence WHERE name='buckets'")  # never given twice
        return int(row[0]) + 1 if row else 1

    def version(self, bucket: int, key: str, version_id: str) -> Version | None:
        head = self.head(bucket, key)
        if version_id == NULL_ID:
            return head if head is not None and head.is_null else self.null_other(bucket, key)
        if head is not None and head.version_id == version_id:
            return head
        where = "vid=? AND bucket=? AND key=?"
        return self._other(where, (version_id, bucket, key))

    def newest_other(self, bucket: int, key: str, besides: str = "") -> Version | None:
        where = "bucket=? AND key=? AND vid<>? AND gone_ms IS NULL ORDER BY seq DESC LIMIT 1"
        return self._other(where, (bucket, key, besides))

    def null_other(self, bucket: int, key: str) -> Version | None:
        return self._other("bucket=? AND key=? AND flags&1 AND gone_ms IS NULL LIMIT 1", (bucket, key))

    def _other(self, where: str, values: tuple[object, ...]) -> Version | None:
        row = self._one(f"SELECT {DEAD_COLUMNS} FROM others WHERE {where}", values)
        return version_of(row) if row else None

    def file_place(self, file_id: str) -> tuple[int, str] | None:
        row = self._one("SELECT bucket,key FROM objects WHERE file_id=?", (file_id,))
        return (row[0], row[1]) if row else None

    def usage(self, scope: str, name: str) -> Usage:
        row = self._one(f"SELECT {USAGE_COLUMNS} FROM usage WHERE scope=? AND id=?", (scope, name))
        return Usage(*row) if row else Usage()

    def has_objects(self, bucket: int) -> bool:
        if self._one("SELECT 1 FROM objects WHERE bucket=? LIMIT 1", (bucket,)):
            return True
        living = "SELECT 1 FROM others WHERE bucket=? AND gone_ms IS NULL AND NOT flags&2 LIMIT 1"
        return self._one(living, (bucket,)) is not None

    def has_body(self, sequence: int) -> bool:
        return self._one("SELECT 1 FROM bodies WHERE seq=?", (sequence,)) is not None

    def is_used(self, once: str) -> bool:
        return self._one("SELECT 1 FROM once WHERE id=?", (once,)) is not None

    def upload(self, upload_id: str) -> Upload | None:
        return self._unfinished.upload(upload_id)

    def part(self, upload_id: str, number: int) -> Part | None:
        return self._unfinished.part(upload_id, number)

    def _one(self, sql: str, values: tuple[object, ...] = ()) -> tuple[Any, ...] | None:
        """A row that is not a prefetched head: what has been gathered is written first, so that it is seen."""
        self.flush()
        return self._connection.execute(sql, values).fetchone()

    # What decide writes -----------------------------------------------------------------------------------------

    def apply(self, writes: Writes, *, alone: bool) -> None:
        """Gather one change's writes. `alone`: flush on both sides, where ids change hands between keys."""
        if alone:
            self.flush()
        for place in writes.dropped_heads:
            self._seen[place] = self._heads[place] = None
        for version in writes.heads:
            place = (version.bucket, version.key)
            self._seen[place] = self._heads[place] = version
        self._ended += writes.dropped_others
        self._others += writes.others
        self._bodies += writes.bodies
        self.body_bytes += sum(len(body) for _, body in writes.bodies)
        self._log += writes.log
        for scope, name, delta in writes.usage:
            held = self._usage.get((scope, name))
            self._usage[scope, name] = delta if held is None else held.plus(delta)
        self._unfinished.gather(writes)
        self._rare(writes)
        if alone or writes.buckets:
            self.flush()

    def _rare(self, writes: Writes) -> None:
        for row in writes.buckets:
            self._write_bucket(row)
        for source, target in writes.body_copies:
            self.flush()
            self._connection.execute("INSERT INTO bodies SELECT ?,body FROM bodies WHERE seq=?", (target, source))
            copied = self._one("SELECT length(body) FROM bodies WHERE seq=?", (target,))
            self.body_bytes += copied[0] if copied else 0
        for name, until_ms in writes.once:
            self._connection.execute("INSERT INTO once VALUES(?,?)", (name, until_ms))

    def _write_bucket(self, row: BucketRow) -> None:
        made = row.bucket
        self._connection.execute(
            "INSERT OR REPLACE INTO buckets(id,uuid,name,owner,generation,created_ms,updated_ms,doc,closed_ms)"
            " VALUES(?,?,?,?,?,?,?,?,?)",
            (
                made.id,
                made.uuid,
                made.name,
                made.owner,
                made.generation,
                made.created_ms,
                made.updated_ms,
                orjson.dumps(sidecar.render_options(made.options)).decode(),
                made.updated_ms if row.closed else None,
            ),
        )
        self._changed_buckets[made.id] = None if row.closed else made
        self.buckets_changed = True

    def flush(self) -> None:
        """Write what has been gathered. The dead and the dropped go first, so that no unique index is in the way."""
        connection = self._connection
        if self._ended:
            connection.executemany(
                "DELETE FROM others WHERE bucket=? AND key=? AND seq=?",
                [(version.bucket, version.key, version.sequence) for version in self._ended],
            )
            self._ended = []
        if self._heads:
            self._flush_heads()
        if self._others:
            self._others.sort(key=_place_of)
            self._wide(INSERT_OTHER, self._others)
            self._others = []
        if self._log:
            self._wide(INSERT_ENTRY, self._log)
            self._log = []
        if self._bodies:
            self._wide(INSERT_BODY, self._bodies)
            self._bodies = []
        if self._usage:
            self._flush_usage()
        self._unfinished.flush()

    def _flush_heads(self) -> None:
        for chunk in _chunks(sorted(place for place, version in self._heads.items() if version is None)):
            sql = f"DELETE FROM objects WHERE (bucket,key) IN (VALUES {_marks(chunk)})"
            self._connection.execute(sql, _flat(chunk))
        living = [version[:13] for version in self._heads.values() if version is not None]
        self._wide(INSERT_HEAD, living, HEAD_CONFLICT)
        self._heads = {}

    def _flush_usage(self) -> None:
        sets = ",".join(f"{name}={name}+excluded.{name}" for name in USAGE_COLUMNS.split(","))
        rows = [(scope, name, *delta) for (scope, name), delta in self._usage.items()]
        self._wide("INSERT INTO usage VALUES ", rows, f" ON CONFLICT(scope,id) DO UPDATE SET {sets}")
        self._usage = {}

    def _wide(self, sql: str, rows: Sequence[Sequence[object]], tail: str = "") -> None:
        for chunk in _chunks(rows):
            self._connection.execute(sql + _marks(chunk) + tail, _flat(chunk))


def _place_of(version: Version) -> tuple[int, str, int]:
    return version.bucket, version.key, version.sequence


def _marks(rows: Sequence[Sequence[object]]) -> str:
    return ",".join(["(" + ",".join("?" * len(rows[0])) + ")"] * len(rows))


def _flat(rows: Sequence[Sequence[object]]) -> list[object]:
    return [value for row in rows for value in row]


def _chunks(rows: Sequence[Row]) -> list[Sequence[Row]]:
    """Cut into few pieces of few different lengths: one piece up to `EXACT` rows, else multiples of it and a rest."""
    pieces, start = [], 0
    while start < len(rows):
        left = len(rows) - start
        width = left if left <= EXACT else min(WIDEST, left - left % EXACT)
        pieces.append(rows[start : start + width])
        start += width
    return pieces
