"""A bucket that takes from an old server: what arrives, and what must never come back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.changes import Change, UpdateBucket
from storage_service.app.core.errors import InvalidArgument, InvalidBucketName, PreconditionFailed, StorageError
from storage_service.app.core.objects import DELETE_MARKER, Bucket, Version
from storage_service.app.core.origins import (
    CONFIG,
    Origin,
    check_origin,
    ended,
    origin_of,
    remembers_deletes,
    render_origin,
)
from tests.support.changing import ACTOR, NOW, copy, create, delete, put
from tests.support.rows import MemoryRows, recount

A = 1
ORIGIN = Origin("id", "http://minio:9000", "photos", "in/", "eu", "key", "v1.sealed")
TOLD = render_origin(ORIGIN, 5)


def world(versioning: str) -> MemoryRows:
    rows = MemoryRows()
    rows.commit(create("photos", config={CONFIG: TOLD}), NOW)
    if versioning != "off":
        rows.commit(UpdateBucket(A, {"versioning": "on"}, ACTOR, NOW), NOW)
        rows.commit(UpdateBucket(A, {"versioning": versioning}, ACTOR, NOW), NOW)
    return rows


def test_an_origin_is_read_as_it_was_written_and_forgets_its_secret_at_the_end() -> None:
    bucket = world("off").buckets[A]
    assert origin_of(bucket) == ORIGIN._replace(bucket_id=bucket.uuid)
    over = ended(TOLD, 9)
    assert "sealed" not in str(over)
    after = Bucket(1, "u", "photos", "o", 1, 0, 0, type(bucket.options)(config={CONFIG: over}))
    assert origin_of(after) is None
    assert remembers_deletes(after)
    assert ended(over, 20) == over


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"url": "minio:9000"}, InvalidArgument),
        ({"url": "ftp://minio"}, InvalidArgument),
        ({"url": "http://key:secret@minio"}, InvalidArgument),
        ({"url": "http://minio?x"}, InvalidArgument),
        ({"bucket": "UPPER"}, InvalidBucketName),
        ({"prefix": "x" * 1025}, InvalidArgument),
        ({"region": "a\nb"}, InvalidArgument),
    ],
)
def test_what_cannot_be_an_origin_is_refused(fields: dict[str, str], error: type[StorageError]) -> None:
    with pytest.raises(error):
        check_origin(ORIGIN._replace(**fields))
    assert check_origin(ORIGIN) == ORIGIN


def arrival() -> Change:
    change = put(A, "k", b"from the origin")
    return change._replace(conditions=change.conditions._replace(never_here=True))


STEPS = st.lists(st.sampled_from(["put", "delete", "purge", "end the newest", "move"]), max_size=8)


def change_for(step: str, rows: MemoryRows) -> Change | None:
    head = rows.heads.get((A, "k"))
    if step == "put":
        return put(A, "k", b"written here")
    if step in {"delete", "purge"}:
        return delete(A, "k", purge=step == "purge", missing_ok=True)
    if head is None:
        return None
    return copy(head, A, "elsewhere", move=True) if step == "move" else delete(A, "k", version_id=head.version_id)


def living(rows: MemoryRows) -> list[Version]:
    return [version for version in rows.history(A, "k") if version.gone_ms is None]


@given(st.sampled_from(["off", "on", "suspended"]), STEPS)
def test_what_was_ever_here_never_arrives_again(versioning: str, steps: list[str]) -> None:
    rows = world(versioning)
    known = False
    for step in steps:
        change = change_for(step, rows)
        if change is not None:
            rows.try_commit(change, NOW)
            known = True
        assert sum(version.is_null for version in living(rows)) <= 1
        assert {place: usage for place, usage in rows.counts.items() if any(usage)} == recount(rows)
    arrived: Any = rows.try_commit(arrival(), NOW)
    assert (arrived is PreconditionFailed) == known


@pytest.mark.parametrize("purge", [False, True])
def test_a_delete_without_versions_leaves_a_marker_that_has_no_bytes(purge: bool) -> None:
    rows = world("off")
    rows.commit(put(A, "k", b"body"), NOW)
    rows.commit(delete(A, "k", purge=purge), NOW)
    assert [(one.flags & DELETE_MARKER, one.size) for one in living(rows)] == [(DELETE_MARKER, 0)]
    trash = [one for one in rows.history(A, "k") if not one.is_marker]
    assert [one.due_ms > NOW + 60_000 for one in trash if one.due_ms is not None] == [not purge]
