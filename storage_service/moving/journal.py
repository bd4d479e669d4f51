"""What was moved, kept in a file of its own: a run that was killed goes on where it was, and sends nothing twice."""

import sqlite3
import threading
from pathlib import Path
from typing import NamedTuple

SCHEMA = """
CREATE TABLE IF NOT EXISTS about(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS moved(bucket TEXT, key BLOB, stamp TEXT NOT NULL, etag TEXT NOT NULL, size INT NOT NULL,
  PRIMARY KEY(bucket, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failed(bucket TEXT, key BLOB, reason TEXT NOT NULL, PRIMARY KEY(bucket, key)) WITHOUT ROWID;
"""


class StateUnusable(Exception):
    """Another run has this file, it cannot be written, or it is something else."""


class StateOfAnother(Exception):
    """The file tells of another source or target."""


class Moved(NamedTuple):
    """`stamp`: the source's then; `etag`: what stood at the target afterwards."""

    stamp: str
    etag: str


class Journal:
    """For any number of threads. A line that was written survives the death of the process."""

    def __init__(self, path: Path, source: str, target: str) -> None:
        """Raises: StateUnusable, StateOfAnother."""
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
        try:
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(SCHEMA)
            self.resumed = self._claim(source, target)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise StateUnusable(f"{path}: {error}") from None
        except BaseException:
            self._db.close()
            raise

    def _claim(self, source: str, target: str) -> bool:
        known = dict(self._db.execute("SELECT name, value FROM about"))
        if known and known != {"source": source, "target": target}:
            raise StateOfAnother(f"it tells of a move from {known.get('source')} to {known.get('target')}")
        self._db.execute("INSERT OR REPLACE INTO about VALUES('source', ?), ('target', ?)", (source, target))
        return bool(known)

    def find(self, bucket: str, key: str) -> Moved | None:
        with self._lock:
            row = self._db.execute(
                "SELECT stamp, etag FROM moved WHERE bucket=? AND key=?", (bucket, _blob(key))
            ).fetchone()
        return None if row is None else Moved(*row)

    def done(self, bucket: str, key: str, moved: Moved, size: int) -> None:
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO moved VALUES(?, ?, ?, ?, ?)", (bucket, _blob(key), *moved, size))
            self._db.execute("DELETE FROM failed WHERE bucket=? AND key=?", (bucket, _blob(key)))

    def failed(self, bucket: str, key: str, reason: str) -> None:
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO failed VALUES(?, ?, ?)", (bucket, _blob(key), reason))

    def close(self) -> None:
        self._db.close()


def _blob(key: str) -> bytes:
    return key.encode(errors="surrogateescape")
