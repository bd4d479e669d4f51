"""A few numbers all processes of one service share, in a mapped file: cheaper than a query, right across workers.

Aligned 8-byte words; each has one writer at a time (committers under the commit lock, the jobs process, or who holds
the lock named at the word). The file is made anew at every start, so nothing in it needs to survive.
"""

import mmap
import os
from pathlib import Path
from typing import Final

SIZE: Final = 4096
ELSEWHERE_VARIABLE: Final = "STORAGE_ELSEWHERE"  # tells its processes where they work if the store cannot be written

# Words, by index.
BUCKETS = 0  # grows with every change to a bucket: caches compare it
VOLUME = 1  # one of the states below
COMMITTED_ROWS = 2  # journal rows committed since start (cumulative)
COMMITTED_BYTES = 3  # bodies' bytes journalled since start (cumulative)
SETTLED_ROWS = 4
SETTLED_BYTES = 5
OLDEST_MS = 6  # when the oldest unsettled row was committed; 0 = none
PARKED_ROWS = 7  # rows settle has set aside
DONE = 8  # of a rebuild: objects read
TOTAL = 9  # of a rebuild: objects found
HEARTBEAT_MS = 10  # the jobs process's last pass
VIEW_HIDDEN = 11  # keys that cannot be shown in the view
VIEW_FOREIGN = 12  # view names that are somebody else's file
CLOCK_PAUSED = 13  # 1 while a wall-clock jump keeps deleting jobs still
KEYS = 14  # grows with every change to an access key, under the records' lock
WATCHED_UNTIL_MS = 15  # until when somebody wants the requests of all workers; whoever watches writes it
SESSIONS = 16  # grows when anyone signs in to the console or out of it, under the records' lock

# READ_ONLY: the disk failed. MOUNTED_READ_ONLY: it was so from the start, and a copy of the catalog is read.
# SUSPECT: the catalog reads damaged. A dying disk makes SQLite say so of an intact file: a fresh process looks first.
READY, READ_ONLY, REBUILDING, SUSPECT, MOUNTED_READ_ONLY = 0, 1, 2, 3, 4
OPEN = frozenset({READY, MOUNTED_READ_ONLY})  # what a start ends in


class Shared:
    """The mapped words: `shared[BUCKETS]`. Reading costs about 50 ns."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._map = mmap.mmap(descriptor, SIZE)
        finally:
            os.close(descriptor)
        self._words = memoryview(self._map).cast("Q")

    @classmethod
    def create(cls, path: Path) -> "Shared":
        """Zeroed; replaces what an earlier run left."""
        temporary = path.with_suffix(".new")
        temporary.write_bytes(bytes(SIZE))
        temporary.chmod(0o600)
        temporary.replace(path)
        return cls(path)

    def __getitem__(self, word: int) -> int:
        return self._words[word]

    def __setitem__(self, word: int, value: int) -> None:
        self._words[word] = value

    def add(self, word: int, amount: int) -> None:
        """Only for a word's one writer."""
        self._words[word] += amount

    @property
    def backlog_rows(self) -> int:
        return max(0, self._words[COMMITTED_ROWS] - self._words[SETTLED_ROWS])

    @property
    def backlog_bytes(self) -> int:
        return max(0, self._words[COMMITTED_BYTES] - self._words[SETTLED_BYTES])
