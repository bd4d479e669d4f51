"""How far a move is, and its report. Counts of all threads, under one lock."""

import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

MOST_SHOWN = 1000  # of each list in the report; the journal has them all


class Left(NamedTuple):
    """What stayed behind, and why. `key` is empty of a bucket's setting."""

    bucket: str
    key: str
    reason: str


@dataclass(slots=True)
class Counts:
    """Objects are keys; their versions are counted apart. Sizes in bytes."""

    found: int = 0
    found_bytes: int = 0
    moved: int = 0
    moved_bytes: int = 0
    versions: int = 0
    there: int = 0
    there_bytes: int = 0
    kept: int = 0
    failed: int = 0
    unproven: int = 0
    buckets: int = 0
    settings: int = 0


@dataclass(slots=True)
class Tally:
    """`total` and `total_bytes` are None until the source was counted."""

    counts: Counts = field(default_factory=Counts)
    failures: list[Left] = field(default_factory=list)
    kept: list[Left] = field(default_factory=list)
    unproven: list[Left] = field(default_factory=list)
    settings_left: list[Left] = field(default_factory=list)
    total: int | None = None
    total_bytes: int | None = None
    started: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **more: int) -> None:
        with self._lock:
            for name, count in more.items():
                setattr(self.counts, name, getattr(self.counts, name) + count)

    def leave(self, where: list[Left], left: Left) -> None:
        """One of the lists of this tally grows, up to what a report shows."""
        with self._lock:
            if len(where) < MOST_SHOWN:
                where.append(left)

    @property
    def settled(self) -> int:
        """Objects that need nothing more from this run."""
        counts = self.counts
        return counts.moved + counts.there + counts.kept + counts.failed

    @property
    def is_whole(self) -> bool:
        return not self.counts.failed and not self.counts.kept

    def record(self) -> dict[str, Any]:
        """The report, ready for JSON."""
        seconds = time.monotonic() - self.started
        return {
            "complete": self.is_whole,
            "seconds": round(seconds, 3),
            **asdict(self.counts),
            "failures": [left._asdict() for left in self.failures],
            "kept_at_target": [left._asdict() for left in self.kept],
            "not_proven": [left._asdict() for left in self.unproven],
            "settings_not_moved": [left._asdict() for left in self.settings_left],
        }
