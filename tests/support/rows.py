"""The rows of a catalog in dictionaries: what `decide` reads, what it writes, and the counters counted again.

No SQL and no batches, so that it says what the writes mean; the real catalog is held against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from storage_service.app.core.changes import Change, Entry, Outcome, Writes
from storage_service.app.core.commit import decide
from storage_service.app.core.decision import Keeping, Moment
from storage_service.app.core.errors import StorageError
from storage_service.app.core.objects import Bucket, Part, Upload, Usage, Version

GRACE_MS, TRASH_MS = 60_000, 86_400_000
KEEPING = Keeping(GRACE_MS, TRASH_MS)

Place = tuple[int, str]
Counts = dict[tuple[str, str], Usage]


@dataclass
class MemoryRows:
    """Buckets, versions, bodies, counters, journal. `commit` is all or nothing."""

    buckets: dict[int, Bucket] = field(default_factory=dict)  # the deleted ones too
    closed: set[int] = field(default_factory=set)
    heads: dict[Place, Version] = field(default_factory=dict)
    others: dict[str, Version] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)
    counts: Counts = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    log: list[Entry] = field(default_factory=list)
    leaving: set[str] = field(default_factory=set)
    last_sequence: int = 0

    # What decide reads ------------------------------------------------------------------------------------------

    def bucket(self, number: int) -> Bucket | None:
        return None if number in self.closed else self.buckets.get(number)

    def bucket_named(self, name: str) -> Bucket | None:
        return next((found for number in self.buckets if (found := self.bucket(number)) and found.name == name), None)

    def is_leaving(self, name: str) -> bool:
        return name in self.leaving

    def next_bucket(self) -> int:
        return max(self.buckets, default=0) + 1

    def head(self, bucket: int, key: str) -> Version | None:
        return self.heads.get((bucket, key))

    def version(self, bucket: int, key: str, version_id: str) -> Version | None:
        return next((one for one in self.history(bucket, key) if one.version_id == version_id), None)

    def newest_other(self, bucket: int, key: str, besides: str = "") -> Version | None:
        return next((one for one in self._living_others(bucket, key) if one.version_id != besides), None)

    def null_other(self, bucket: int, key: str) -> Version | None:
        return next((one for one in self._living_others(bucket, key) if one.is_null), None)

    def file_place(self, file_id: str) -> Place | None:
        return next((place for place, head in self.heads.items() if head.file_id == file_id), None)

    def usage(self, scope: str, name: str) -> Usage:
        return self.counts.get((scope, name), Usage())

    def has_objects(self, bucket: int) -> bool:
        return any(
            version.bucket == bucket and version.gone_ms is None and not version.is_marker for version in self.each()
        )

    def has_body(self, sequence: int) -> bool:
        return sequence in self.bodies

    def is_used(self, once: str) -> bool:
        return once in self.used

    def upload(self, upload_id: str) -> Upload | None:
        """Uploads have a model of their own (test_unfinished)."""
        return None

    def part(self, upload_id: str, number: int) -> Part | None:
        return None

    # What it comes to -------------------------------------------------------------------------------------------

    def commit(self, change: Change, now_ms: int) -> Outcome:
        """Raises StorageError: nothing was changed."""
        moment = Moment(now_ms, self.last_sequence, KEEPING)
        writes = decide(change, self, moment)
        self.last_sequence = moment.sequence
        self._apply(writes)
        return writes.outcome or Outcome()

    def try_commit(self, change: Change, now_ms: int) -> Outcome | type[StorageError]:
        try:
            return self.commit(change, now_ms)
        except StorageError as error:
            return type(error)

    def _apply(self, writes: Writes) -> None:
        for place in writes.dropped_heads:
            del self.heads[place]
        for dropped in writes.dropped_others:
            del self.others[dropped.version_id]
        for head in writes.heads:
            self.heads[head.bucket, head.key] = head
        for other in writes.others:
            assert other.version_id not in self.others
            self.others[other.version_id] = other
        self.bodies.update(writes.bodies)
        for source, target in writes.body_copies:
            self.bodies[target] = self.bodies[source]
        for scope, name, delta in writes.usage:
            self.counts[scope, name] = self.usage(scope, name).plus(delta)
        for row in writes.buckets:
            self.buckets[row.bucket.id] = row.bucket
            if row.closed:
                self.closed.add(row.bucket.id)
                self.leaving.add(row.bucket.name)
        self.used.update(writes.once)
        self.log += writes.log

    def each(self) -> Iterator[Version]:
        yield from self.heads.values()
        yield from self.others.values()

    def history(self, bucket: int, key: str) -> list[Version]:
        """Every version of a key, the dead ones too, newest first."""
        mine = [version for version in self.each() if (version.bucket, version.key) == (bucket, key)]
        return sorted(mine, key=lambda version: -version.sequence)

    def _living_others(self, bucket: int, key: str) -> list[Version]:
        head = self.heads.get((bucket, key))
        return [one for one in self.history(bucket, key) if one is not head and one.gone_ms is None]


def recount(rows: MemoryRows) -> Counts:
    """The counters, from the rows alone. All that a deleted bucket held counts as trash."""
    sums: dict[tuple[str, str], Counter[str]] = {}
    for version in rows.each():
        owner = rows.buckets[version.bucket].owner
        kind = "objects" if rows.heads.get((version.bucket, version.key)) is version else "noncurrent"
        if version.gone_ms is not None or version.bucket in rows.closed:
            kind = "trash"
        size = {"objects": "bytes", "noncurrent": "noncurrent_bytes", "trash": "trash_bytes"}[kind]
        for place in (("bucket", str(version.bucket)), ("owner", owner)):
            sums.setdefault(place, Counter()).update({kind: 1, size: version.size})
    return {place: Usage(**counter) for place, counter in sums.items()}


def nonzero(counts: Counts) -> Counts:
    return {place: usage for place, usage in counts.items() if any(usage)}
