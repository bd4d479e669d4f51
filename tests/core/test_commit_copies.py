"""What copies and moves do, and whose id a file has afterwards."""

from storage_service.app.core.commit import SourceSettled, turned
from storage_service.app.core.errors import (
    InvalidArgument,
    NoSuchKey,
    PreconditionFailed,
)
from storage_service.app.core.objects import TAKEN_MS, is_uuid, new_id
from tests.core.committing import A, B, refused, stored, world
from tests.support.changing import NOW, copy, delete, put


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
