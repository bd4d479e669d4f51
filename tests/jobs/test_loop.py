"""The loop of the jobs process: settles what waits, calls timers, survives errors, stops when it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from storage_service.app.backends import shared as words
from storage_service.app.backends.catalog.settling import Settling
from storage_service.app.backends.shared import SUSPECT, Shared
from storage_service.app.backends.upkeep import Upkeep
from storage_service.app.core.objects import now_ms
from storage_service.app.jobs.clock import JUMP_MS, ServiceClock
from storage_service.app.jobs.loop import Loop, Timer
from tests.support.changing import NOW, delete, put
from tests.support.rows import KEEPING, TRASH_MS
from tests.support.store import Store, opened

WAIT_SECONDS = 20.0


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    return Shared.create(tmp_path / "shared")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path / "data") as made:
        yield made


@contextmanager
def running(shared: Shared, settle: Callable[[], int], timers: list[Timer], wall: Callable[[], int]) -> Iterator[Loop]:
    loop = Loop(shared, settle, timers, ServiceClock(wall))
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
    finally:
        loop.stop()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


class Calls:
    """Counts calls; `wait_for` returns when there have been so many. `errors` are raised first."""

    def __init__(self, *errors: Exception, result: int = 0) -> None:
        self._errors = list(errors)
        self._result = result
        self._came = threading.Condition()
        self.count = 0

    def __call__(self, *_: object) -> int:
        with self._came:
            self.count += 1
            self._came.notify_all()
            if self._errors:
                raise self._errors.pop(0)
        return self._result

    def wait_for(self, count: int) -> None:
        with self._came:
            assert self._came.wait_for(lambda: self.count >= count, WAIT_SECONDS)


def test_settles_only_while_something_waits(shared: Shared) -> None:
    settle, tick = Calls(result=1), Calls()
    with running(shared, settle, [Timer(0, tick)], now_ms):
        tick.wait_for(3)
        assert settle.count == 0
        shared.add(words.COMMITTED_ROWS, 1)
        settle.wait_for(2)


def test_suspect_catalog_is_left_alone_and_timers_go_on(shared: Shared) -> None:
    shared.add(words.COMMITTED_ROWS, 1)
    shared[words.VOLUME] = SUSPECT
    settle, tick = Calls(), Calls()
    with running(shared, settle, [Timer(0, tick)], now_ms):
        tick.wait_for(3)
    assert settle.count == 0


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (OSError(28, "full"), words.READY),
        (apsw.CorruptError(), SUSPECT),
    ],
)
def test_error_of_a_pass_is_told_and_what_reads_as_damage_stops_settling(
    shared: Shared, error: Exception, state: int, caplog: pytest.LogCaptureFixture
) -> None:
    shared.add(words.COMMITTED_ROWS, 1)
    settle, tick = Calls(error), Calls()
    with running(shared, settle, [Timer(0, tick)], now_ms):
        settle.wait_for(1)
        tick.wait_for(2)
        if state == words.READY:
            settle.wait_for(2)
    assert shared[words.VOLUME] == state
    assert "everything is kept" in caplog.text
    assert (settle.count == 1) == (state == SUSPECT)


def test_job_that_fails_does_not_take_the_others_along(shared: Shared, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = Calls(OSError("no"), apsw.Error("no")), Calls()
    with running(shared, Calls(), [Timer(0, bad), Timer(0, good)], now_ms):
        bad.wait_for(3)
        good.wait_for(3)
    assert caplog.text.count("job:") == 2


def test_after_a_jump_of_the_wall_clock_nothing_is_deleted(shared: Shared) -> None:
    jumped = False

    def wall() -> int:
        return now_ms() + (10 * JUMP_MS if jumped else 0)

    deleting, other = Calls(), Calls()
    with running(shared, Calls(), [Timer(0, deleting, deletes=True), Timer(0, other)], wall):
        deleting.wait_for(1)
        jumped = True
        until_paused(shared, other)
        before = deleting.count
        other.wait_for(other.count + 3)
        assert deleting.count == before
        jumped = False
        deleting.wait_for(before + 1)
    assert shared[words.CLOCK_PAUSED] == 0


def until_paused(shared: Shared, tick: Calls) -> None:
    for _ in range(200):
        if shared[words.CLOCK_PAUSED]:
            return
        tick.wait_for(tick.count + 1)
    raise AssertionError("the jump was not noticed")


# The small jobs -----------------------------------------------------------------------------------------------------


def upkeep(store: Store) -> Upkeep:
    return Upkeep(store.layout, store.settling, store.garbage, store.disk, store.shared, KEEPING)


def test_expiry_ends_what_is_past_it_and_tells_how_much_waits(store: Store) -> None:
    store.bucket()
    store.commit_all([put(1, "a", expires_ms=NOW + 5), put(1, "b", expires_ms=NOW + 6), put(1, "c")])
    before = store.shared.backlog_rows
    upkeep(store).expire(NOW + 5)
    assert [store.find(1, key) is None for key in "abc"] == [True, False, False]
    assert store.shared.backlog_rows == before + 1
    upkeep(store).expire(NOW + 5)
    assert store.shared.backlog_rows == before + 1


def test_reserve_sends_trash_away_early_but_never_within_the_grace_time(store: Store) -> None:
    store.bucket()
    store.put(1, "a")
    store.commit(delete(1, "a"))
    store.settle()
    job = upkeep(store)
    job.keep_reserve(1 << 62, NOW + KEEPING.grace_ms - 1)
    assert len(store.settling.versions(1, "a")) == 1
    job.keep_reserve(0, NOW + TRASH_MS)
    assert len(store.settling.versions(1, "a")) == 1
    job.keep_reserve(1 << 62, NOW + KEEPING.grace_ms)
    assert store.settling.versions(1, "a") == []


def test_recount_sets_the_words_right(store: Store) -> None:
    store.bucket()
    store.put(1, "a", b"12345")
    store.shared[words.COMMITTED_ROWS] = 99
    store.shared[words.COMMITTED_BYTES] = store.shared[words.OLDEST_MS] = 0
    upkeep(store).recount()
    assert (store.shared.backlog_rows, store.shared.backlog_bytes, store.shared[words.OLDEST_MS]) == (2, 5, NOW)


def test_feed_is_trimmed_by_its_age(store: Store) -> None:
    store.bucket()
    store.put(1, "a")
    store.settle()
    upkeep(store).trim(1000, NOW + 1000)
    assert len(store.reader.changes(0, 9)) == 2
    upkeep(store).trim(1000, NOW + 1001)
    assert store.reader.changes(0, 9) == []
    assert isinstance(store.settling, Settling)
