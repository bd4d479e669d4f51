"""What commits decide about uploads in pieces: no sequence of them miscounts usage, passes a quota or mixes uploads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_service.app.core.changes import (
    AppendUpload,
    Change,
    CompleteUpload,
    CreateUpload,
    DeleteBucket,
    EndUpload,
    PutPart,
    Writes,
)
from storage_service.app.core.commit import UploadChanged, decide
from storage_service.app.core.decision import Keeping, Moment
from storage_service.app.core.errors import NoSuchUpload, OffsetMismatch, StorageError
from storage_service.app.core.objects import Bucket, BucketOptions, Part, Upload, Usage, Version

NOW, EXPIRY = 1_000_000, 1_000
QUOTA = 100


class Table:
    """The rows of a catalog as plain dictionaries, with what commits wrote."""

    def __init__(self) -> None:
        self.buckets = {1: Bucket(1, "b1", "films", "owner", 1, 0, 0, BucketOptions(quota_bytes=QUOTA))}
        self.heads: dict[tuple[int, str], Version] = {}
        self.uploads: dict[str, Upload] = {}
        self.parts: dict[tuple[str, int], Part] = {}
        self.usages: dict[tuple[str, str], Usage] = {}
        self.sequence = 0

    def bucket(self, number: int) -> Bucket | None:
        return self.buckets.get(number)

    def bucket_named(self, name: str) -> Bucket | None:
        return next((bucket for bucket in self.buckets.values() if bucket.name == name), None)

    def is_leaving(self, name: str) -> bool:
        return False

    def next_bucket(self) -> int:
        return 2

    def head(self, bucket: int, key: str) -> Version | None:
        return self.heads.get((bucket, key))

    def version(self, bucket: int, key: str, version_id: str) -> Version | None:
        found = self.heads.get((bucket, key))
        return found if found and found.version_id == version_id else None

    def newest_other(self, bucket: int, key: str, besides: str = "") -> Version | None:
        return None

    def null_other(self, bucket: int, key: str) -> Version | None:
        return None

    def file_place(self, file_id: str) -> tuple[int, str] | None:
        return None

    def usage(self, scope: str, name: str) -> Usage:
        return self.usages.get((scope, name), Usage())

    def has_objects(self, bucket: int) -> bool:
        return any(number == bucket for number, _ in self.heads)

    def has_body(self, sequence: int) -> bool:
        return False

    def is_used(self, once: str) -> bool:
        return False

    def upload(self, upload_id: str) -> Upload | None:
        return self.uploads.get(upload_id)

    def part(self, upload_id: str, number: int) -> Part | None:
        return self.parts.get((upload_id, number))

    def commit(self, change: Change, now_ms: int = NOW) -> Writes:
        moment = Moment(now_ms, self.sequence, Keeping(60_000, 0))
        writes = decide(change, self, moment)
        self.sequence = moment.sequence
        for version in writes.heads:
            self.heads[version.bucket, version.key] = version
        self.uploads |= {upload.id: upload for upload in writes.uploads}
        self.parts |= {(part.upload, part.number): part for part in writes.parts}
        for scope, name, delta in writes.usage:
            self.usages[scope, name] = self.usage(scope, name).plus(delta)
        for row in writes.buckets:
            if row.closed:
                del self.buckets[row.bucket.id]
        return writes


def upload_of(name: str, kind: Any = "multipart") -> Upload:
    return Upload(name, 1, f"key-{name}", f"version-{name}", kind, "open", 0, NOW + EXPIRY, 0, 0, None, "", "{}")


def part_of(name: str, number: int, size: int) -> Part:
    return Part(name, number, "attempt", size, "0" * 32, "AAAAAAAAAAA=", "", NOW)


def draft_of(upload: Upload) -> Version:
    return Version(1, upload.key, upload.version_id, f"file-{upload.id}", upload.size, "etag-1", NOW, 0, 0, "{}")


def completion(table: Table, name: str, stamp: int | None = None) -> CompleteUpload:
    upload = table.uploads.get(name) or upload_of(name)
    return CompleteUpload(name, upload.stamp if stamp is None else stamp, draft_of(upload), "me")


NAMES = st.sampled_from(["a", "b", "g"])
STEPS = st.one_of(
    st.tuples(st.just("create"), NAMES, st.just(0), st.just(0)),
    st.tuples(st.just("part"), NAMES, st.integers(1, 3), st.integers(0, 60)),
    st.tuples(st.just("append"), NAMES, st.integers(0, 40), st.integers(0, 40)),
    st.tuples(st.just("complete"), NAMES, st.integers(0, 3), st.just(0)),
    st.tuples(st.just("abort"), NAMES, st.just(0), st.just(0)),
    st.tuples(st.just("stale"), NAMES, st.integers(0, 2 * EXPIRY), st.just(0)),
)


def change_of(table: Table, step: tuple[str, str, int, int]) -> Change:
    what, name, one, two = step
    kind = "resumable" if name == "g" else "multipart"
    changes: dict[str, Change] = {
        "create": CreateUpload(upload_of(name, kind)),
        "part": PutPart(1, part_of(name, one, two), 80, NOW + EXPIRY),
        "append": AppendUpload(1, name, one, two, "", 70, NOW + EXPIRY),
        "complete": completion(table, name, one),
        "abort": EndUpload(1, name, NOW),
        "stale": EndUpload(1, name, NOW, stale_ms=NOW + one),
    }
    return changes[what]


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=40))
def test_usage_is_that_of_the_open_uploads_whatever_happens(steps: list[tuple[str, str, int, int]]) -> None:
    table = Table()
    for step in steps:
        if step[0] == "create" and step[1] in table.uploads:
            continue  # ids are never given twice
        before = (dict(table.uploads), dict(table.usages))
        try:
            table.commit(change_of(table, step))
        except StorageError:
            assert (table.uploads, table.usages) == before
        living = sum(upload.size for upload in table.uploads.values() if upload.phase == "open")
        for scope, name in (("bucket", "1"), ("owner", "owner")):
            used = table.usage(scope, name)
            assert used.upload_bytes == living
            assert used.bytes == sum(version.size for version in table.heads.values())
            assert used.bytes + used.upload_bytes <= QUOTA
        for upload in table.uploads.values():
            if upload.kind == "multipart" and upload.phase == "open":
                assert upload.size == sum(part.size for part in table.parts.values() if part.upload == upload.id) <= 80


@pytest.mark.parametrize("phase", ["done", "aborted"])
def test_ended_upload_takes_nothing_more(phase: Any) -> None:
    table = Table()
    table.uploads["a"] = upload_of("a")._replace(phase=phase)
    for change in (PutPart(1, part_of("a", 1, 1), 80, NOW), completion(table, "a"), EndUpload(1, "a", NOW)):
        with pytest.raises(NoSuchUpload):
            table.commit(change)


def test_upload_past_its_expiry_takes_nothing_more() -> None:
    table = Table()
    table.commit(CreateUpload(upload_of("a")))
    with pytest.raises(NoSuchUpload):
        table.commit(PutPart(1, part_of("a", 1, 1), 80, NOW), NOW + EXPIRY)


def test_completion_of_an_upload_that_grew_meanwhile_is_told_so() -> None:
    table = Table()
    table.commit(CreateUpload(upload_of("a")))
    seen = completion(table, "a")
    table.commit(PutPart(1, part_of("a", 1, 5), 80, NOW + EXPIRY))
    with pytest.raises(UploadChanged):
        table.commit(seen)
    table.commit(completion(table, "a"))
    assert table.uploads["a"].phase == "done"
    assert table.heads[1, "key-a"].version_id == "version-a"


def test_part_put_again_is_told_with_the_attempt_it_replaces() -> None:
    table = Table()
    table.commit(CreateUpload(upload_of("a")))
    first = part_of("a", 1, 5)
    table.commit(PutPart(1, first, 80, NOW + EXPIRY))
    writes = table.commit(PutPart(1, part_of("a", 1, 2)._replace(attempt="later"), 80, NOW + EXPIRY))
    assert writes.outcome is not None
    assert writes.outcome.replaced == first
    assert table.usage("bucket", "1").upload_bytes == 2


def test_offset_that_is_not_the_end_is_refused_with_the_true_one() -> None:
    table = Table()
    table.commit(CreateUpload(upload_of("g", "resumable")))
    table.commit(AppendUpload(1, "g", 0, 7, "", None, NOW + EXPIRY))
    with pytest.raises(OffsetMismatch) as caught:
        table.commit(AppendUpload(1, "g", 6, 7, "", None, NOW + EXPIRY))
    assert caught.value.offset == 7


def test_bucket_that_is_deleted_takes_its_uploads_out_of_usage_once() -> None:
    table = Table()
    table.commit(CreateUpload(upload_of("a")))
    table.commit(PutPart(1, part_of("a", 1, 5), 80, NOW + EXPIRY))
    table.commit(DeleteBucket(1, "me", NOW))
    assert table.usage("owner", "owner").upload_bytes == 0
    table.commit(EndUpload(1, "a", NOW))
    assert table.usage("owner", "owner").upload_bytes == 0
