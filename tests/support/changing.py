"""Changes with short names, for tests of what a commit does. Ids are fresh UUIDs unless a test says otherwise."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as st

from storage_service.app.core.changes import (
    Change,
    CopyVersion,
    CreateBucket,
    DeleteBucket,
    DeleteObject,
    PatchObject,
    PutVersion,
    UpdateBucket,
    UseOnce,
)
from storage_service.app.core.objects import BucketOptions, Version, WriteConditions, new_id
from tests.support.rows import MemoryRows

NOW = 1_700_000_000_000
ACTOR = "ann"
OWNER = "owner"
DOC = '{"content_type":"text/plain"}'


def create(name: str = "photos", **options: Any) -> CreateBucket:
    return CreateBucket(name, new_id(), OWNER, BucketOptions(**options), ACTOR, NOW)


def draft(bucket: int, key: str, size: int = 1, **fields: Any) -> Version:
    """A version as a request makes it. Its ETag is its size, unless given."""
    made = Version(bucket, key, new_id(), new_id(), size, str(size), NOW, NOW * 1_000_000, 0, DOC)
    return made._replace(**fields)


def put(bucket: int, key: str, body: bytes = b"x", *, conditions: Any = None, **fields: Any) -> PutVersion:
    """Its ETag is its text."""
    version = draft(bucket, key, len(body), etag=body.decode(), **fields)
    return PutVersion(version, body, ACTOR, WriteConditions(**(conditions or {})))


def copy(source: Version, bucket: int, key: str, *, move: bool = False, linked: bool = False) -> CopyVersion:
    made = source._replace(
        bucket=bucket,
        key=key,
        version_id=new_id(),
        file_id=source.file_id if move else new_id(),
        flags=0,
        gone_ms=None,
        gone_sequence=None,
        due_ms=None,
        expires_ms=None,
    )
    return CopyVersion(source, made, linked, ACTOR, move=move)


def delete(bucket: int, key: str, version_id: str | None = None, **options: Any) -> DeleteObject:
    return DeleteObject(bucket, key, ACTOR, NOW, version_id, new_id(), **options)


def patch(bucket: int, key: str, fields: dict[str, Any], version_id: str | None = None, **options: Any) -> PatchObject:
    return PatchObject(bucket, key, fields, ACTOR, NOW, version_id, **options)


class Plan(NamedTuple):
    """A change that is drawn before it is known what it will find: `pick` chooses among the versions of the key."""

    kind: str
    bucket: int
    key: str
    pick: int
    size: int
    at_ms: int
    other: str


KINDS = (
    *("put", "put", "put", "put-new", "put-match", "put-expiring", "put-promised", "copy", "copy", "move", "move"),
    *("delete", "delete", "delete-ok", "delete-version", "delete-version", "patch", "patch-version", "once"),
    *("versioning", "force", "create"),
)
KEYS = ("a", "b")
plans = st.lists(
    st.builds(
        Plan,
        st.sampled_from(KINDS),
        st.sampled_from((1, 2)),
        st.sampled_from(KEYS),
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(0, 40).map(NOW.__add__),
        st.sampled_from(KEYS),
    ),
    min_size=6,
    max_size=40,
)
states = st.sampled_from(("off", "on", "suspended"))


def change_of(plan: Plan, rows: MemoryRows) -> Change:
    """The planned change, about what the rows hold now."""
    history = rows.history(plan.bucket, plan.key) or [draft(plan.bucket, plan.key)]
    chosen = history[plan.pick % len(history)]
    kind = plan.kind.partition("-")[0]
    if kind in {"copy", "move"}:
        target = 3 - plan.bucket if plan.size == 3 else plan.bucket
        return copy(chosen, target, plan.other, move=kind == "move")
    if kind == "delete":
        return _delete_of(plan, chosen)
    if kind == "patch":
        named = chosen.version_id if plan.kind == "patch-version" else None
        return patch(plan.bucket, plan.key, {"tags": {"t": str(plan.size)}, "expires_ms": None}, named)
    return _of_bucket(plan, rows) or _put_of(plan, chosen)


def _delete_of(plan: Plan, chosen: Version) -> DeleteObject:
    if plan.kind == "delete-version":
        return delete(plan.bucket, plan.key, chosen.version_id)
    return delete(plan.bucket, plan.key, purge=plan.size == 3, missing_ok=plan.kind == "delete-ok")


def _put_of(plan: Plan, chosen: Version) -> PutVersion:
    conditions = {"put-new": {"must_be_new": True}, "put-match": {"if_match": (chosen.etag,)}}.get(plan.kind, {})
    made = put(plan.bucket, plan.key, b"x" * plan.size, conditions=conditions)
    if plan.kind == "put-expiring":
        return made._replace(draft=made.draft._replace(expires_ms=plan.at_ms + 10))
    if plan.kind == "put-promised":
        return made._replace(draft=made.draft._replace(file_id=chosen.file_id), promised=True)
    return made


def _of_bucket(plan: Plan, rows: MemoryRows) -> Change | None:
    if plan.kind == "once":
        return UseOnce(f"link-{plan.pick}", plan.at_ms)
    if plan.kind == "versioning":
        state = ("on", "suspended", "on", "off")[plan.pick]
        return UpdateBucket(plan.bucket, {"versioning": state}, ACTOR, plan.at_ms)
    if plan.kind == "create":
        return create(rows.buckets[plan.bucket].name)
    if plan.kind == "force" and plan.pick == plan.size == 0:
        return DeleteBucket(plan.bucket, ACTOR, plan.at_ms, force=True)
    return None
