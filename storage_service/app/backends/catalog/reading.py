"""What a reader asks: look-ups, pages of lists, counters, the feed. Blocking; a connection for each thread."""

import operator
import threading
import unicodedata
from collections.abc import Sequence
from typing import Any

import apsw
import orjson

from storage_service.app.backends.catalog.rows import SELECT_BUCKET, USAGE_COLUMNS, bucket_of
from storage_service.app.backends.catalog.schema import (
    COLUMNS,
    DEAD_COLUMNS,
    MOST_FAILURES,
    Durability,
    connect,
    last_sequence,
    version_of,
)
from storage_service.app.core.errors import FeedGone
from storage_service.app.core.objects import (
    NULL_ID,
    TAKEN_MS,
    Bucket,
    ChangeRecord,
    Found,
    Listing,
    ListQuery,
    PageQuery,
    Usage,
    Version,
)

# A body is read after its row, so that no reader falls between settle and the blob.
_HEAD = ",".join(f"o.{name}" for name in COLUMNS.split(","))
_DEAD = ",".join(f"o.{name}" for name in DEAD_COLUMNS.split(","))
FIND_ALL = (
    f"SELECT json_group_array(json_array({_HEAD},b.seq)) FROM json_each(?) w CROSS JOIN objects o"
    " ON o.bucket=w.value->>0 AND o.key=w.value->>1 LEFT JOIN bodies b ON b.seq=o.seq"
)
FIND_BODIES = "SELECT seq,body FROM bodies WHERE seq IN (SELECT value FROM json_each(?))"
# Both tables at once: a version that moves between them must not be missed.
FIND_VERSION = (
    f"SELECT {_HEAD},NULL,NULL,NULL,b.body FROM objects o LEFT JOIN bodies b ON b.seq=o.seq"
    f" WHERE o.bucket=?1 AND o.key=?2 AND o.vid=?3 UNION ALL SELECT {_DEAD},b.body FROM others o"
    " LEFT JOIN bodies b ON b.seq=o.seq WHERE o.vid=?3 AND o.bucket=?1 AND o.key=?2"
)
# The version written while the bucket kept none; of the dead that bear the mark none is meant.
FIND_NULL = (
    f"SELECT {_HEAD},NULL,NULL,NULL,b.body FROM objects o LEFT JOIN bodies b ON b.seq=o.seq"
    f" WHERE o.bucket=?1 AND o.key=?2 AND o.flags&1 UNION ALL SELECT {_DEAD},b.body FROM others o"
    " LEFT JOIN bodies b ON b.seq=o.seq WHERE o.bucket=?1 AND o.key=?2 AND o.flags&1 AND o.gone_ms IS NULL"
)
FIND_FILE = f"SELECT {COLUMNS} FROM objects WHERE file_id=? AND bucket=?"

_ALIVE = "(expires_ms IS NULL OR expires_ms>:now)"
LIST_ALL = (
    f"SELECT json_group_array(json_array({_HEAD})) FROM (SELECT {COLUMNS} FROM objects"
    f" WHERE bucket=:bucket AND key{{sign}}:first {{bound}} AND {_ALIVE} ORDER BY key LIMIT :limit) o"
)
# From key to key; from one below a common prefix to behind all that have it.
_ROLLED = "instr(substr(k,:at),:delimiter)"
_BEHIND = f"iif({_ROLLED},substr(k,1,:at+{_ROLLED}+length(:delimiter)-2)||:last,k)"
LIST_ROLLED = (
    "WITH RECURSIVE walk(k) AS ("
    "SELECT * FROM (SELECT key FROM objects WHERE bucket=:bucket AND key{sign}:first {bound}"
    f" AND {_ALIVE} ORDER BY key LIMIT 1) UNION ALL"
    f" SELECT (SELECT key FROM objects WHERE bucket=:bucket AND key>{_BEHIND} {{bound}} AND {_ALIVE} ORDER BY key"
    " LIMIT 1) FROM walk WHERE k IS NOT NULL LIMIT :limit)"
    f" SELECT json_group_array(json_array({_HEAD})) FROM walk CROSS JOIN objects o ON o.bucket=:bucket AND o.key=k"
)

SORTS = {
    "name": "key",
    "size": "size",
    "created_at": "at_ms",
    "updated_at": "at_ms",
    "type": "doc->>'content_type'",
}


def folded(*texts: Any) -> str:
    """An SQL function, for comparison without case: macOS writes `é` as two code points, others as one."""
    return unicodedata.normalize("NFC", texts[0]).casefold()


class Reader:
    """Reads committed rows. Safe from any thread."""

    def __init__(self, path: str, durability: Durability) -> None:
        self._path = path
        self._durability = durability
        self._local = threading.local()
        self._all: list[apsw.Connection] = []

    @property
    def connection(self) -> apsw.Connection:
        try:
            return self._local.connection  # type: ignore[no-any-return]
        except AttributeError:
            made = connect(self._path, self._durability)
            made.execute("PRAGMA query_only=ON").fetchall()
            made.create_scalar_function("folded", folded, 1, deterministic=True)
            self._local.connection = made
            self._all.append(made)
            return made

    def close(self) -> None:
        """After the threads that read have ended."""
        for connection in self._all:
            connection.close()
        self._all = []
        self._local = threading.local()

    def buckets(self) -> list[Bucket]:
        """All open buckets, by name."""
        return [bucket_of(row) for row in self.connection.execute(f"{SELECT_BUCKET} ORDER BY name")]

    def find_all(self, places: Sequence[tuple[int, str]], bodies: bool = True) -> dict[tuple[int, str], Found]:
        """The current versions of these (bucket, key), whatever their expiry, with their journalled bodies.

        One statement that returns one row: each statement costs 7 µs, each row gives up the GIL; a key costs 2.5 µs.
        """
        answer = self.connection.execute(FIND_ALL, (orjson.dumps(places).decode(),)).get
        rows = orjson.loads(str(answer))
        waiting = self._bodies([row[-1] for row in rows if row[-1] is not None]) if bodies else {}
        # A body that left the journal in between was settled: its blob is there.
        return {(row[0], row[1]): Found(version_of(row[:-1]), waiting.get(row[-1])) for row in rows}

    def _bodies(self, sequences: list[int]) -> dict[int, bytes]:
        if not sequences:
            return {}
        text = orjson.dumps(sequences).decode()
        found: list[tuple[Any, ...]] = self.connection.execute(FIND_BODIES, (text,)).fetchall()
        return dict(found)

    def find_version(self, bucket: int, key: str, version_id: str) -> Found | None:
        """One version of a key: current, noncurrent, or in the trash."""
        if version_id == NULL_ID:
            row = self.connection.execute(FIND_NULL, (bucket, key)).fetchone()
        else:
            row = self.connection.execute(FIND_VERSION, (bucket, key, version_id)).fetchone()
        return Found(version_of(row[:-1]), row[-1]) if row else None

    def find_file(self, bucket: int, file_id: str) -> Version | None:
        row = self.connection.execute(FIND_FILE, (file_id, bucket)).fetchone()
        return version_of(row) if row else None

    def list_keys(self, bucket: int, query: ListQuery, now_ms: int) -> Listing:
        """One page in the byte order of keys. Past each common prefix it seeks, it does not walk."""
        if query.limit < 1:
            return Listing(())
        versions: list[Version] = []
        prefixes: list[str] = []
        for row in self._keys(bucket, query, now_ms):
            common = common_prefix(row[1], query)
            if common is None:
                versions.append(version_of(row))
            elif query.after != common:  # else it stood on the page before
                prefixes.append(common)
        if len(versions) + len(prefixes) > query.limit:
            return _cut(query, versions, prefixes)
        return Listing(tuple(versions), tuple(prefixes))

    def _keys(self, bucket: int, query: ListQuery, now_ms: int) -> list[tuple[Any, ...]]:
        """One row more than the page has; of those below a common prefix the first. One statement that returns one row:
        each row gives up the GIL, and beside a busy event loop waits for it."""
        end = next_prefix(query.prefix)
        values = {
            "bucket": bucket,
            "first": max(query.prefix, query.after),
            "end": end,
            "now": now_ms,
            "delimiter": query.delimiter,
            "at": len(query.prefix) + 1,
            "last": LAST * 257,
            # One of the rows may stand for what was on the page before.
            "limit": query.limit + (2 if query.delimiter else 1),
        }
        statement = LIST_ROLLED if query.delimiter else LIST_ALL
        sign = ">=" if query.after < query.prefix else ">"
        bound = "" if end is None else "AND key<:end"
        answer = self.connection.execute(statement.format(sign=sign, bound=bound), values).get
        rows: list[tuple[Any, ...]] = orjson.loads(str(answer))
        rows.sort(key=operator.itemgetter(1))  # as they are found; of an aggregate SQLite does not promise it
        return rows[: query.limit + 1 + any(common_prefix(row[1], query) == query.after for row in rows[:1])]

    def page(self, bucket: int, query: PageQuery, now_ms: int) -> tuple[list[Version], int]:
        """A sorted, searched page and how many there are in all."""
        where = "bucket=? AND (expires_ms IS NULL OR expires_ms>?) AND key>=?"
        values: list[Any] = [bucket, now_ms, query.prefix]
        if (end := next_prefix(query.prefix)) is not None:
            where += " AND key<?"
            values.append(end)
        if query.search:
            # SQLite's own knows ASCII only, and is a hundred times as fast.
            fold = "lower" if query.search.isascii() else "folded"
            where += f" AND instr({fold}(key),{fold}(?))"
            values.append(query.search)
        if query.delimiter:
            where += " AND key>? AND NOT instr(substr(key,?),?)"
            values += [query.prefix, len(query.prefix) + 1, query.delimiter]
        counted = self.connection.execute(f"SELECT count(*) FROM objects WHERE {where}", values).fetchone()
        order = f"{SORTS[query.sort]} {'DESC' if query.descending else 'ASC'}, key"
        sql = f"SELECT {COLUMNS} FROM objects WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
        found = self.connection.execute(sql, (*values, query.limit, query.offset))
        return [version_of(row) for row in found], int(counted[0]) if counted else 0

    def folders(self, bucket: int, query: ListQuery, now_ms: int) -> list[str]:
        """The first common prefixes behind `query.prefix`; `limit` counts them alone. Between them it walks the keys,
        below each it seeks."""
        start, end, at = query.prefix, next_prefix(query.prefix), len(query.prefix) + 1
        bound = "?3 IS NULL" if end is None else "key<?3"  # a bound of the index: behind it nothing is walked
        sql = (
            f"SELECT key FROM objects WHERE bucket=? AND key>=? AND {bound} AND instr(substr(key,?4),?5)"
            " AND (expires_ms IS NULL OR expires_ms>?6) ORDER BY key LIMIT 1"
        )
        found: list[str] = []
        while len(found) < query.limit:
            row = self.connection.execute(sql, (bucket, start, end, at, query.delimiter, now_ms)).fetchone()
            common = None if row is None else common_prefix(row[0], query)
            if common is None:
                break
            found.append(common)
            start = next_prefix(common) or last_of_prefix(common)
        return found

    def versions(self, bucket: int, key: str, trash: bool = False) -> list[Version]:
        """All versions of a key, newest first; `trash` adds those that were ended and can still be brought back."""
        gone = f" AND (gone_ms IS NULL OR due_ms<>{TAKEN_MS})" if trash else " AND gone_ms IS NULL"
        sql = (
            f"SELECT {COLUMNS},NULL,NULL,NULL FROM objects WHERE bucket=?1 AND key=?2 UNION ALL "
            f"SELECT {DEAD_COLUMNS} FROM others WHERE bucket=?1 AND key=?2{gone} ORDER BY 11 DESC"
        )
        return [version_of(row) for row in self.connection.execute(sql, (bucket, key))]

    def trash(self, bucket: int, prefix: str, after: str, limit: int) -> list[Version]:
        """The newest ended version of each key that is no longer there, by key: what can be undeleted."""
        sql = (
            f"SELECT {DEAD_COLUMNS} FROM others o WHERE bucket=?1 AND key>?2 AND key>=?3 AND gone_ms IS NOT NULL"
            f" AND due_ms<>{TAKEN_MS} AND NOT flags&2 AND substr(key,1,length(?3))=?3"
            " AND NOT EXISTS(SELECT 1 FROM objects h WHERE h.bucket=o.bucket AND h.key=o.key)"
            " AND seq=(SELECT max(seq) FROM others x WHERE x.bucket=o.bucket AND x.key=o.key AND NOT x.flags&2)"
            " ORDER BY key LIMIT ?4"
        )
        return [version_of(row) for row in self.connection.execute(sql, (bucket, after, prefix, limit))]

    def usage(self, scope: str, name: str) -> Usage:
        sql = f"SELECT {USAGE_COLUMNS} FROM usage WHERE scope=? AND id=?"
        row = self.connection.execute(sql, (scope, name)).fetchone()
        return Usage(*row) if row else Usage()

    def usages(self, scope: str) -> dict[str, Usage]:
        """All counters of a scope (`bucket` by number, `owner` by id)."""
        sql = f"SELECT id,{USAGE_COLUMNS} FROM usage WHERE scope=?"
        return {row[0]: Usage(*row[1:]) for row in self.connection.execute(sql, (scope,))}

    def changes(self, after: int, limit: int) -> list[ChangeRecord]:
        """The change feed past `after`, oldest first; only what is settled, so that no entry can vanish.

        Raises:
            FeedGone: entries between `after` and the oldest kept are no longer there.
        """
        connection = self.connection
        row = connection.execute("SELECT min(seq) FROM journal").fetchone()
        oldest = last_sequence(connection) + 1 if row is None or row[0] is None else int(row[0])
        if 0 < after < oldest - 1:
            raise FeedGone(f"The change feed begins at {oldest}", oldest=oldest)
        # Up to the first row that is still owed; one that was set aside is passed, or the feed would end there.
        waits = f"SELECT min(seq) FROM journal WHERE doc IS NOT NULL AND failures<{MOST_FAILURES}"
        sql = (
            "SELECT j.seq,j.at_ms,j.bucket,coalesce(b.name,''),j.key,j.vid,j.op,j.actor FROM journal j"
            " LEFT JOIN buckets b ON b.id=j.bucket WHERE j.seq>? AND j.doc IS NULL"
            f" AND j.seq<coalesce(({waits}),j.seq+1) ORDER BY j.seq LIMIT ?"
        )
        return [ChangeRecord(*row) for row in connection.execute(sql, (after, limit))]

    def state(self, name: str) -> Any:
        row = self.connection.execute("SELECT value FROM state WHERE name=?", (name,)).fetchone()
        return row[0] if row else None


def _cut(query: ListQuery, versions: list[Version], prefixes: list[str]) -> Listing:
    """The page without the one too many, and the cursor behind its last entry."""
    last_key = versions[-1].key if versions else ""
    last_prefix = prefixes[-1] if prefixes else ""
    if last_key > last_prefix:
        versions.pop()
    else:
        prefixes.pop()
    shown = [version.key for version in versions[-1:]] + [last_of_prefix(prefix) for prefix in prefixes[-1:]]
    return Listing(tuple(versions), tuple(prefixes), cursor=max(shown, default=query.after))


LAST = chr(0x10FFFF)
SURROGATES, AFTER_SURROGATES = 0xD800, 0xE000  # code points that are no characters


def common_prefix(key: str, query: ListQuery) -> str | None:
    """The part of the key up to the first delimiter after the prefix; None where it has none."""
    if not query.delimiter:
        return None
    at = key.find(query.delimiter, len(query.prefix))
    return None if at < 0 else key[: at + len(query.delimiter)]


def last_of_prefix(prefix: str) -> str:
    """A cursor behind every key with this prefix. Keys are ≤ 1,024 bytes, so none of them stands behind it."""
    return prefix + LAST * 257


def next_prefix(prefix: str) -> str | None:
    """The first string behind all that begin with `prefix`, in code point order (which is UTF-8's byte order)."""
    stripped = prefix.rstrip(LAST)
    if not stripped:
        return None
    code = ord(stripped[-1]) + 1
    return stripped[:-1] + chr(AFTER_SURROGATES if code == SURROGATES else code)
