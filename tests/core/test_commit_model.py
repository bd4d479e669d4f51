"""Any sequence of changes against a model of a page: a key is a stack of versions, a name, nothing else."""

from __future__ import annotations

import copy as copying
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import given, settings

from storage_service.app.core.changes import (
    Change,
    CopyVersion,
    CreateBucket,
    DeleteObject,
    PatchObject,
    PutVersion,
    UpdateBucket,
    UseOnce,
)
from storage_service.app.core.commit import turned
from storage_service.app.core.decision import is_visible
from storage_service.app.core.errors import (
    BucketAlreadyExists,
    InvalidArgument,
    KeyAlreadyExists,
    LinkUsed,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    NothingToMatch,
    PreconditionFailed,
    QuotaExceeded,
    StorageError,
)
from storage_service.app.core.objects import Version
from tests.support.changing import KEYS, NOW, Plan, change_of, create, plans, states
from tests.support.rows import MemoryRows, Place, nonzero, recount

QUOTA_BYTES = 6  # of bucket 2


class Item(NamedTuple):
    """A living version, or a delete marker (no ETag)."""

    version_id: str
    etag: str | None
    size: int
    is_null: bool
    expires_ms: int | None = None
    tags: str = ""


@dataclass
class Model:
    """What S3 promises: versions of a key lie on each other, the newest on top."""

    versioning: dict[int, str]
    stacks: dict[Place, list[Item]] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)

    def stack(self, bucket: int, key: str) -> list[Item]:
        return self.stacks.setdefault((bucket, key), [])

    def current(self, bucket: int, key: str, now_ms: int) -> Item | None:
        top = next(iter(self.stack(bucket, key)), None)
        gone = top is None or top.etag is None or (top.expires_ms is not None and top.expires_ms <= now_ms)
        return None if gone else top

    def bytes_of(self, bucket: int) -> int:
        return sum(item.size for (number, _), stack in self.stacks.items() for item in stack if number == bucket)

    def push(self, bucket: int, key: str, item: Item) -> None:
        stack, state = self.stack(bucket, key), self.versioning[bucket]
        if state != "on":  # at most one null version: the new one
            self.dead |= {old.version_id for old in stack if old.is_null and old.etag is not None}
            stack[:] = [old for old in stack if not old.is_null]
        stack.insert(0, item._replace(is_null=state != "on"))

    def apply(self, change: Change, now_ms: int) -> type[StorageError] | None:
        """What the change is refused with; nothing has changed then."""
        before = copying.deepcopy(self)
        error = self._apply(change, now_ms)
        grown = self.bytes_of(2) > before.bytes_of(2) and isinstance(change, PutVersion | CopyVersion)
        if error is None and grown and self.bytes_of(2) > QUOTA_BYTES:
            error = QuotaExceeded
        if error is not None:
            self.__dict__.update(before.__dict__)
        return error

    def _apply(self, change: Change, now_ms: int) -> type[StorageError] | None:
        match change:
            case PutVersion():
                return self._put(change, now_ms)
            case CopyVersion():
                return self._copy(change, now_ms)
            case DeleteObject():
                return self._delete(change, now_ms)
            case PatchObject():
                return self._patch(change, now_ms)
        return self._rare(change)

    def _rare(self, change: Change) -> type[StorageError] | None:
        match change:
            case UseOnce():
                used = change.once in self.used
                self.used.add(change.once)
                return LinkUsed if used else None
            case UpdateBucket():
                if change.options["versioning"] == "off" != self.versioning[change.bucket]:
                    return InvalidArgument
                self.versioning[change.bucket] = change.options["versioning"]
                return None
        assert isinstance(change, CreateBucket)  # the model keeps its buckets
        return BucketAlreadyExists

    def _put(self, change: PutVersion, now_ms: int) -> type[StorageError] | None:
        draft = change.draft
        current = self.current(draft.bucket, draft.key, now_ms)
        if change.conditions.must_be_new and current is not None:
            return KeyAlreadyExists
        wanted = change.conditions.if_match
        if wanted is not None and (current is None or current.etag not in wanted):
            return NothingToMatch if current is None else PreconditionFailed
        self._push_version(draft)
        return None

    def _push_version(self, draft: Version, tags: str = "") -> None:
        item = Item(draft.version_id, draft.etag, draft.size, False, draft.expires_ms, tags)
        self.push(draft.bucket, draft.key, item)

    def _copy(self, change: CopyVersion, now_ms: int) -> type[StorageError] | None:
        seen, target = change.source, change.draft
        stack = self.stack(seen.bucket, seen.key)
        if seen.version_id not in {item.version_id for item in stack if item.etag is not None} | self.dead:
            return NoSuchKey
        if change.move:
            if (seen.bucket, seen.key) == (target.bucket, target.key):
                return InvalidArgument
            if not stack or stack[0].version_id != seen.version_id:
                return PreconditionFailed
            if self._end(seen.bucket, seen.key, turned(target.version_id), now_ms):
                return NoSuchKey
        self._push_version(target, seen.doc)
        return None

    def _delete(self, change: DeleteObject, now_ms: int) -> type[StorageError] | None:
        if change.version_id is None:
            error = self._end(change.bucket, change.key, change.marker_id, now_ms, missing_ok=change.missing_ok)
            return error
        stack = self.stack(change.bucket, change.key)
        found = next((item for item in stack if item.version_id == change.version_id), None)
        if found is None:
            return NoSuchVersion
        stack.remove(found)
        self.dead |= {found.version_id} if found.etag is not None else set()
        return None

    def _end(
        self, bucket: int, key: str, marker_id: str, now_ms: int, *, missing_ok: bool = False
    ) -> type[StorageError] | None:
        if self.current(bucket, key, now_ms) is None and not missing_ok:
            return NoSuchKey
        if self.versioning[bucket] == "off":
            self.dead |= {item.version_id for item in self.stack(bucket, key) if item.etag is not None}
            self.stacks[bucket, key] = []
        else:
            self.push(bucket, key, Item(marker_id, None, 0, False))
        return None

    def _patch(self, change: PatchObject, now_ms: int) -> type[StorageError] | None:
        stack = self.stack(change.bucket, change.key)
        found = self.current(change.bucket, change.key, now_ms)
        if change.version_id is not None:
            living = (item for item in stack if item.expires_ms is None or item.expires_ms > now_ms)
            found = next(
                (item for item in living if item.version_id == change.version_id and item.etag is not None), None
            )
        if found is None:
            return NoSuchKey if change.version_id is None else NoSuchVersion
        stack[stack.index(found)] = found._replace(tags=str(change.fields["tags"]), expires_ms=None)
        return None


def world(state: str) -> MemoryRows:
    rows = MemoryRows()
    rows.commit(create("photos", versioning=state), NOW)
    rows.commit(create("other", versioning=state, quota_bytes=QUOTA_BYTES), NOW)
    return rows


@settings(max_examples=120)
@given(plans, states)
def test_any_sequence_of_changes_is_what_the_model_says(sequence: list[Plan], state: str) -> None:
    rows, model = world(state), Model({1: state, 2: state})
    for plan in sequence:
        if plan.kind == "force":
            continue
        change = change_of(plan, rows)
        entries, last = len(rows.log), rows.last_sequence
        outcome = rows.try_commit(change, plan.at_ms)
        assert (outcome if isinstance(outcome, type) else None) == model.apply(change, plan.at_ms)
        compare(rows, model, plan.at_ms)
        grown = rows.log[entries:]
        assert [entry.sequence for entry in grown] == list(range(last + 1, rows.last_sequence + 1))


def compare(rows: MemoryRows, model: Model, now_ms: int) -> None:
    for bucket in (1, 2):
        for key in KEYS:
            living = [version for version in rows.history(bucket, key) if version.gone_ms is None]
            stack = model.stack(bucket, key)
            assert [(one.etag, one.size, one.is_null) for one in living] == [
                (item.etag or "", item.size, item.is_null) for item in stack
            ]
            head, current = rows.head(bucket, key), model.current(bucket, key, now_ms)
            seen = head if is_visible(head, now_ms) else None
            assert (seen and seen.version_id) == (current and current.version_id)
    assert nonzero(rows.counts) == nonzero(recount(rows))
    file_ids = [head.file_id for head in rows.heads.values()]
    assert len(set(file_ids)) == len(file_ids)


@settings(max_examples=120)
@given(plans, states)
def test_counters_are_exact_when_buckets_come_and_go_too(sequence: list[Plan], state: str) -> None:
    rows = world(state)
    for plan in sequence:
        rows.try_commit(change_of(plan, rows), plan.at_ms)
        assert nonzero(rows.counts) == nonzero(recount(rows))
        for number in rows.closed:
            assert rows.try_commit(change_of(plan._replace(kind="put", bucket=number), rows), NOW) is NoSuchBucket
