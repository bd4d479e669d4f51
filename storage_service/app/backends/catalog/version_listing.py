"""Pages over all versions of all keys: what is current and what is not, merged in the order of S3's lists. Blocking."""

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice

import apsw

from storage_service.app.backends.catalog.reading import Reader, common_prefix, last_of_prefix, next_prefix
from storage_service.app.backends.catalog.schema import COLUMNS, DEAD_COLUMNS, version_of
from storage_service.app.core.objects import NULL_ID, ListQuery, Version, VersionListing, VersionQuery

NOTHING = -1  # below every sequence
# A version may have ended since the page that named it: the dead are looked up too, as long as they are kept.
PLACE_OF = (
    "SELECT seq FROM objects WHERE bucket=?1 AND key=?2 AND vid=?3"
    " UNION ALL SELECT seq FROM others WHERE vid=?3 AND bucket=?1 AND key=?2"
)
PLACE_OF_NULL = (
    "SELECT seq FROM objects WHERE bucket=?1 AND key=?2 AND flags&1"
    " UNION ALL SELECT seq FROM others WHERE bucket=?1 AND key=?2 AND flags&1 ORDER BY seq DESC"
)
# Ids grow with time: where the named one is forgotten, those made before it are what is left to show.
PLACE_BEFORE = "SELECT max(seq)+1 FROM others WHERE bucket=?1 AND key=?2 AND vid<?3"

Entry = tuple[Version, bool]
Place = tuple[str, int]  # a key, and the sequence behind which its versions are listed


class VersionLister:
    """Reads committed rows. Safe from any thread."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def page(self, bucket: int, query: VersionQuery, now_ms: int) -> VersionListing:
        """Past each common prefix it seeks, it does not walk."""
        if query.limit < 1:
            return VersionListing(())
        connection = self._reader.connection
        connection.execute("BEGIN").fetchall()  # one view of both tables: what moves between them is seen once
        try:
            return _Page(connection, bucket, query, now_ms).read()
        finally:
            connection.execute("COMMIT").fetchall()


class _Page:
    """One page on its way."""

    def __init__(self, connection: apsw.Connection, bucket: int, query: VersionQuery, now_ms: int) -> None:
        self._connection = connection
        self._bucket = bucket
        self._query = query
        self._rolled = ListQuery(query.prefix, query.delimiter, query.after, query.limit)
        self._now_ms = now_ms
        self._entries: list[Entry] = []
        self._prefixes: list[str] = []

    def read(self) -> VersionListing:
        place: Place | None = self._start()
        limit = self._query.limit
        while place is not None and len(self._entries) + len(self._prefixes) <= limit:
            place = self._run(place)
        if len(self._entries) + len(self._prefixes) <= limit:
            return VersionListing(tuple(self._entries), tuple(self._prefixes))
        last_key = self._entries[-1][0].key if self._entries else ""
        if last_key > (self._prefixes[-1] if self._prefixes else ""):
            self._entries.pop()
        else:
            self._prefixes.pop()
        return VersionListing(tuple(self._entries), tuple(self._prefixes), truncated=True)

    def _start(self) -> Place:
        query = self._query
        if not query.after_version:
            return (query.after, NOTHING)
        place = (self._bucket, query.after, query.after_version)
        if query.after_version == NULL_ID:
            row = self._connection.execute(PLACE_OF_NULL, place[:2]).fetchone()
        else:
            row = self._connection.execute(PLACE_OF, place).fetchone()
        if row is None:
            row = self._connection.execute(PLACE_BEFORE, place).fetchone()
        return (query.after, NOTHING if row is None or row[0] is None else int(row[0]))

    def _run(self, place: Place) -> Place | None:
        """Read behind `place` until a key rolls up or the page has one too many; where to seek next."""
        room = self._query.limit + 1 - len(self._entries) - len(self._prefixes)
        seen = place[0] if place[1] != NOTHING else None
        count = 0
        for version in islice(self._rows(place, room), room):
            count += 1
            common = common_prefix(version.key, self._rolled)
            if common is not None:
                if self._query.after != common:
                    self._prefixes.append(common)
                return (last_of_prefix(common), NOTHING)
            self._entries.append((version, version.key != seen))
            seen = version.key
        last = self._entries[-1][0] if count else None
        return None if last is None or count < room else (last.key, last.sequence)

    def _rows(self, place: Place, limit: int) -> Iterator[Version]:
        """Heads and others behind `place`, each already in order."""
        heads = self._select(f"{COLUMNS},NULL,NULL,NULL", "objects", "", place, limit)
        others = self._select(DEAD_COLUMNS, "others", " AND gone_ms IS NULL", place, limit)
        return merge(heads, others, key=lambda version: (version.key, -version.sequence))

    def _select(self, columns: str, table: str, living: str, place: Place, limit: int) -> Iterable[Version]:
        after, sequence = place
        where, values = "bucket=?", [self._bucket]
        bounds: list[object] = []
        if after < self._query.prefix:
            where, bounds = f"{where} AND key>=?", [self._query.prefix]
        elif sequence == NOTHING:
            where, bounds = f"{where} AND key>?", [after]
        else:
            where, bounds = f"{where} AND key>=? AND (key>? OR seq<?)", [after, after, sequence]
        if (end := next_prefix(self._query.prefix)) is not None:
            where, bounds = f"{where} AND key<?", [*bounds, end]
        sql = (
            f"SELECT {columns} FROM {table} WHERE {where}{living} AND (expires_ms IS NULL OR expires_ms>?)"
            " ORDER BY key, seq DESC LIMIT ?"
        )
        rows = self._connection.execute(sql, (*values, *bounds, self._now_ms, limit))
        return [version_of(row) for row in rows]
