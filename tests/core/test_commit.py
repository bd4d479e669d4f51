"""What each change does and when it is refused: tables, over rows in dictionaries."""

from typing import Any

import orjson
import pytest

from storage_service.app.core import sidecar
from storage_service.app.core.changes import (
    Change,
    DeleteBucket,
    PutVersion,
    UpdateBucket,
    UseOnce,
)
from storage_service.app.core.commit import BucketLeaving, SourceSettled, is_undone, turned
from storage_service.app.core.ending import NOTHING
from storage_service.app.core.errors import (
    BucketAlreadyExists,
    BucketNotEmpty,
    InvalidArgument,
    KeyAlreadyExists,
    LinkUsed,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    NothingToMatch,
    PreconditionFailed,
    QuotaExceeded,
    ServiceUnavailable,
    StorageError,
)
from storage_service.app.core.objects import ANY_WRITE, TAKEN_MS, Version, WriteConditions, is_uuid, new_id
from tests.support.changing import ACTOR, NOW, copy, create, delete, draft, patch, put
from tests.support.rows import GRACE_MS, TRASH_MS, MemoryRows

A, B = 1, 2


def world(**options: Any) -> MemoryRows:
    """Bucket 1 as asked for, bucket 2 plain."""
    rows = MemoryRows()
    rows.commit(create("photos", **options), NOW)
    rows.commit(create("other"), NOW)
    return rows


def stored(rows: MemoryRows, change: Change, now_ms: int = NOW) -> Version:
    version = rows.commit(change, now_ms).version
    assert version is not None
    return version


def refused(rows: MemoryRows, change: Change, now_ms: int = NOW) -> type[StorageError]:
    """The error; that nothing was written is looked at."""
    before = orjson.dumps([str(rows.__dict__)])
    outcome = rows.try_commit(change, now_ms)
    assert isinstance(outcome, type), outcome
    assert orjson.dumps([str(rows.__dict__)]) == before
    return PreconditionFailed if outcome is NothingToMatch else outcome  # S3 alone tells them apart


def test_first_version_is_created_and_the_second_replaces_it_into_the_trash() -> None:
    rows = world()
    first = rows.commit(put(A, "k", b"one"), NOW)
    second = rows.commit(put(A, "k", b"second"), NOW + 5)
    assert (first.created, second.created) == (True, False)
    assert first.version is not None and second.version is not None
    assert rows.heads[A, "k"].etag == "second"
    dead = rows.others[first.version.version_id]
    assert (dead.gone_ms, dead.gone_sequence, dead.due_ms) == (NOW + 5, second.version.sequence, NOW + 5 + TRASH_MS)
    assert second.version.file_id == first.version.file_id
    assert rows.log[-1].victim == first.version.version_id


def test_journal_row_of_a_put_holds_the_sidecar_as_it_will_stand_on_disk() -> None:
    rows = world()
    version = stored(rows, put(A, "k", b"one"))
    entry = rows.log[-1]
    assert (entry.op, entry.actor, entry.sequence, entry.version_id) == ("put", ACTOR, version.sequence, entry[4])
    record = orjson.loads(entry.doc)
    assert sidecar.version_of(record, A) == version
    assert record["bucket_id"] == rows.buckets[A].uuid
    assert rows.bodies == {version.sequence: b"one"}


WHEN: list[tuple[dict[str, Any], type[StorageError] | None, type[StorageError] | None]] = [
    # conditions, on a key that holds "one", on one that holds nothing
    ({}, None, None),
    ({"if_match": ("one",)}, None, PreconditionFailed),
    ({"if_match": ("two", "one")}, None, PreconditionFailed),
    ({"if_match": ("*",)}, None, PreconditionFailed),
    ({"if_match": ("two",)}, PreconditionFailed, PreconditionFailed),
    ({"if_match": ()}, PreconditionFailed, PreconditionFailed),
    ({"if_none_match": ("*",)}, PreconditionFailed, None),
    ({"if_none_match": ("one",)}, PreconditionFailed, None),
    ({"if_none_match": ("two",)}, None, None),
    ({"if_none_match": ()}, None, None),
    ({"must_be_new": True}, KeyAlreadyExists, None),
    ({"must_be_new": True, "if_match": ("two",)}, KeyAlreadyExists, PreconditionFailed),
    ({"file_id": "F"}, None, NoSuchKey),
    ({"file_id": "G"}, NoSuchKey, NoSuchKey),
    ({"version_id": "V"}, None, PreconditionFailed),
    ({"version_id": "W"}, PreconditionFailed, PreconditionFailed),
]


@pytest.mark.parametrize(("conditions", "there", "absent"), WHEN)
def test_conditions_of_a_put(conditions: dict[str, Any], there: Any, absent: Any) -> None:
    rows = world()
    rows.commit(put(A, "k", b"one", file_id="F", version_id="V"), NOW)
    for key, error in (("k", there), ("nothing", absent)):
        change = put(A, key, b"new", conditions=conditions)
        if error is None:
            assert rows.commit(change, NOW).version is not None
        else:
            assert refused(rows, change) is error


@pytest.mark.parametrize(
    ("conditions", "error"),
    [
        ({"if_match": ("one",)}, PreconditionFailed),
        ({"if_match": ("*",)}, PreconditionFailed),
        ({"if_none_match": ("*",)}, None),
        ({"must_be_new": True}, None),
        ({"file_id": "F"}, NoSuchKey),
        ({"version_id": "V"}, None),  # the expiry job names the version that it saw
    ],
)
def test_past_its_expiry_a_version_is_not_there_for_conditions(conditions: dict[str, Any], error: Any) -> None:
    rows = world()
    rows.commit(put(A, "k", b"one", file_id="F", version_id="V", expires_ms=NOW + 10), NOW)
    change = put(A, "k", b"new", conditions=conditions)
    if error is None:
        assert rows.commit(change, NOW + 10).created
    else:
        assert refused(rows, change, NOW + 10) is error


def test_if_match_of_a_delete_speaks_of_the_version_that_is_named() -> None:
    rows = world(versioning="on")
    old = stored(rows, put(A, "k", b"old"))
    stored(rows, put(A, "k", b"new"))
    wrong = delete(A, "k", old.version_id, conditions=WriteConditions(if_match=("new",)))
    right = delete(A, "k", old.version_id, conditions=WriteConditions(if_match=("old",)))
    assert refused(rows, wrong) is PreconditionFailed
    assert stored(rows, right).version_id == old.version_id


def absent_source(bucket: int = A) -> Version:
    return draft(bucket, "nothing")


REFUSALS: list[tuple[str, Change, type[StorageError]]] = [
    ("put into a deleted bucket", put(9, "k"), NoSuchBucket),
    ("delete in a deleted bucket", delete(9, "k"), NoSuchBucket),
    ("patch in a deleted bucket", patch(9, "k", {}), NoSuchBucket),
    ("delete what is not there", delete(A, "nothing"), NoSuchKey),
    ("delete a version that is not there", delete(A, "k", "W"), NoSuchVersion),
    ("patch what is not there", patch(A, "nothing", {}), NoSuchKey),
    ("patch a version that is not there", patch(A, "k", {}, "W"), NoSuchVersion),
    ("copy what is not there", copy(absent_source(), A, "t"), NoSuchKey),
    ("create twice", create("photos"), BucketAlreadyExists),
    ("delete a bucket that holds something", DeleteBucket(A, ACTOR, NOW), BucketNotEmpty),
    ("delete a bucket that is not there", DeleteBucket(9, ACTOR, NOW), NoSuchBucket),
    ("update a bucket that is not there", UpdateBucket(9, {}, ACTOR, NOW), NoSuchBucket),
    ("use a link again", UseOnce("used", NOW), LinkUsed),
    ("put by a used link", PutVersion(draft(A, "n"), b"", ACTOR, ANY_WRITE, "used", NOW), LinkUsed),
]


@pytest.mark.parametrize(("change", "error"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_what_is_refused_changes_nothing(change: Change, error: type[StorageError]) -> None:
    rows = world()
    rows.commit(put(A, "k", b"one"), NOW)
    rows.commit(UseOnce("used", NOW), NOW)
    assert refused(rows, change) is error


def test_missing_ok_makes_an_absent_key_a_success_that_writes_nothing() -> None:
    rows = world()
    entries = len(rows.log)
    assert rows.commit(delete(A, "nothing", missing_ok=True), NOW).version is None
    assert rows.commit(delete(A, "nothing", "W", missing_ok=True), NOW).version is None
    assert len(rows.log) == entries


def test_expired_key_is_refused_to_people_and_ended_by_the_job() -> None:
    rows = world()
    rows.commit(put(A, "k", b"one", expires_ms=NOW + 10), NOW)
    assert refused(rows, delete(A, "k"), NOW + 10) is NoSuchKey
    assert refused(rows, patch(A, "k", {"metadata": {}}), NOW + 10) is NoSuchKey
    assert stored(rows, delete(A, "k", missing_ok=True), NOW + 10).etag == "one"
    assert rows.heads == {}


@pytest.mark.parametrize(("purge", "kept_ms"), [(False, TRASH_MS), (True, GRACE_MS)])
def test_what_is_purged_stays_for_the_grace_time_only(purge: bool, kept_ms: int) -> None:
    rows = world()
    version = stored(rows, put(A, "k"))
    rows.commit(delete(A, "k", purge=purge), NOW + 7)
    assert rows.others[version.version_id].due_ms == NOW + 7 + kept_ms
    assert (rows.log[-1].op, rows.log[-1].doc, rows.log[-1].victim) == ("delete", NOTHING, version.version_id)


# Quota --------------------------------------------------------------------------------------------------------------

QUOTAS: list[tuple[dict[str, Any], list[Change], type[StorageError] | None]] = [
    ({"quota_bytes": 10}, [put(A, "a", bytes(10))], None),
    ({"quota_bytes": 10}, [put(A, "a", bytes(11))], QuotaExceeded),
    ({"quota_bytes": 10}, [put(A, "a", bytes(6)), put(A, "b", bytes(5))], QuotaExceeded),
    ({"quota_bytes": 10}, [put(A, "a", bytes(6)), put(A, "a", bytes(10))], None),  # what is replaced makes room
    ({"quota_bytes": 10, "versioning": "on"}, [put(A, "a", bytes(6)), put(A, "a", bytes(5))], QuotaExceeded),
    ({"quota_objects": 1}, [put(A, "a"), put(A, "a")], None),
    ({"quota_objects": 1}, [put(A, "a"), put(A, "b")], QuotaExceeded),
    ({"quota_objects": 0}, [put(A, "a")], QuotaExceeded),
    ({"quota_bytes": 0}, [put(A, "a", b"")], None),
]


@pytest.mark.parametrize(("options", "changes", "error"), QUOTAS)
def test_quota_stands_against_what_grows(options: dict[str, Any], changes: list[Change], error: Any) -> None:
    rows = world(**options)
    for change in changes[:-1]:
        rows.commit(change, NOW)
    if error is None:
        assert rows.commit(changes[-1], NOW).version is not None
    else:
        assert refused(rows, changes[-1]) is error


def test_over_quota_what_shrinks_or_moves_is_still_allowed() -> None:
    rows = world()
    version = stored(rows, put(A, "a", bytes(10)))
    rows.commit(put(A, "b", bytes(10)), NOW)
    rows.commit(UpdateBucket(A, {"quota_bytes": 5, "quota_objects": 1}, ACTOR, NOW), NOW)
    assert rows.commit(copy(version, A, "c", move=True), NOW).version is not None
    assert rows.commit(put(A, "b", bytes(9)), NOW).version is not None
    assert rows.commit(patch(A, "b", {"metadata": {"a": "b"}}), NOW).version is not None
    assert refused(rows, put(A, "b", bytes(10))) is QuotaExceeded
    assert rows.commit(delete(A, "b"), NOW).version is not None


# Metadata -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "merge", "expected"),
    [
        ({"metadata": {"b": "2"}}, False, {"metadata": {"b": "2"}}),
        ({"metadata": {"b": "2"}}, True, {"metadata": {"a": "1", "b": "2"}}),
        ({"metadata": {"a": None}}, True, {}),
        ({"metadata": {"a": None, "b": "2"}}, True, {"metadata": {"b": "2"}}),
        ({"tags": {"t": "1"}}, True, {"metadata": {"a": "1"}, "tags": {"t": "1"}}),
        ({"metadata": {}}, False, {}),
        ({"cache_control": "no-store"}, True, {"metadata": {"a": "1"}, "cache_control": "no-store"}),
        ({"expires_ms": NOW + 50}, True, {"metadata": {"a": "1"}}),
    ],
)
def test_patched_document(fields: dict[str, Any], merge: bool, expected: dict[str, Any]) -> None:
    rows = world()
    before = stored(rows, put(A, "k", doc='{"content_type":"text/plain","metadata":{"a":"1"}}'))
    after = stored(rows, patch(A, "k", fields, merge=merge))
    assert orjson.loads(after.doc) == {"content_type": "text/plain"} | expected
    assert after.expires_ms == fields.get("expires_ms")
    assert (after.sequence, after.meta_sequence) == (before.sequence, before.sequence + 1)
    assert rows.heads[A, "k"] == after
    assert (rows.log[-1].op, rows.log[-1].victim) == ("meta", None)


def test_noncurrent_version_can_be_patched_and_the_current_one_stays() -> None:
    rows = world(versioning="on")
    old = stored(rows, put(A, "k", b"old"))
    new = stored(rows, put(A, "k", b"new"))
    stored(rows, patch(A, "k", {"tags": {"t": "1"}}, old.version_id))
    assert rows.heads[A, "k"] == new
    assert "tags" in rows.others[old.version_id].doc


# Copy and move ------------------------------------------------------------------------------------------------------


def test_journalled_body_is_copied_in_the_commit_and_a_settled_one_must_be_linked_first() -> None:
    rows = world()
    source = stored(rows, put(A, "a", b"body"))
    target = stored(rows, copy(source, B, "b"))
    assert rows.bodies[target.sequence] == b"body"
    rows.bodies.clear()
    assert refused(rows, copy(source, B, "c")) is SourceSettled
    assert stored(rows, copy(source, B, "c", linked=True)).etag == "body"
    assert rows.bodies == {}


def test_move_keeps_the_file_id_and_ends_the_source_in_the_same_commit() -> None:
    rows = world()
    source = stored(rows, put(A, "a", b"body"))
    stored(rows, put(B, "b", b"old"))
    moved = stored(rows, copy(source, B, "b", move=True))
    assert moved.file_id == source.file_id
    assert rows.heads == {(B, "b"): moved}
    ended, made = rows.log[-2:]
    assert (ended.op, made.op) == ("put", "delete")  # the source is settled last: half a move is two files, never none
    assert [one.sequence for one in rows.log] == sorted(one.sequence for one in rows.log)


def test_move_onto_itself_and_of_an_overwritten_source_are_refused() -> None:
    rows = world()
    source = stored(rows, put(A, "a", b"body"))
    assert refused(rows, copy(source, A, "a", move=True)) is InvalidArgument
    stored(rows, put(A, "a", b"newer"))
    assert refused(rows, copy(source, A, "b", move=True)) is PreconditionFailed


def test_version_whose_files_are_being_removed_is_not_copied() -> None:
    rows = world()
    version = stored(rows, put(A, "a"))
    rows.commit(delete(A, "a"), NOW)
    taken = rows.others[version.version_id]._replace(due_ms=TAKEN_MS)
    rows.others[version.version_id] = taken
    assert refused(rows, copy(taken, A, "b", linked=True)) is NoSuchKey


def test_deleted_file_that_is_brought_back_has_its_id_again() -> None:
    rows = world()
    version = stored(rows, put(A, "a", b"body"))
    rows.commit(delete(A, "a"), NOW)
    back = stored(rows, copy(rows.others[version.version_id], A, "a"))
    assert back.file_id == version.file_id
    assert back.version_id != version.version_id


def test_file_brought_back_gets_a_new_id_where_another_bears_the_old_one() -> None:
    rows = world()
    version = stored(rows, put(A, "a", b"body"))
    moved = stored(rows, copy(version, A, "b", move=True))
    back = stored(rows, copy(rows.others[version.version_id], A, "a"))
    assert back.file_id not in {moved.file_id, version.file_id}
    assert is_uuid(back.file_id)
    assert rows.heads[A, "b"].file_id == version.file_id


def test_promised_file_id_is_given_only_if_nobody_bears_it() -> None:
    rows = world()
    first = stored(rows, put(A, "a", file_id="F"))
    promised = put(A, "b", file_id="F")._replace(promised=True)
    assert stored(rows, promised).file_id == promised.draft.version_id
    assert first.file_id == "F"
    again = put(A, "c", file_id="G")._replace(promised=True)
    assert stored(rows, again).file_id == "G"


def test_marker_id_of_a_move_is_another_uuid_near_the_new_version() -> None:
    version_id = new_id()
    assert turned(version_id) != version_id and is_uuid(turned(version_id))
    assert turned(turned(version_id)) == version_id


def test_version_that_becomes_current_again_twice_never_shares_its_file_id() -> None:
    """The heir of a moved file gets an id of its own; moved away as well, the next heir must not get the same."""
    rows = world(versioning="on")
    first = stored(rows, put(A, "k", b"one"))
    for target in ("x", "y", "z"):
        stored(rows, copy(rows.heads[A, "k"], A, target, move=True))
        marker = rows.newest_other(A, "k")
        assert marker is not None and marker.is_marker
        stored(rows, delete(A, "k", marker.version_id))
        assert rows.heads[A, "k"].version_id == first.version_id
    ids = [head.file_id for head in rows.heads.values()]
    assert len(set(ids)) == len(ids) == 4
    assert all(is_uuid(file_id) for file_id in ids)


# Buckets ------------------------------------------------------------------------------------------------------------


def test_name_of_a_deleted_bucket_is_free_once_its_directory_is_put_away() -> None:
    rows = world()
    rows.commit(DeleteBucket(A, ACTOR, NOW), NOW)
    assert refused(rows, create("photos")) is BucketLeaving
    rows.leaving.clear()
    made = rows.commit(create("photos"), NOW).bucket
    assert made is not None and made.id == 3


def test_options_not_named_keep_their_value_and_versioning_never_goes_back_to_off() -> None:
    rows = world(versioning="on", quota_bytes=5)
    after = rows.commit(UpdateBucket(A, {"public": True}, ACTOR, NOW + 1), NOW).bucket
    assert after is not None
    assert (after.options.public, after.options.quota_bytes, after.options.versioning) == (True, 5, "on")
    assert (after.generation, after.updated_ms) == (2, NOW + 1)
    assert refused(rows, UpdateBucket(A, {"versioning": "off"}, ACTOR, NOW)) is InvalidArgument
    assert rows.commit(UpdateBucket(A, {"versioning": "suspended"}, ACTOR, NOW), NOW).bucket is not None


def test_bucket_with_nothing_but_delete_markers_may_be_deleted() -> None:
    rows = world(versioning="on")
    version = stored(rows, put(A, "k"))
    rows.commit(delete(A, "k"), NOW)
    assert refused(rows, DeleteBucket(A, ACTOR, NOW)) is BucketNotEmpty
    rows.commit(delete(A, "k", version.version_id), NOW)
    rows.commit(DeleteBucket(A, ACTOR, NOW), NOW)
    assert A in rows.closed


@pytest.mark.parametrize(
    ("error", "undone"),
    [
        (PreconditionFailed(), True),
        (QuotaExceeded(), True),
        (ServiceUnavailable("The disk failed; the outcome is unknown"), False),
        (OSError(), False),
        (None, False),
    ],
)
def test_what_was_made_for_a_commit_goes_only_if_it_surely_was_not(error: Exception | None, undone: bool) -> None:
    assert is_undone(error) is undone
