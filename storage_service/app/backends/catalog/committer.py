"""The commit point: one thread a worker gathers the changes that wait into one transaction, under the commit lock."""

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import apsw

from storage_service.app.backends import quick
from storage_service.app.backends import shared as words
from storage_service.app.backends.catalog.rows import SELECT_BUCKET, Transaction, bucket_of
from storage_service.app.backends.catalog.schema import Durability, connect, last_sequence
from storage_service.app.backends.shared import Shared
from storage_service.app.core.changes import Change, CopyVersion, DeleteBucket, DeleteObject, Outcome, PutVersion
from storage_service.app.core.commit import decide
from storage_service.app.core.decision import Keeping, Moment
from storage_service.app.core.errors import (
    InsufficientStorage,
    InvalidAccessKeyId,
    OutcomeUnknown,
    ServiceUnavailable,
    StorageError,
)
from storage_service.app.core.keys import SIGNED_BY, Stamp
from storage_service.app.core.lanes import Turn
from storage_service.app.core.objects import Bucket, now_ms

log = logging.getLogger(__name__)

MOST_CHANGES = 256  # a transaction; what a few milliseconds gather
MOST_BYTES = 4 << 20
# Errors after which nothing on this disk may be trusted to be written. Source: sqlite.org/rescode.html
BROKEN = (apsw.IOError, apsw.ReadOnlyError, apsw.CantOpenError)
DAMAGED = (apsw.CorruptError, apsw.NotADBError)


class CatalogReplaced(Exception):
    """Another file stands under the catalog's name than the one that was opened."""


class Waiting(NamedTuple):
    """`stamp`: the key whose request this is; None where none could be revoked."""

    change: Change
    future: "asyncio.Future[Outcome]"
    since: float  # time.perf_counter
    stamp: Stamp | None


Result = Outcome | Exception


class Committer:
    """Commits changes in the order they come. One for each worker; `lock_path` is shared by all."""

    def __init__(
        self,
        path: str,
        lock_path: str,
        durability: Durability,
        shared: Shared,
        keeping: Keeping,
        release_ballast: Callable[[], bool],
    ) -> None:
        self._path = path
        self._lock_path = lock_path
        self._durability = durability
        self._shared = shared
        self._keeping = keeping
        self._release_ballast = release_ballast
        self._inbox: queue.SimpleQueue[list[Waiting] | None] = queue.SimpleQueue()
        # Each hand-over wakes the thread, and each transaction has its price.
        self._turn: Turn[Waiting] = Turn(self._inbox.put)
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._buckets: dict[int, Bucket] = {}
        self._buckets_seen = -1

    def start(
        self, waited: Callable[[float], None] = lambda _: None, key_holds: Callable[[str], bool] = lambda _: True
    ) -> None:
        """Must be called on the event loop. `waited` is told there the seconds each change took; `key_holds`, which
        may block, says whether an access key is still good."""
        self._waited = waited
        self._key_holds = key_holds
        self._loop = asyncio.get_running_loop()
        self._connection = connect(self._path, self._durability, checkpoints=True)
        self._identity = _identity(self._path)
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._thread.start()

    def close(self) -> None:
        """Commit what waits, then end."""
        self._turn.end()
        self._inbox.put(None)
        self._thread.join()
        self._connection.close()
        os.close(self._lock)

    def commit(self, change: Change) -> "asyncio.Future[Outcome]":
        """The change's outcome, once it survives what the durability mode promises."""
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._turn.add(Waiting(change, future, time.perf_counter(), SIGNED_BY.get()), self._loop)
        return future

    def _run(self) -> None:
        while batch := self._gather():
            results = self._results(batch)
            self._loop.call_soon_threadsafe(self._resolve, batch, results)

    def _resolve(self, batch: list[Waiting], results: list[Result]) -> None:
        now = time.perf_counter()
        for (_, future, since, _), result in zip(batch, results, strict=True):
            self._waited(now - since)
            if future.cancelled():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _gather(self) -> list[Waiting]:
        """What waits, at least one; empty at the end."""
        first = self._inbox.get()
        if first is None:
            return []
        batch, size = first, _weight(first)
        while len(batch) < MOST_CHANGES and size < MOST_BYTES:
            try:
                more = self._inbox.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._inbox.put(None)
                break
            batch += more
            size += _weight(more)
        return batch

    def _results(self, batch: list[Waiting]) -> list[Result]:
        try:
            return self._commit_all(batch)
        except Exception as error:
            return [_refusal(error)] * len(batch)

    def _commit_all(self, batch: list[Waiting]) -> list[Result]:
        if self._shared[words.VOLUME] != words.READY:
            return [unavailable(self._shared)] * len(batch)
        quick.lock(self._lock)
        try:
            results = self._attempt(batch)
            return self._attempt_deletes(batch, results) if self._is_full(results) else results
        finally:
            quick.unlock(self._lock)

    def _is_full(self, results: list[Result]) -> bool:
        """Whether the disk had no room for the transaction: then nothing of it was done."""
        return all(isinstance(result, InsufficientStorage) for result in results)

    def _attempt_deletes(self, batch: list[Waiting], results: list[Result]) -> list[Result]:
        """Deletes must work at 0 bytes free, so they go alone, and the ballast is theirs."""
        at = [index for index, one in enumerate(batch) if isinstance(one.change, DeleteObject | DeleteBucket)]
        deletes = [batch[index] for index in at]
        if not deletes:
            return results
        done = self._attempt(deletes) if len(deletes) < len(batch) else results
        if self._is_full(done) and self._release_ballast():
            done = self._attempt(deletes)
        for index, result in zip(at, done, strict=True):
            results[index] = result
        return results

    def _attempt(self, batch: list[Waiting]) -> list[Result]:
        """One transaction. A change that may not be made is left out; its neighbours go on."""
        try:
            if _identity(self._path) != self._identity:
                raise CatalogReplaced
            return self._transact(batch)
        except apsw.FullError:
            self._roll_back()
            return [InsufficientStorage("The disk is full")] * len(batch)
        except (*BROKEN, *DAMAGED, CatalogReplaced) as error:
            broken = isinstance(error, BROKEN)
            self._shared[words.VOLUME] = words.READ_ONLY if broken else words.SUSPECT
            self._roll_back()
            return [OutcomeUnknown("The disk failed; the outcome is unknown")] * len(batch)
        except apsw.BusyError:
            self._roll_back()
            return [ServiceUnavailable("The catalog is locked by another process")] * len(batch)
        except Exception as error:
            self._roll_back()
            if len(batch) > 1:
                return [result for one in batch for result in self._attempt([one])]
            return [error if isinstance(error, StorageError) else _refusal(error)]

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except apsw.Error:
                self._shared[words.VOLUME] = words.READ_ONLY

    def _transact(self, batch: list[Waiting]) -> list[Result]:
        self._connection.execute("BEGIN IMMEDIATE")
        start = last_sequence(self._connection)
        moment = Moment(now_ms(), start, self._keeping)
        rows = Transaction(self._connection, self._bucket)
        rows.prefetch([place for one in batch if (place := _place(one.change)) is not None])
        results = [self._one(one.change, one.stamp, rows, moment) for one in batch]
        rows.flush()
        self._connection.execute("COMMIT")
        if moment.sequence > start and not self._shared[words.OLDEST_MS]:
            self._shared[words.OLDEST_MS] = moment.now_ms
        self._shared.add(words.COMMITTED_ROWS, moment.sequence - start)
        self._shared.add(words.COMMITTED_BYTES, rows.body_bytes)
        if rows.buckets_changed:
            self._shared.add(words.BUCKETS, 1)
        return results

    def _one(self, change: Change, stamp: Stamp | None, rows: Transaction, moment: Moment) -> Result:
        if stamp is not None and stamp.generation != self._shared[words.KEYS] and not self._key_holds(stamp.access_key):
            return InvalidAccessKeyId("The access key was revoked meanwhile")
        before = moment.sequence
        try:
            writes = decide(change, rows, moment)
        except StorageError as error:
            moment.sequence = before
            return error
        rows.apply(writes, alone=isinstance(change, CopyVersion))
        return writes.outcome or Outcome()

    def _bucket(self, number: int) -> Bucket | None:
        """The bucket's row as it is under the lock: kept until any process changes a bucket."""
        if self._buckets_seen != self._shared[words.BUCKETS]:
            self._buckets = {}
            self._buckets_seen = self._shared[words.BUCKETS]
        if number not in self._buckets:
            row = self._connection.execute(f"{SELECT_BUCKET} AND id=?", (number,)).fetchone()
            if row is None:
                return None
            self._buckets[number] = bucket_of(row)
        return self._buckets[number]


def _refusal(error: Exception) -> Exception:
    """What the one who asked is told: of SQLite's and the disk's errors only that nothing was done."""
    if isinstance(error, apsw.Error | OSError):
        log.error("commit: %s: %s", type(error).__name__, error)
        return ServiceUnavailable(f"The catalog refused: {type(error).__name__}")
    return error


def _place(change: Change) -> tuple[int, str] | None:
    """Whose head the change will ask for, of those that come in numbers."""
    if isinstance(change, PutVersion):
        return change.draft.bucket, change.draft.key
    return (change.bucket, change.key) if isinstance(change, DeleteObject) else None


def _weight(waiting: list[Waiting]) -> int:
    """Bytes these bring into the transaction, about."""
    bodies = (one.change.body for one in waiting if isinstance(one.change, PutVersion))
    return 1024 * len(waiting) + sum(len(body) for body in bodies if body is not None)


def _identity(path: str) -> tuple[int, int]:
    """Raises CatalogReplaced where nothing stands any more."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise CatalogReplaced from None
    return found.st_dev, found.st_ino


def unavailable(shared: Shared) -> ServiceUnavailable:
    """Why nothing can be written now."""
    if shared[words.VOLUME] == words.SUSPECT:
        return ServiceUnavailable("The catalog reads as damaged and is being checked")
    if shared[words.VOLUME] == words.REBUILDING:
        done, total = shared[words.DONE], shared[words.TOTAL]
        return ServiceUnavailable(f"The catalog is being rebuilt from sidecars: {done} of {total} objects read")
    if shared[words.VOLUME] == words.MOUNTED_READ_ONLY:
        return ServiceUnavailable("The disk is mounted read-only: what is there is served, nothing can be written")
    return ServiceUnavailable("The volume is read-only after a disk error, until it is checked and restarted")
