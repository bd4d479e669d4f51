"""What the jobs process asks of the catalog: what settle owes, what is due, and marking it done.

Its transactions take the commit lock in small pieces, so that no writer waits long. They are made with
`synchronous=NORMAL`: a mark lost by a power cut is settled again.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import apsw
import orjson

from storage_service.app.backends.catalog.rows import (
    SELECT_BUCKET,
    USAGE_COLUMNS,
    Transaction,
    bucket_of,
)
from storage_service.app.backends.catalog.schema import COLUMNS, DEAD_COLUMNS, connect, last_sequence, version_of
from storage_service.app.core.changes import Change
from storage_service.app.core.commit import Moment, decide
from storage_service.app.core.errors import StorageError
from storage_service.app.core.objects import Bucket, Usage, Version

MARKED_AT_ONCE = 400  # rows; about 5 ms under the lock
JOURNAL_TAIL = 500_000  # rows: about a minute at full speed
MOST_FAILURES = 5  # then a row is set aside


class Owed(NamedTuple):
    """A journal row that is not settled yet, with its body if that is journalled."""

    sequence: int
    at_ms: int
    bucket: int
    key: str | None
    version_id: str | None
    op: str
    doc: str
    victim: str | None
    failures: int
    body: bytes | None


class Settling:
    """Used by one thread of the jobs process (or of a recovery, before any listener opens)."""

    def __init__(self, path: str, lock_path: str) -> None:
        self._connection = connect(path, "crash-safe", checkpoints=True)
        self._lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        with self.held():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def owed(self, limit: int, most_bytes: int) -> list[Owed]:
        """What waits, in order; rows that were set aside are left out. Read in one short snapshot."""
        sql = (
            "SELECT j.seq,j.at_ms,j.bucket,j.key,j.vid,j.op,j.doc,j.victim,j.failures,b.body FROM journal j"
            " LEFT JOIN bodies b ON b.seq=j.seq WHERE j.doc IS NOT NULL AND j.failures<? ORDER BY j.seq LIMIT ?"
        )
        rows: list[Owed] = []
        size = 0
        cursor = self._connection.execute(sql, (MOST_FAILURES, limit))
        for row in cursor:
            rows.append(Owed(*row))
            size += len(row[-1] or b"")
            if size > most_bytes:
                cursor.close()
                break
        return rows

    def backlog(self) -> tuple[int, int, int, int]:
        """(rows, bytes of bodies, when the oldest was committed in ms, rows set aside)."""
        sql = "SELECT count(*),coalesce(min(at_ms),0),total(failures>=?) FROM journal WHERE doc IS NOT NULL"
        rows, oldest, parked = self._connection.execute(sql, (MOST_FAILURES,)).fetchone()
        (size,) = self._connection.execute("SELECT coalesce(sum(length(body)),0) FROM bodies").fetchone()
        return int(rows), int(size), int(oldest), int(parked)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """The commit lock, with nothing written: counters of other processes stand still."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def apply(self, changes: Sequence[Change], moment_at: Callable[[int], Moment]) -> int:
        """Commit changes of a job's own; those that may not be made are left out. How many rows the journal grew by."""
        with self._transaction() as connection:
            start = last_sequence(connection)
            moment = moment_at(start)
            rows = Transaction(connection, self.open_buckets().get)
            for change in changes:
                before = moment.sequence
                try:
                    rows.apply(decide(change, rows, moment), alone=False)
                except StorageError:
                    moment.sequence = before
            rows.flush()
        return moment.sequence - start

    def heads(self, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Version]:
        """The current versions of these keys."""
        text = orjson.dumps(keys).decode()
        sql = (
            f"SELECT {COLUMNS} FROM objects WHERE (bucket,key) IN "  # noqa: S608 (our own column names)
            "(SELECT value->>0,value->>1 FROM json_each(?))"
        )
        found = [version_of(row) for row in self._connection.execute(sql, (text,))]
        return {(version.bucket, version.key): version for version in found}

    def dead(self, version_ids: Sequence[str]) -> dict[str, Version]:
        """Those of these versions that were ended and are still in the catalog."""
        sql = (
            f"SELECT {DEAD_COLUMNS} FROM others WHERE gone_ms IS NOT NULL AND vid IN "  # noqa: S608
            "(SELECT value FROM json_each(?))"
        )
        found = self._connection.execute(sql, (orjson.dumps(version_ids).decode(),))
        return {row[2]: version_of(row) for row in found}

    def versions(self, bucket: int, key: str) -> list[Version]:
        """Every version of a key, the dead ones too."""
        sql = (
            f"SELECT {COLUMNS},NULL,NULL,NULL FROM objects WHERE bucket=?1 AND key=?2 UNION ALL "  # noqa: S608
            f"SELECT {DEAD_COLUMNS} FROM others WHERE bucket=?1 AND key=?2"
        )
        return [version_of(row) for row in self._connection.execute(sql, (bucket, key))]

    def known_versions(self, version_ids: Sequence[str]) -> set[str]:
        """Which of these have a row. The journal's tail knows nearly all; what it does not is looked for everywhere."""
        tail = "SELECT vid FROM journal WHERE seq>(SELECT max(seq) FROM journal)-? AND vid IN "
        known = self._among(version_ids, tail, JOURNAL_TAIL)
        for table in ("others", "objects"):
            left = [version_id for version_id in version_ids if version_id not in known]
            if left:
                known |= self._among(left, f"SELECT vid FROM {table} WHERE 0=? AND vid IN ", 0)  # noqa: S608
        return known

    def _among(self, version_ids: Sequence[str], sql: str, number: int) -> set[str]:
        text = orjson.dumps(version_ids).decode()
        rows = self._connection.execute(f"{sql}(SELECT value FROM json_each(?))", (number, text))
        return {row[0] for row in rows}

    def buckets(self) -> dict[int, tuple[Bucket, bool]]:
        """Every bucket by number, with whether it was deleted and its directory has been put away."""
        sql = SELECT_BUCKET.replace(",doc FROM", ",moved,doc FROM").replace(" WHERE closed_ms IS NULL", "")
        rows = self._connection.execute(sql).fetchall()
        return {row[0]: (bucket_of((*row[:-2], row[-1])), bool(row[-2])) for row in rows}

    def open_buckets(self) -> dict[int, Bucket]:
        """Those that are not deleted, by number."""
        return {row[0]: bucket_of(row) for row in self._connection.execute(SELECT_BUCKET).fetchall()}

    def mark(self, sequences: Sequence[int], *, settled_below: int | None = None) -> None:
        """These rows are on disk: drop their documents and bodies. `settled_below`: the settled sequence from now on."""
        for start in range(0, len(sequences), MARKED_AT_ONCE):
            text = orjson.dumps(sequences[start : start + MARKED_AT_ONCE]).decode()
            with self._transaction() as connection:
                connection.execute("DELETE FROM bodies WHERE seq IN (SELECT value FROM json_each(?))", (text,))
                connection.execute("UPDATE journal SET doc=NULL WHERE seq IN (SELECT value FROM json_each(?))", (text,))
        if settled_below is not None:
            self.set_state("settled", settled_below)

    def mark_moved(self, bucket: int) -> None:
        with self._transaction() as connection:
            connection.execute("UPDATE buckets SET moved=1 WHERE id=?", (bucket,))

    def count_failure(self, sequences: Sequence[int]) -> None:
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE journal SET failures=failures+1 WHERE seq=?", [(sequence,) for sequence in sequences]
            )

    def retry_parked(self) -> int:
        """Try again what was set aside, as at every start; how many rows."""
        with self._transaction() as connection:
            connection.execute("UPDATE journal SET failures=0 WHERE doc IS NOT NULL AND failures>0")
            return int(connection.changes())

    def state(self, name: str) -> Any:
        row = self._connection.execute("SELECT value FROM state WHERE name=?", (name,)).fetchone()
        return row[0] if row else None

    def set_state(self, name: str, value: int | str) -> None:
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO state VALUES(?,?)", (name, value))

    # What is due ------------------------------------------------------------------------------------------------

    def expired(self, now_ms: int, limit: int) -> list[Version]:
        """Current versions past their expiry."""
        sql = f"SELECT {COLUMNS} FROM objects WHERE expires_ms<=? ORDER BY expires_ms LIMIT ?"  # noqa: S608
        return [version_of(row) for row in self._connection.execute(sql, (now_ms, limit))]

    def due_dead(self, now_ms: int, limit: int) -> list[Version]:
        """Ended versions whose time is over and whose end is settled, oldest first."""
        sql = f"SELECT {DEAD_COLUMNS} FROM others WHERE due_ms<=? AND gone_seq<=? ORDER BY due_ms LIMIT ?"  # noqa: S608
        rows = self._connection.execute(sql, (now_ms, int(self.state("settled") or 0), limit))
        return [version_of(row) for row in rows]

    def dead_before(self, gone_ms: int, limit: int) -> list[Version]:
        """Ended versions in the trash, those that ended first before the others, if that was before `gone_ms`."""
        sql = (
            f"SELECT {DEAD_COLUMNS} FROM others WHERE due_ms IS NOT NULL AND gone_ms<=? AND gone_seq<=?"  # noqa: S608
            " ORDER BY gone_ms LIMIT ?"
        )
        rows = self._connection.execute(sql, (gone_ms, int(self.state("settled") or 0), limit))
        return [version_of(row) for row in rows]

    def forget_dead(self, versions: Sequence[Version], owners: dict[int, str]) -> None:
        """Take removed versions out of rows and counters. Rows first, so that a crash leaves only orphans."""
        with self._transaction() as connection:
            connection.executemany(
                "DELETE FROM others WHERE vid=? AND gone_ms IS NOT NULL",
                [(version.version_id,) for version in versions],
            )
            for version in versions:
                delta = Usage(trash=-1, trash_bytes=-version.size)
                if not version.is_marker:
                    add_usage(connection, "bucket", str(version.bucket), delta)
                    add_usage(connection, "owner", owners.get(version.bucket, ""), delta)

    def hasten(self, version_id: str, due_ms: int) -> bool:
        """Let garbage take a dead version no later than `due_ms`; whether there was one."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE others SET due_ms=min(due_ms,?) WHERE vid=? AND gone_ms IS NOT NULL", (due_ms, version_id)
            )
            return bool(connection.changes())

    def closed_buckets(self, before_ms: int) -> list[tuple[int, str, str]]:
        """(number, uuid, owner) of deleted, put-away buckets whose days in the trash are over."""
        sql = "SELECT id,uuid,owner FROM buckets WHERE closed_ms<=? AND moved=1"
        return list(self._connection.execute(sql, (before_ms,)))  # type: ignore[arg-type]

    def forget_bucket(self, number: int, owner: str) -> bool:
        """Take some rows of a removed bucket out; True when nothing is left of it."""
        with self._transaction() as connection:
            for table in ("objects", "others"):
                sql = f"SELECT key,vid FROM {table} WHERE bucket=? LIMIT ?"  # noqa: S608 (our own table names)
                rows = connection.execute(sql, (number, MARKED_AT_ONCE)).fetchall()
                delete = f"DELETE FROM {table} WHERE bucket=? AND key=? AND vid=?"  # noqa: S608
                connection.executemany(delete, [(number, *row) for row in rows])
                if rows:
                    return False
            row = connection.execute(
                f"SELECT {USAGE_COLUMNS} FROM usage WHERE scope='bucket' AND id=?",  # noqa: S608
                (str(number),),
            ).fetchone()
            left = Usage(*row) if row else Usage()
            add_usage(connection, "owner", owner, Usage(trash=-left.trash, trash_bytes=-left.trash_bytes))
            connection.execute("DELETE FROM usage WHERE scope='bucket' AND id=?", (str(number),))
            connection.execute("DELETE FROM buckets WHERE id=?", (number,))
        return True

    def trim(self, feed_before_ms: int, now_ms: int, limit: int) -> int:
        """Forget feed entries and used links that are old enough; how many entries went."""
        sql = "DELETE FROM journal WHERE seq IN (SELECT seq FROM journal WHERE at_ms<? AND doc IS NULL LIMIT ?)"
        with self._transaction() as connection:
            connection.execute(sql, (feed_before_ms, limit))
            gone = connection.changes()
            connection.execute("DELETE FROM once WHERE until_ms<?", (now_ms,))
        return int(gone)

    def checkpoint(self) -> None:
        """Write the WAL back when nothing else is to be done, so that an idle service starts quickly."""
        with self.held():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def add_usage(connection: apsw.Connection, scope: str, name: str, delta: Usage) -> None:
    sets = ",".join(f"{column}={column}+excluded.{column}" for column in USAGE_COLUMNS.split(","))
    connection.execute(
        f"INSERT INTO usage VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT(scope,id) DO UPDATE SET {sets}",  # noqa: S608
        (scope, name, *delta),
    )
