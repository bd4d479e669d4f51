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
from storage_service.app.backends.catalog.schema import (
    COLUMNS,
    DEAD_COLUMNS,
    MOST_FAILURES,
    connect,
    last_sequence,
    version_of,
)
from storage_service.app.core.changes import Change
from storage_service.app.core.commit import decide
from storage_service.app.core.decision import Moment
from storage_service.app.core.errors import StorageError
from storage_service.app.core.objects import TAKEN_MS, Bucket, Usage, Version

MARKED_AT_ONCE = 400  # rows; about 5 ms under the lock
JOURNAL_TAIL = 500_000  # rows: about a minute at full speed


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


class Backlog(NamedTuple):
    """What waits: rows, bytes of their bodies, when the oldest was committed (ms; 0: none). `parked` are apart."""

    rows: int
    bytes: int
    oldest_ms: int
    parked: int


class Progress(NamedTuple):
    """How far the journal is settled. Up to `settled` nothing waits; up to `whole` nothing was set aside either."""

    settled: int
    whole: int


class Settling:
    """Used by one thread of the jobs process (or of a recovery, before any listener opens)."""

    def __init__(self, path: str, lock_path: str) -> None:
        self._connection = connect(path, "crash-safe", checkpoints=True)
        self._lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)

    @property
    def connection(self) -> apsw.Connection:
        """For reads of the jobs that have tables of their own."""
        return self._connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """The commit lock and BEGIN..COMMIT; keep it short."""
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

    def backlog(self) -> Backlog:
        sql = (
            "SELECT count(*),total(length(b.body)),coalesce(min(at_ms),0),j.failures>=? AS parked FROM journal j"
            " LEFT JOIN bodies b ON b.seq=j.seq WHERE j.doc IS NOT NULL GROUP BY parked"
        )
        found = {bool(row[3]): row for row in self._connection.execute(sql, (MOST_FAILURES,))}
        rows, size, oldest, _ = found.get(False, (0, 0, 0, 0))
        return Backlog(int(rows), int(size), int(oldest), int(found[True][0]) if True in found else 0)

    def progress(self) -> Progress:
        last = "(SELECT seq FROM sqlite_sequence WHERE name='journal')"
        waits, owed = (
            f"(SELECT min(seq)-1 FROM journal WHERE doc IS NOT NULL{also})" for also in (" AND failures<?", "")
        )
        sql = f"SELECT coalesce({waits},{last},0),coalesce({owed},{last},0)"
        rows: list[tuple[Any, ...]] = self._connection.execute(sql, (MOST_FAILURES,)).fetchall()
        settled, whole = rows[0]
        return Progress(int(settled), int(whole))

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
        with self.transaction() as connection:
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
        sql = f"SELECT {COLUMNS} FROM objects WHERE (bucket,key) IN (SELECT value->>0,value->>1 FROM json_each(?))"
        found = [version_of(row) for row in self._connection.execute(sql, (text,))]
        return {(version.bucket, version.key): version for version in found}

    def dead(self, version_ids: Sequence[str]) -> dict[str, Version]:
        """Those of these versions that were ended and are still in the catalog."""
        sql = f"SELECT {DEAD_COLUMNS} FROM others WHERE gone_ms IS NOT NULL AND vid IN (SELECT value FROM json_each(?))"
        found = self._connection.execute(sql, (orjson.dumps(version_ids).decode(),))
        return {row[2]: version_of(row) for row in found}

    def written(self, bucket: int, key: str, version_id: str) -> Version | None:
        """The version as its sidecar may say it now: not yet dead while its end is owed. None once it was removed."""
        for version in self.versions(bucket, key):
            if version.version_id == version_id:
                owed = "SELECT 1 FROM journal WHERE seq=? AND doc IS NOT NULL"
                alive = version.gone_sequence is not None and self._connection.execute(owed, (version.gone_sequence,))
                if alive and alive.fetchone():
                    return version._replace(gone_ms=None, gone_sequence=None, due_ms=None)
                return version
        return None

    def versions(self, bucket: int, key: str) -> list[Version]:
        """Every version of a key, newest first, the dead ones too."""
        return list(self.history(bucket, key))

    def history(self, bucket: int, key: str) -> Iterator[Version]:
        """The same, read one by one: a key that is written often has many dead ones, and who asks needs the newest."""
        for table, columns in (("objects", f"{COLUMNS},NULL,NULL,NULL"), ("others", DEAD_COLUMNS)):
            sql = f"SELECT {columns} FROM {table} WHERE bucket=? AND key=? ORDER BY seq DESC"
            for row in self._connection.execute(sql, (bucket, key)):
                yield version_of(row)

    def keys_after(self, sequence: int, limit: int) -> list[tuple[int, int, str]]:
        """(sequence, bucket, key) of the settled changes behind this sequence, in order."""
        sql = "SELECT seq,bucket,key FROM journal WHERE seq>? AND doc IS NULL AND key IS NOT NULL ORDER BY seq LIMIT ?"
        return [(row[0], row[1], row[2]) for row in self._connection.execute(sql, (sequence, limit))]

    def known_versions(self, version_ids: Sequence[str]) -> set[str]:
        """Which of these have a row. The journal's tail knows nearly all; what it does not is looked for everywhere."""
        tail = "SELECT vid FROM journal WHERE seq>(SELECT max(seq) FROM journal)-? AND vid IN "
        known = self._among(version_ids, tail, JOURNAL_TAIL)
        for table in ("others", "objects"):
            left = [version_id for version_id in version_ids if version_id not in known]
            if left:
                known |= self._among(left, f"SELECT vid FROM {table} WHERE 0=? AND vid IN ", 0)
        return known

    def _among(self, version_ids: Sequence[str], sql: str, number: int) -> set[str]:
        text = orjson.dumps(version_ids).decode()
        rows = self._connection.execute(f"{sql}(SELECT value FROM json_each(?))", (number, text))
        return {row[0] for row in rows}

    def buckets(self) -> dict[int, tuple[Bucket, bool]]:
        """Every bucket by number, with whether it was deleted and its directory has been put away."""
        sql = SELECT_BUCKET.replace(",doc FROM", ",moved,doc FROM").replace(" WHERE closed_ms IS NULL", "")
        rows: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
        return {int(row[0]): (bucket_of((*row[:-2], row[-1])), bool(row[-2])) for row in rows}

    def open_buckets(self) -> dict[int, Bucket]:
        """Those that are not deleted, by number."""
        rows: list[tuple[Any, ...]] = self._connection.execute(SELECT_BUCKET).fetchall()
        return {row[0]: bucket_of(row) for row in rows}

    def bucket_usages(self) -> dict[int, Usage]:
        """The counters of every bucket, by number."""
        sql = f"SELECT id,{USAGE_COLUMNS} FROM usage WHERE scope='bucket'"
        return {int(row[0]): Usage(*row[1:]) for row in self._connection.execute(sql)}

    def mark(self, sequences: Sequence[int], *, viewed: int) -> Progress:
        """These rows are on disk: drop their documents and bodies. `viewed`: so far the view is on disk too.
        Returns how far the journal is settled from now on."""
        for start in range(0, len(sequences), MARKED_AT_ONCE):
            text = orjson.dumps(sequences[start : start + MARKED_AT_ONCE]).decode()
            with self.transaction() as connection:
                connection.execute("DELETE FROM bodies WHERE seq IN (SELECT value FROM json_each(?))", (text,))
                connection.execute("UPDATE journal SET doc=NULL WHERE seq IN (SELECT value FROM json_each(?))", (text,))
        progress = self.progress()
        with self.transaction() as connection:
            for name, value in (("settled", progress.settled), ("viewed", viewed)):
                connection.execute("INSERT OR REPLACE INTO state VALUES(?,?)", (name, value))
        return progress

    def mark_moved(self, bucket: int) -> None:
        with self.transaction() as connection:
            connection.execute("UPDATE buckets SET moved=1 WHERE id=?", (bucket,))

    def count_failure(self, sequences: Sequence[int]) -> None:
        with self.transaction() as connection:
            connection.executemany(
                "UPDATE journal SET failures=failures+1 WHERE seq=?", [(sequence,) for sequence in sequences]
            )

    def retry_parked(self) -> int:
        """Try again what was set aside, as at every start; how many rows. One failure stays on them: later rows may
        have been settled meanwhile, and settle must not write an old word over theirs."""
        with self.transaction() as connection:
            connection.execute("UPDATE journal SET failures=1 WHERE doc IS NOT NULL AND failures>0")
            return int(connection.changes())

    def state(self, name: str) -> Any:
        row = self._connection.execute("SELECT value FROM state WHERE name=?", (name,)).fetchone()
        return row[0] if row else None

    def set_state(self, name: str, value: int | str) -> None:
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO state VALUES(?,?)", (name, value))

    # What is due ------------------------------------------------------------------------------------------------

    def expired(self, now_ms: int, limit: int) -> list[Version]:
        """Current versions past their expiry, in buckets that are not deleted."""
        sql = (
            f"SELECT {COLUMNS} FROM objects WHERE expires_ms<=?"
            " AND bucket IN (SELECT id FROM buckets WHERE closed_ms IS NULL) ORDER BY expires_ms LIMIT ?"
        )
        return [version_of(row) for row in self._connection.execute(sql, (now_ms, limit))]

    def due_dead(self, now_ms: int, limit: int) -> list[Version]:
        """Ended versions whose time is over and whose end is settled, oldest first."""
        sql = f"SELECT {DEAD_COLUMNS} FROM others WHERE due_ms<=? AND gone_seq<=? ORDER BY due_ms LIMIT ?"
        rows = self._connection.execute(sql, (now_ms, int(self.state("settled") or 0), limit))
        return [version_of(row) for row in rows]

    def dead_before(self, gone_ms: int, limit: int) -> list[Version]:
        """Ended versions in the trash, those that ended first before the others, if that was before `gone_ms`."""
        sql = (
            f"SELECT {DEAD_COLUMNS} FROM others WHERE due_ms IS NOT NULL AND gone_ms<=? AND gone_seq<=?"
            " ORDER BY gone_ms LIMIT ?"
        )
        rows = self._connection.execute(sql, (gone_ms, int(self.state("settled") or 0), limit))
        return [version_of(row) for row in rows]

    def take_dead(self, versions: Sequence[Version]) -> None:
        """From now on nobody copies these: their files are about to go. Earlier copies are on their way to disk."""
        with self.transaction() as connection:
            connection.executemany(
                "UPDATE others SET due_ms=? WHERE vid=? AND gone_ms IS NOT NULL",
                [(TAKEN_MS, version.version_id) for version in versions],
            )

    def forget_dead(self, versions: Sequence[Version], owners: dict[int, str]) -> None:
        """Take removed versions out of rows and counters, once their files are gone."""
        wanted = "gone_ms IS NOT NULL AND vid IN (SELECT value FROM json_each(?))"
        sql = f"DELETE FROM others WHERE {wanted} RETURNING bucket,size"
        text = orjson.dumps([version.version_id for version in versions]).decode()
        with self.transaction() as connection:
            gone: list[tuple[Any, ...]] = connection.execute(sql, (text,)).fetchall()
            for bucket, size in gone:
                delta = Usage(trash=-1, trash_bytes=-size)
                add_usage(connection, "bucket", str(bucket), delta)
                if bucket in owners:
                    add_usage(connection, "owner", owners[bucket], delta)

    def hasten(self, version_id: str, due_ms: int) -> bool:
        """Let garbage take a dead version no later than `due_ms`; whether there was one."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE others SET due_ms=min(due_ms,?) WHERE vid=? AND gone_ms IS NOT NULL", (due_ms, version_id)
            )
            return bool(connection.changes())

    def closed_buckets(self, before_ms: int) -> list[tuple[int, str, str]]:
        """(number, uuid, owner) of deleted, put-away buckets whose days in the trash are over."""
        sql = "SELECT id,uuid,owner FROM buckets WHERE closed_ms<=? AND moved=1"
        return [(int(row[0]), str(row[1]), str(row[2])) for row in self._connection.execute(sql, (before_ms,))]

    def clear_bucket(self, number: int) -> bool:
        """Take some rows of a removed bucket out; True when none is left."""
        with self.transaction() as connection:
            for table in ("objects", "others"):
                sql = f"SELECT key,vid FROM {table} WHERE bucket=? LIMIT ?"
                rows = connection.execute(sql, (number, MARKED_AT_ONCE)).fetchall()
                delete = f"DELETE FROM {table} WHERE bucket=? AND key=? AND vid=?"
                connection.executemany(delete, [(number, *row) for row in rows])
                if rows:
                    return False
        return True

    def forget_bucket(self, number: int, owner: str) -> None:
        """The bucket itself, once its rows and its files are gone."""
        with self.transaction() as connection:
            row = connection.execute(
                f"SELECT {USAGE_COLUMNS} FROM usage WHERE scope='bucket' AND id=?",
                (str(number),),
            ).fetchone()
            left = Usage(*row) if row else Usage()
            add_usage(connection, "owner", owner, Usage(trash=-left.trash, trash_bytes=-left.trash_bytes))
            connection.execute("DELETE FROM usage WHERE scope='bucket' AND id=?", (str(number),))
            connection.execute("DELETE FROM buckets WHERE id=?", (number,))

    def trim(self, feed_before_ms: int, now_ms: int, limit: int) -> int:
        """Forget feed entries and used links that are old enough; how many entries went. The feed loses its beginning
        only, so that a reader who missed something can be told."""
        first = "(SELECT seq,at_ms,doc FROM journal ORDER BY seq LIMIT ?1)"
        kept = f"(SELECT min(seq) FROM {first} WHERE at_ms>=?2 OR doc IS NOT NULL)"
        sql = f"DELETE FROM journal WHERE seq IN (SELECT seq FROM {first}) AND seq<coalesce({kept},seq+1)"
        with self.transaction() as connection:
            connection.execute(sql, (limit, feed_before_ms))
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
        f"INSERT INTO usage VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT(scope,id) DO UPDATE SET {sets}",
        (scope, name, *delta),
    )
