"""The change feed as events: each settled row of the journal with what the catalog still knows around it. Blocking."""

from typing import Any

import orjson

from storage_service.app.backends.catalog.reading import Reader
from storage_service.app.backends.catalog.rows import SELECT_BUCKET, bucket_of
from storage_service.app.backends.catalog.schema import COLUMNS, DEAD_COLUMNS, MOST_FAILURES, last_sequence, version_of
from storage_service.app.core.errors import FeedGone
from storage_service.app.core.events import Circumstances, Event, FeedRow, event_of
from storage_service.app.core.objects import Bucket, Version

OLDEST = "SELECT min(seq) FROM journal"
WAITS = f"SELECT min(seq) FROM journal WHERE doc IS NOT NULL AND failures<{MOST_FAILURES}"
# Up to the first row that is still owed; one that was set aside is passed, or the feed would end there.
PAGE = (
    "SELECT seq,at_ms,bucket,key,vid,op,actor,victim FROM journal j WHERE seq>? AND doc IS NULL"
    f" AND seq<coalesce(({WAITS}),j.seq+1) ORDER BY seq LIMIT ?"
)
ANY_BUCKET = SELECT_BUCKET.replace(" WHERE closed_ms IS NULL", " WHERE id IN (SELECT value FROM json_each(?))")
HEADS = f"SELECT {COLUMNS} FROM objects WHERE (bucket,key) IN (SELECT value->>1,value->>2 FROM json_each(?))"
OTHERS = f"SELECT {DEAD_COLUMNS} FROM others WHERE vid IN (SELECT value FROM json_each(?))"
_DEAD = ",".join(f"o.{name}" for name in DEAD_COLUMNS.split(","))
BEFORE = (
    f"SELECT w.value->>0,{_DEAD} FROM json_each(?) w JOIN others o ON o.bucket=w.value->>1 AND o.key=w.value->>2"
    " WHERE o.seq=(SELECT max(x.seq) FROM others x WHERE x.bucket=o.bucket AND x.key=o.key AND x.seq<w.value->>0)"
)


class FeedReader:
    """Pages of the feed. Safe from any thread."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def end(self) -> int:
        """The last sequence that a page may hold now; 0 before the first change."""
        connection = self._reader.connection
        waits = connection.execute(WAITS).fetchone()
        return last_sequence(connection) if waits is None or waits[0] is None else int(waits[0]) - 1

    def page(self, after: int, limit: int) -> list[Event]:
        """The events past `after`, oldest first.

        Raises:
            FeedGone: entries between `after` and the oldest kept are no longer there.
        """
        connection = self._reader.connection
        row = connection.execute(OLDEST).fetchone()
        oldest = last_sequence(connection) + 1 if row is None or row[0] is None else int(row[0])
        if 0 < after < oldest - 1:
            raise FeedGone(f"The change feed begins at {oldest}", oldest=oldest)
        rows: list[tuple[Any, ...]] = connection.execute(PAGE, (after, limit)).fetchall()
        if not rows:
            return []
        buckets = self._buckets({row[2] for row in rows})
        changes = [FeedRow(row[0], row[1], buckets.get(row[2]), *row[3:]) for row in rows]
        return self._told(changes, [(row[0], row[2], row[3]) for row in rows if row[3] is not None])

    def _told(self, changes: list[FeedRow], places: list[tuple[int, int, str]]) -> list[Event]:
        """`places`: sequence, bucket and key of those about objects."""
        text = orjson.dumps(places).decode()
        connection = self._reader.connection
        heads = {(found.bucket, found.key): found for found in map(version_of, connection.execute(HEADS, (text,)))}
        ended = self._others([change.version_id for change in changes if change.version_id])
        before = {row[0]: version_of(row[1:]) for row in connection.execute(BEFORE, (text,))}
        where = {sequence: heads.get((bucket, key)) for sequence, bucket, key in places}
        named = {change.sequence: _named(change, where.get(change.sequence), ended) for change in changes}
        sources = self._others([source for version in named.values() if (source := _source_of(version))])
        return [
            event_of(
                change,
                Circumstances(
                    named[change.sequence],
                    where.get(change.sequence),
                    before.get(change.sequence),
                    sources.get(_source_of(named[change.sequence])),
                ),
            )
            for change in changes
        ]

    def _buckets(self, numbers: set[int]) -> dict[int, Bucket]:
        found = self._reader.connection.execute(ANY_BUCKET, (orjson.dumps(sorted(numbers)).decode(),))
        return {row[0]: bucket_of(row) for row in found}

    def _others(self, version_ids: list[str]) -> dict[str, Version]:
        if not version_ids:
            return {}
        found = self._reader.connection.execute(OTHERS, (orjson.dumps(version_ids).decode(),))
        return {row[2]: version_of(row) for row in found}


def _named(change: FeedRow, head: Version | None, others: dict[str, Version]) -> Version | None:
    """The version the change is about, current or not."""
    if head is not None and head.version_id == change.version_id:
        return head
    return others.get(change.version_id or "")


def _source_of(version: Version | None) -> str:
    """The id of the version this one was copied from; empty where it was written."""
    if version is None or '"copied_from"' not in version.doc:
        return ""
    return str(orjson.loads(version.doc)["copied_from"]).partition("/")[2]
