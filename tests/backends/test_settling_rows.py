"""What the jobs ask of the catalog: what is owed, marking it done, what is due, and forgetting it."""

import pytest

from storage_service.app.backends.catalog.settling import Backlog, Progress
from storage_service.app.core.changes import DeleteBucket, UseOnce
from storage_service.app.core.decision import Moment
from storage_service.app.core.objects import TAKEN_MS, WriteConditions
from tests.support.changing import ACTOR, NOW, delete, put
from tests.support.rows import KEEPING, TRASH_MS
from tests.support.store import Store

OWNERS = {1: "owner"}


def fail(store: Store, sequence: int, times: int = 5) -> None:
    for _ in range(times):
        store.settling.count_failure([sequence])


def test_owed_rows_come_in_order_with_their_bodies_up_to_a_weight(store: Store) -> None:
    store.bucket()
    store.commit_all([put(1, key, bytes(100)) for key in "abc"])
    assert [(row.sequence, len(row.body or b"")) for row in store.settling.owed(10, 1 << 20)] == [
        (1, 0),
        (2, 100),
        (3, 100),
        (4, 100),
    ]
    assert [row.sequence for row in store.settling.owed(2, 1 << 20)] == [1, 2]
    assert [row.sequence for row in store.settling.owed(10, 150)] == [1, 2, 3]


def test_marking_drops_document_and_body_and_tells_how_far_all_is_settled(store: Store) -> None:
    store.bucket()
    store.commit_all([put(1, key) for key in "abc"])
    assert store.settling.progress() == Progress(0, 0)
    assert store.settling.mark([1, 2, 4], viewed=0) == Progress(2, 2)
    assert store.owed() == [3]
    assert [store.find(1, key) is not None and store.find(1, key).body for key in "abc"] == [None, b"x", None]  # type: ignore[union-attr]
    assert store.settling.mark([3], viewed=4) == Progress(4, 4)
    assert (store.settling.state("settled"), store.settling.state("viewed")) == (4, 4)


def test_what_was_set_aside_is_passed_but_not_whole(store: Store) -> None:
    store.bucket()
    store.commit_all([put(1, "a", b"12345"), put(1, "b")], NOW)
    fail(store, 2, 4)
    assert store.owed() == [1, 2, 3]
    fail(store, 2, 1)
    assert store.owed() == [1, 3]
    assert store.settling.backlog() == Backlog(2, 1, NOW, 1)
    assert store.settling.mark([1, 3], viewed=0) == Progress(3, 1)
    assert store.settling.retry_parked() == 1
    assert (store.owed(), store.settling.progress()) == ([2], Progress(1, 1))


def test_marking_many_rows_takes_several_transactions_and_misses_none(store: Store) -> None:
    store.bucket()
    store.commit_all([put(1, f"k{number}") for number in range(900)])
    assert store.settling.mark(store.owed(), viewed=0) == Progress(901, 901)
    assert store.settling.backlog() == Backlog(0, 0, 0, 0)


def test_trim_takes_the_beginning_only(store: Store) -> None:
    store.bucket()
    for number, key in enumerate("abcd"):
        store.commit(put(1, key, at_ms=NOW + number), NOW + number)
    store.settling.mark([1, 2, 4], viewed=0)
    assert store.settling.trim(NOW + 100, NOW, 100) == 2  # 3 is not settled
    store.settling.mark([3, 5], viewed=0)
    assert store.settling.trim(NOW + 2, NOW, 100) == 1  # 4 is young
    assert store.settling.trim(NOW + 100, NOW, 100) == 2
    assert store.settling.progress() == Progress(5, 5)


def test_used_links_are_forgotten_when_they_have_expired(store: Store) -> None:
    store.commit_all([UseOnce("a", NOW), UseOnce("b", NOW + 10)])
    store.settling.trim(0, NOW + 5, 10)
    assert [type(one).__name__ for one in store.commit_all([UseOnce("a", NOW), UseOnce("b", NOW)])] == [
        "Outcome",
        "LinkUsed",
    ]


def test_dead_version_is_due_when_its_time_is_over_and_its_end_settled(store: Store) -> None:
    store.bucket()
    version = store.put(1, "a")
    store.commit(delete(1, "a"), NOW)
    due = NOW + TRASH_MS
    assert store.settling.due_dead(due, 10) == []
    store.settling.mark(store.owed(), viewed=0)
    assert store.settling.due_dead(due - 1, 10) == []
    assert [one.version_id for one in store.settling.due_dead(due, 10)] == [version.version_id]
    assert [one.version_id for one in store.settling.dead_before(NOW, 10)] == [version.version_id]
    assert store.settling.dead_before(NOW - 1, 10) == []


@pytest.mark.parametrize(("at_ms", "due_ms"), [(NOW + 5, NOW + 5), (NOW + 2 * TRASH_MS, NOW + TRASH_MS)])
def test_hasten_never_lengthens(store: Store, at_ms: int, due_ms: int) -> None:
    store.bucket()
    version = store.put(1, "a")
    assert not store.settling.hasten(version.version_id, at_ms)
    store.commit(delete(1, "a"))
    assert store.settling.hasten(version.version_id, at_ms)
    (dead,) = store.settling.versions(1, "a")
    assert dead.due_ms == due_ms


def test_taken_version_is_no_longer_offered_and_forgotten_ones_leave_the_counters(store: Store) -> None:
    store.bucket()
    version = store.put(1, "a", b"123")
    store.commit(delete(1, "a"))
    store.settling.take_dead([version])
    (dead,) = store.settling.versions(1, "a")
    assert dead.due_ms == TAKEN_MS
    assert store.usage()["bucket", "1"].trash_bytes == 3
    store.settling.forget_dead([version], OWNERS)
    assert store.settling.versions(1, "a") == []
    assert store.usage() == {}
    store.settling.forget_dead([version], OWNERS)  # an interrupted step is repeated
    assert store.usage() == {}


def test_living_version_is_neither_taken_nor_forgotten(store: Store) -> None:
    store.bucket(versioning="on")
    versions = [store.put(1, "a"), store.put(1, "a")]
    store.settling.take_dead(versions)
    store.settling.forget_dead(versions, OWNERS)
    assert store.settling.versions(1, "a") == versions[::-1]


def test_deleted_bucket_goes_row_by_row_and_itself_last(store: Store) -> None:
    store.bucket()
    store.commit_all([put(1, f"k{number}") for number in range(500)])
    store.commit_all([delete(1, f"k{number}") for number in range(50)])
    store.commit(DeleteBucket(1, ACTOR, NOW, force=True))
    assert store.settling.closed_buckets(NOW) == []  # its directory is not put away yet
    store.settling.mark_moved(1)
    ((number, _, owner),) = store.settling.closed_buckets(NOW)
    assert store.settling.closed_buckets(NOW - 1) == []
    steps = 0
    while not store.settling.clear_bucket(number):
        steps += 1
    assert steps > 1
    store.settling.forget_bucket(number, owner)
    assert (store.usage(), store.settling.buckets()) == ({}, {})


def test_job_commits_its_own_changes_and_leaves_out_what_may_not_be_made(store: Store) -> None:
    store.bucket()
    version = store.put(1, "a")
    right = delete(1, "a", conditions=WriteConditions(version_id=version.version_id))
    wrong = delete(1, "a", conditions=WriteConditions(version_id="another"))
    grown = store.settling.apply([wrong, right], lambda sequence: Moment(NOW, sequence, KEEPING))
    assert grown == 1
    assert store.owed() == [1, 2, 3]
    assert store.find(1, "a") is None


def test_expired_are_found_in_open_buckets_oldest_first(store: Store) -> None:
    store.bucket()
    store.bucket("other")
    store.commit_all([put(1, "late", expires_ms=NOW + 9), put(1, "b", expires_ms=NOW + 2), put(1, "c")])
    store.commit_all([put(1, "a", expires_ms=NOW + 1), put(2, "closed", expires_ms=NOW + 1)])
    store.commit(DeleteBucket(2, ACTOR, NOW, force=True))
    assert [version.key for version in store.settling.expired(NOW + 2, 10)] == ["a", "b"]
    assert [version.key for version in store.settling.expired(NOW + 2, 1)] == ["a"]


def test_known_versions_are_found_in_every_table(store: Store) -> None:
    store.bucket()
    dead, head = store.put(1, "a"), store.put(1, "a")
    ids = [dead.version_id, head.version_id]
    assert store.settling.known_versions([*ids, "stranger"]) == set(ids)
    store.settling.mark(store.owed(), viewed=0)
    store.settling.trim(NOW + 1, NOW, 100)  # the journal knows nothing any more
    assert store.settling.known_versions([*ids, "stranger"]) == set(ids)
    assert store.settling.known_versions([]) == set()


def test_state_is_kept(store: Store) -> None:
    store.settling.set_state("clock_ms", 5)
    store.reopen()
    assert store.settling.state("clock_ms") == 5
    assert store.settling.state("nothing") is None
