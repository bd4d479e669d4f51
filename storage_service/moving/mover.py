"""A move: one thread lists and decides, several move, the journal remembers. Killed at any point, it goes on there."""

import contextlib
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from storage_service.client import ClientError
from storage_service.moving.buckets import BucketMaker
from storage_service.moving.decide import Step, decide
from storage_service.moving.journal import Journal, Moved
from storage_service.moving.model import (
    CannotMove,
    ChangedUnderWay,
    Entry,
    Source,
)
from storage_service.moving.present import Present, present_in
from storage_service.moving.tally import Left, Tally
from storage_service.moving.target import Taken, Target
from storage_service.moving.verify import Passing
from storage_service.remote import Refused, RemoteError, S3Server
from storage_service.remote.body import pause

TRIES = 3  # of one key; within each, a body that breaks off is taken up again
WAITING = 8  # keys listed ahead, for each thread


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be moved. No bucket named = all. `renamed`: another name at the target."""

    buckets: tuple[str, ...] = ()
    renamed: str | None = None
    prefix: str = ""
    versions: bool = False
    settings: bool = True
    overwrite: bool = False
    dry_run: bool = False
    at_once: int = 8


class NotReady(Exception):
    """The source or the target cannot be asked at all, and why."""


class Task(NamedTuple):
    """A key to be moved from `source` (a bucket) to `bucket`."""

    source: str
    bucket: str
    entry: Entry
    step: Step


class Mover:
    """One run. `run` may be called once."""

    def __init__(self, source: Source, server: S3Server, maker: BucketMaker, journal: Journal, wanted: Wanted) -> None:
        self._source = source
        self._server = server
        self._target = Target(server)
        self._maker = maker
        self._journal = journal
        self._wanted = wanted
        self.tally = Tally()
        self._tasks: queue.Queue[Task | None] = queue.Queue(WAITING * wanted.at_once)
        self._stopped = threading.Event()
        self._broken: list[BaseException] = []

    def stop(self) -> None:
        """End soon: what is being moved is finished or withdrawn."""
        self._stopped.set()

    def run(self) -> Tally:
        """Move everything. What could not be moved is in the tally.

        Raises: NotReady before anything is done; RemoteError where a list breaks off; sqlite3.Error of the journal.
        """
        names = self._ready()
        counting = threading.Thread(target=self._count, args=(names,), daemon=True)
        movers = [threading.Thread(target=self._work, daemon=True) for _ in range(self._wanted.at_once)]
        for thread in (counting, *movers):
            thread.start()
        try:
            for name in names:
                self._bucket(name)
        except BaseException:
            self._stopped.set()
            raise
        finally:
            for _ in movers:
                self._tasks.put(None)
            for thread in (*movers, counting):
                thread.join()
            self._source.close()
            self._server.close()
        if self._broken:
            raise self._broken[0]
        return self.tally

    def _ready(self) -> list[str]:
        """The buckets to move. A wrong key or address is said once, not for each object. Raises: NotReady."""
        try:
            self._server.list_buckets()
        except RemoteError as error:
            raise NotReady(f"this service at {self._server.endpoint.url}: {error}") from None
        try:
            return list(self._wanted.buckets or self._source.buckets())
        except (RemoteError, OSError) as error:
            raise NotReady(f"the source: {error}") from None

    def _count(self, names: list[str]) -> None:
        """How much there is, for the time that is left; the move does not wait for it."""
        total = total_bytes = 0
        try:
            for name in names:
                for entry in self._source.entries(name, self._wanted.prefix):
                    total, total_bytes = total + 1, total_bytes + entry.size
                    if self._stopped.is_set():
                        return
        except (RemoteError, OSError, CannotMove):
            return
        self.tally.total, self.tally.total_bytes = total, total_bytes

    # Deciding ---------------------------------------------------------------------------------------------------

    def _bucket(self, name: str) -> None:
        bucket = self._wanted.renamed or name
        entries = self._begun(name)
        new = None if entries is None else self._make(name, bucket)
        if entries is None or new is None:
            return
        for entry in entries:
            if self._stopped.is_set():
                return
            self.tally.add(found=1, found_bytes=entry.size)
            if entry.fault:
                self._fail(bucket, entry, entry.fault)
            else:
                self._plan(name, bucket, entry, new)

    def _begun(self, name: str) -> Iterator[Entry] | None:
        """The source's list; None where it has no such bucket, of which none must be made here."""
        entries = self._source.entries(name, self._wanted.prefix)
        try:
            first = next(entries, None)
        except (Refused, OSError) as error:
            if isinstance(error, Refused) and error.passing:
                raise
            self.tally.add(failed=1)
            reason = str(error) if isinstance(error, Refused) else f"there: {error.strerror}"
            self.tally.leave(self.tally.failures, Left(name, "", reason))
            return None
        return entries if first is None else chain([first], entries)

    def _make(self, name: str, bucket: str) -> Present | None:
        """The bucket is there with its settings: what it holds already. None where it cannot be had."""
        tally = self.tally
        try:
            if self._wanted.dry_run:
                exists = self._server.has_bucket(bucket)
                return self._present(bucket) if exists else Present(iter(()))
            settings = self._source.settings(name)
            made = self._maker.make(bucket, settings if self._wanted.settings else settings.bare())
        except (Refused, ClientError, CannotMove) as error:
            tally.add(failed=1)
            tally.leave(tally.failures, Left(bucket, "", str(error)))
            return None
        tally.add(buckets=1, settings=made.settings)
        for reason in made.left:
            tally.leave(tally.settings_left, Left(bucket, "", reason))
        return Present(iter(())) if made.new else self._present(bucket)

    def _present(self, bucket: str) -> Present:
        return present_in(self._server, bucket, self._wanted.prefix, versions=self._wanted.versions)

    def _plan(self, name: str, bucket: str, entry: Entry, present: Present) -> None:
        tally, there = self.tally, present.of(entry.key)
        moved = self._journal.find(bucket, entry.key) if self._journal.resumed else None
        step = decide(entry, moved, there, overwrite=self._wanted.overwrite)
        match step.what:
            case "there":
                tally.add(there=1, there_bytes=entry.size)
            case "kept":
                self._keep(bucket, entry)
            case _ if self._wanted.dry_run:
                tally.add(moved=1, moved_bytes=entry.size, versions=len(entry.versions) - step.start)
            case _:
                self._tasks.put(Task(name, bucket, entry, step))

    def _keep(self, bucket: str, entry: Entry) -> None:
        self.tally.add(kept=1)
        reason = "the target has something else under this key, and keeps it"
        self.tally.leave(self.tally.kept, Left(bucket, entry.key, reason))

    def _fail(self, bucket: str, entry: Entry, reason: str) -> None:
        self._journal.failed(bucket, entry.key, reason)
        self.tally.add(failed=1)
        self.tally.leave(self.tally.failures, Left(bucket, entry.key, reason))

    # Moving -----------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """A thread's life. An error of our own ends the whole run: half a run that looks whole is worse."""
        while (task := self._tasks.get()) is not None:
            if self._stopped.is_set():
                continue
            try:
                self._move(task)
            except BaseException as error:
                self._broken.append(error)
                self._stopped.set()

    def _move(self, task: Task) -> None:
        entry, step = task.entry, task.step
        for attempt in range(TRIES):
            try:
                if attempt:
                    pause(attempt)
                    step = self._look_again(task)
                etag = self._versions(task, step)
            except Taken:
                return self._taken(task)
            except (ChangedUnderWay, RemoteError, CannotMove, OSError) as error:
                if not _may_pass(error) or attempt + 1 == TRIES or self._stopped.is_set():
                    return self._fail(task.bucket, entry, str(error) or type(error).__name__)
            else:
                self._journal.done(task.bucket, entry.key, Moved(entry.stamp, etag), entry.size)
                if step.what == "move":
                    return self.tally.add(moved=1, moved_bytes=entry.size)
                return self.tally.add(there=1, there_bytes=entry.size)

    def _taken(self, task: Task) -> None:
        """Somebody was faster, or the source lists keys in an order of its own: what stands there may be just this."""
        with contextlib.suppress(Taken, RemoteError):
            if self._look_again(task).what == "there":
                newest = task.entry.versions[-1]
                self._journal.done(task.bucket, task.entry.key, Moved(task.entry.stamp, newest.etag), task.entry.size)
                return self.tally.add(there=1, there_bytes=task.entry.size)
        self._keep(task.bucket, task.entry)

    def _look_again(self, task: Task) -> Step:
        """An answer that was lost may have been a yes: what stands there now decides anew."""
        present = present_in(self._server, task.bucket, task.entry.key, versions=self._wanted.versions)
        step = decide(task.entry, None, present.of(task.entry.key), overwrite=False)
        if step.what == "kept" and not task.step.conditions.get("if-match"):
            raise Taken
        return step if step.what != "kept" else task.step

    def _versions(self, task: Task, step: Step) -> str:
        """Move what is missing, in its order. The ETag that is current afterwards. Raises: Taken, and see `Target`."""
        etag = task.entry.versions[-1].etag
        if step.what == "there":
            return etag
        if step.what == "compare":
            return self._compare(task, step.etag)
        conditions = step.conditions
        for version in task.entry.versions[step.start :]:
            if version.is_marker:
                self._target.mark_deleted(task.bucket, version.key)
            else:
                opened = self._source.open(task.source, version)
                try:
                    etag, proven = self._target.put(task.bucket, version.key, opened, conditions)
                finally:
                    opened.close()
                if not proven:
                    self._note_unproven(task.bucket, version.key)
            conditions = {}
            self.tally.add(versions=1)
        return etag

    def _compare(self, task: Task, etag: str) -> str:
        """Read the source where only its bytes tell. Raises: Taken where the target has others."""
        opened = self._source.open(task.source, task.entry.versions[-1])
        try:
            passing = Passing(opened.pieces(), opened.size, "")
            for _ in passing:
                pass
        finally:
            opened.close()
        if passing.etag != etag:
            raise Taken
        return etag

    def _note_unproven(self, bucket: str, key: str) -> None:
        self.tally.add(unproven=1)
        reason = "its ETag is no digest that could be compared; length and transfer were"
        self.tally.leave(self.tally.unproven, Left(bucket, key, reason))


def _may_pass(error: Exception) -> bool:
    return isinstance(error, ChangedUnderWay | OSError) or (isinstance(error, RemoteError) and error.passing)
