"""The commit point: groups of changes, what one refused change does to its neighbours, and what a bad disk does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import apsw
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings

from storage_service.app.backends import shared as words
from storage_service.app.backends.catalog import committer as committing
from storage_service.app.backends.catalog.committer import Committer
from storage_service.app.backends.catalog.schema import last_sequence
from storage_service.app.backends.shared import READ_ONLY, READY, REBUILDING, SUSPECT
from storage_service.app.core.changes import Change, Outcome, UpdateBucket
from storage_service.app.core.errors import (
    InsufficientStorage,
    InvalidAccessKeyId,
    KeyAlreadyExists,
    NoSuchKey,
    OutcomeUnknown,
    ServiceUnavailable,
    StorageError,
)
from storage_service.app.core.keys import SIGNED_BY, Stamp
from storage_service.app.core.objects import Version, new_id
from tests.support.changing import KEYS, NOW, Plan, change_of, copy, create, delete, plans, put, states
from tests.support.rows import KEEPING, MemoryRows, nonzero
from tests.support.store import Store, opened

Results = list[Outcome | BaseException]


def make_committer(store: Store, release: Callable[[], bool] = lambda: False) -> Committer:
    layout = store.layout
    made = Committer(str(layout.catalog), str(layout.commit_lock), "scratch", store.shared, KEEPING, release)
    made.start()
    return made


@pytest_asyncio.fixture
async def committer(store: Store) -> AsyncIterator[Committer]:
    made = make_committer(store)
    yield made
    made.close()


async def together(store: Store, committer: Committer, changes: list[Change]) -> Results:
    """The changes' outcomes; all but perhaps the first few in one transaction."""
    with store.settling.held():
        waiting = [committer.commit(change) for change in changes]
    return list(await asyncio.gather(*waiting, return_exceptions=True))


def kinds(results: Results) -> list[type]:
    return [type(result) for result in results]


async def test_change_signed_with_a_revoked_key_is_refused(store: Store) -> None:
    """The key is looked at only if some key has changed since the request was let in."""
    store.bucket()
    layout, good = store.layout, {"good"}
    committer = Committer(str(layout.catalog), str(layout.commit_lock), "scratch", store.shared, KEEPING, lambda: False)
    committer.start(key_holds=lambda access_key: access_key in good)

    async def signed(access_key: str, key: str) -> Outcome:
        SIGNED_BY.set(Stamp(access_key, 0))
        return await committer.commit(put(1, key))

    assert (await asyncio.create_task(signed("revoked", "before"))).version is not None
    store.shared.add(words.KEYS, 1)
    waiting = (signed("revoked", "a"), signed("good", "b"), committer.commit(put(1, "unsigned")))
    results = await asyncio.gather(*waiting, return_exceptions=True)
    committer.close()
    assert kinds(list(results)) == [InvalidAccessKeyId, Outcome, Outcome]
    assert store.reader.find_all([(1, "a")]) == {}


async def test_refused_change_leaves_its_neighbours(store: Store, committer: Committer) -> None:
    store.bucket()
    changes: list[Change] = [put(1, "a"), put(1, "a", conditions={"must_be_new": True}), delete(1, "no"), put(1, "b")]
    results = await together(store, committer, changes)
    assert kinds(results) == [Outcome, KeyAlreadyExists, NoSuchKey, Outcome]
    assert (store.read(1, "a"), store.read(1, "b"), store.owed()) == (b"x", b"x", [1, 2, 3])


async def test_change_with_an_id_that_is_taken_fails_alone(store: Store, committer: Committer) -> None:
    """SQLite refuses the whole statement; then each change is made by itself."""
    store.bucket()
    store.put(1, "a", file_id="F")
    results = await together(store, committer, [put(1, "b"), put(1, "c", file_id="F"), put(1, "d")])
    assert kinds(results) == [Outcome, ServiceUnavailable, Outcome]
    assert [store.read(1, key) for key in "bcd"] == [b"x", None, b"x"]
    assert store.shared[words.VOLUME] == READY
    sequences = store.owed()
    assert sequences == list(range(1, len(sequences) + 1))


async def test_one_transaction_sees_its_own_writes(store: Store, committer: Committer) -> None:
    store.bucket()
    first = put(1, "a", b"one")
    results = await together(store, committer, [first, put(1, "a", b"two"), delete(1, "a"), put(1, "a", b"three")])
    assert kinds(results) == [Outcome] * 4
    assert store.read(1, "a") == b"three"
    assert [version.etag for version in store.reader.versions(1, "a", trash=True)] == ["three", "two", "one"]


async def test_words_tell_others_what_was_committed(store: Store, committer: Committer) -> None:
    await together(store, committer, [create("photos")])
    await together(store, committer, [put(1, "a", b"12345"), put(1, "b", b"678")])
    assert (store.shared.backlog_rows, store.shared.backlog_bytes, store.shared[words.BUCKETS]) == (3, 8, 1)
    assert store.shared[words.OLDEST_MS] > NOW
    source = store.find(1, "a")
    assert source is not None
    await together(store, committer, [copy(source.version, 1, "c")])
    assert store.shared.backlog_bytes == 13


async def test_bucket_changed_by_another_process_is_seen_at_once(store: Store, committer: Committer) -> None:
    bucket = store.bucket()
    assert kinds(await together(store, committer, [put(1, "a")])) == [Outcome]
    store.commit(UpdateBucket(bucket.id, {"quota_objects": 1}, "ann", NOW))
    results = await together(store, committer, [put(1, "b")])
    assert [str(result) for result in results] == ["Bucket quota of 1 objects would be exceeded"]


@pytest.mark.parametrize("damage", ["gone", "replaced"])
async def test_catalog_that_was_replaced_is_never_written_to(store: Store, damage: str) -> None:
    store.bucket()
    committer = make_committer(store)
    catalog = store.layout.catalog
    catalog.rename(catalog.with_suffix(".moved"))
    if damage == "replaced":
        catalog.write_bytes(b"another's")
    results = await together(store, committer, [put(1, "a")])
    assert kinds(results) == [OutcomeUnknown]
    assert store.shared[words.VOLUME] == SUSPECT
    assert damage == "gone" or catalog.read_bytes() == b"another's"
    committer.close()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (apsw.IOError, READ_ONLY),
        (apsw.ReadOnlyError, READ_ONLY),
        (apsw.CantOpenError, READ_ONLY),
        (apsw.CorruptError, SUSPECT),
        (apsw.NotADBError, SUSPECT),
        (apsw.BusyError, READY),
    ],
)
async def test_first_error_of_the_disk_stops_all_writing(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: type[apsw.Error], state: int
) -> None:
    store.bucket()
    committer = make_committer(store)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(committing, "last_sequence", fail)
    results = await together(store, committer, [put(1, "a"), put(1, "b")])
    monkeypatch.undo()
    assert set(kinds(results)) == {ServiceUnavailable if state == READY else OutcomeUnknown}
    assert store.shared[words.VOLUME] == state
    after = await together(store, committer, [put(1, "c")])
    assert kinds(after) == ([Outcome] if state == READY else [ServiceUnavailable])
    assert (store.read(1, "a"), store.read(1, "b")) == (None, None)
    committer.close()


@pytest.mark.parametrize("ballast", [True, False])
async def test_full_disk_gives_its_ballast_up_for_deletes_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch, ballast: bool
) -> None:
    store.bucket()
    store.put(1, "a")
    full = True

    def fail_while_full(connection: apsw.Connection) -> int:
        if full:
            raise apsw.FullError
        return last_sequence(connection)

    def release() -> bool:
        nonlocal full
        full = not ballast
        return ballast

    committer = make_committer(store, release)
    monkeypatch.setattr(committing, "last_sequence", fail_while_full)
    results = await together(store, committer, [put(1, "b"), delete(1, "a")])
    assert kinds(results) == [InsufficientStorage, Outcome if ballast else InsufficientStorage]
    assert store.shared[words.VOLUME] == READY  # reads and deletes go on
    committer.close()


@pytest.mark.parametrize(
    ("state", "words_of"), [(READ_ONLY, "read-only"), (SUSPECT, "damaged"), (REBUILDING, "3 of 7 objects")]
)
async def test_what_stops_the_volume_is_said(store: Store, committer: Committer, state: int, words_of: str) -> None:
    store.shared[words.VOLUME] = state
    store.shared[words.DONE], store.shared[words.TOTAL] = 3, 7
    results = await together(store, committer, [create("photos")])
    assert kinds(results) == [ServiceUnavailable]
    assert words_of in str(results[0])


async def test_close_commits_what_waits(store: Store) -> None:
    store.bucket()
    committer = make_committer(store)
    with store.settling.held():
        waiting = [committer.commit(put(1, f"k{number}")) for number in range(300)]
    committer.close()
    results = await asyncio.gather(*waiting)
    assert len({result.version.version_id for result in results if result.version}) == 300
    assert store.reader.usage("bucket", "1").objects == 300


async def test_request_that_went_away_does_not_take_its_group_along(store: Store, committer: Committer) -> None:
    store.bucket()
    with store.settling.held():
        gone, stays = committer.commit(put(1, "a")), committer.commit(put(1, "b"))
        gone.cancel()
    assert (await stays).version is not None
    assert (store.read(1, "a"), store.read(1, "b")) == (b"x", b"x")


# Against the rows in dictionaries ------------------------------------------------------------------------------------


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(plans, states)
def test_groups_of_changes_come_to_what_they_come_to_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sequence: list[Plan], state: str
) -> None:
    now_ms = NOW + 30  # between the expiries that are drawn
    monkeypatch.setattr(committing, "now_ms", lambda: now_ms)
    rows = MemoryRows()
    changes: list[Change] = [create("photos", versioning=state), create("other", versioning=state, quota_bytes=6)]
    expected = [rows.try_commit(change, now_ms) for change in changes]
    for plan in sequence:
        changes.append(change_of(plan, rows))
        expected.append(rows.try_commit(changes[-1], now_ms))
    with opened(tmp_path / new_id()) as store:
        results = asyncio.run(commit_in_groups(store, changes))
        assert [type(one) if isinstance(one, StorageError) else one for one in results] == expected
        compare(store, rows)


async def commit_in_groups(store: Store, changes: list[Change]) -> Results:
    committer = make_committer(store)
    try:
        return await together(store, committer, changes)
    finally:
        committer.close()


def compare(store: Store, rows: MemoryRows) -> None:
    reader = store.reader
    for bucket in (1, 2):
        for key in KEYS:
            found, head = store.find(bucket, key), rows.head(bucket, key)
            assert (found and found.version) == head
            assert (found and found.body) == (head and rows.bodies[head.sequence])
            history: list[Version] = reader.versions(bucket, key, trash=True)
            assert history == rows.history(bucket, key)
    assert store.usage() == nonzero(rows.counts)
    owed = [(row.sequence, row.op, row.key, row.version_id, row.doc, row.victim) for row in store.settling.owed(999, 1)]
    everything = [(one.sequence, one.op, one.key, one.version_id, one.doc, one.victim) for one in rows.log]
    assert owed == everything[: len(owed)]
    assert [bucket.id for bucket in reader.buckets()] == [
        bucket.id for bucket in sorted(rows.buckets.values(), key=lambda one: one.name) if bucket.id not in rows.closed
    ]
