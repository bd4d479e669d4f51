"""Object lock as `decide` enforces it: over a real catalog, whatever door a change comes through."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core import sidecar
from storage_service.app.core.changes import DeleteOptions, PatchOptions
from storage_service.app.core.copying import Copying
from storage_service.app.core.errors import (
    BucketNotEmpty,
    InvalidBucketState,
    InvalidRequest,
    ObjectLocked,
)
from storage_service.app.core.locking import DAY_MS, changed_lock, lock_in, with_default
from storage_service.app.core.objects import Attributes, Bucket, BucketOptions, Version, now_ms
from storage_service.app.core.writing import PutOptions
from tests.support.stack import Stack

LOCKING: dict[str, Any] = {"versioning": "on", "config": {"object_lock": {"enabled": True}}}
SOON_MS = 60_000


async def put(stack: Stack, bucket: Bucket, key: str = "a", **lock: Any) -> Version:
    async def body() -> AsyncIterator[bytes]:
        yield b"bytes"

    options = PutOptions(Attributes(lock=lock), actor="owner", size=5)
    version = (await stack.store.put_object(bucket, key, body(), options)).version
    assert version is not None
    return version


async def end(stack: Stack, version: Version, bucket: Bucket, *, bypass: bool = False) -> None:
    options = DeleteOptions(version.version_id, bypass=bypass)
    await stack.store.delete_object(bucket, version.key, "owner", options)


def retained(mode: str = "GOVERNANCE", ms: int = SOON_MS) -> dict[str, Any]:
    return {"mode": mode, "until_ms": now_ms() + ms}


async def test_governance_yields_to_bypass_and_compliance_never(stack: Stack) -> None:
    bucket = await stack.bucket(**LOCKING)
    governed, bound = await put(stack, bucket, **retained()), await put(stack, bucket, **retained("COMPLIANCE"))
    with pytest.raises(ObjectLocked):
        await end(stack, governed, bucket)
    await end(stack, governed, bucket, bypass=True)
    with pytest.raises(ObjectLocked):
        await end(stack, bound, bucket, bypass=True)
    assert (await stack.read(bucket, "a"))[1] == b"bytes"


async def test_a_legal_hold_yields_to_nothing_but_its_end(stack: Stack) -> None:
    bucket = await stack.bucket(**LOCKING)
    version = await put(stack, bucket, hold=True)
    with pytest.raises(ObjectLocked):
        await end(stack, version, bucket, bypass=True)
    await stack.store.patch_object(bucket, "a", {"lock": {"hold": False}}, "owner", PatchOptions())
    await end(stack, version, bucket)


async def test_a_retention_that_has_run_out_binds_no_more(stack: Stack) -> None:
    bucket = await stack.bucket(**LOCKING)
    await end(stack, await put(stack, bucket, **retained("COMPLIANCE", -1)), bucket)


async def test_a_plain_delete_and_an_overwrite_leave_the_locked_version(stack: Stack) -> None:
    bucket = await stack.bucket(**LOCKING)
    locked = await put(stack, bucket, **retained("COMPLIANCE"))
    await put(stack, bucket)
    await stack.store.delete_object(bucket, "a", "owner", DeleteOptions(purge=True))
    kept = [version.version_id for version in await stack.store.list_versions(bucket, "a")]
    assert locked.version_id in kept


async def test_a_locked_version_keeps_its_words_but_not_its_tags(stack: Stack) -> None:
    bucket = await stack.bucket(**LOCKING)
    await put(stack, bucket, **retained())
    for fields in ({"metadata": {"a": "b"}}, {"expires_ms": now_ms()}, {"content_type": "text/html"}):
        with pytest.raises(ObjectLocked):
            await stack.store.patch_object(bucket, "a", fields, "owner", PatchOptions())
    changed = await stack.store.patch_object(bucket, "a", {"tags": {"a": "b"}}, "owner", PatchOptions())
    assert orjson.loads(changed.doc)["tags"] == {"a": "b"}


async def test_a_new_version_gets_the_default_unless_it_has_its_own(stack: Stack) -> None:
    bucket = await stack.bucket(**LOCKING)
    default = {"object_lock": {"enabled": True, "default": {"mode": "COMPLIANCE", "days": 2}}}
    bucket = await stack.store.update_bucket(bucket, {"config": default}, "owner")
    plain = await put(stack, bucket)
    assert lock_in(plain.doc) == {"mode": "COMPLIANCE", "until_ms": plain.at_ms + 2 * DAY_MS}
    held = await put(stack, bucket, hold=True)
    assert lock_in(held.doc) == {"mode": "COMPLIANCE", "until_ms": held.at_ms + 2 * DAY_MS, "hold": True}
    own = retained()
    assert lock_in((await put(stack, bucket, **own)).doc) == own


async def test_a_copy_gets_the_default_and_not_its_sources_lock(stack: Stack) -> None:
    bucket, plain = await stack.bucket(**LOCKING), await stack.bucket("plain")
    await put(stack, bucket, **retained())
    copied = await stack.store.copy_object(Copying(bucket, "a", plain, "b"), "owner")
    assert copied.version is not None
    assert lock_in(copied.version.doc) == {}


async def test_a_bucket_that_locks_keeps_versions_and_its_lock(stack: Stack) -> None:
    bucket = await stack.bucket(**LOCKING)
    for options in ({"versioning": "suspended"}, {"config": {"object_lock": None}}):
        with pytest.raises(InvalidBucketState):
            await stack.store.update_bucket(bucket, options, "owner")
    plain = await stack.bucket("plain")
    with pytest.raises(InvalidBucketState):
        await stack.store.update_bucket(plain, {"config": LOCKING["config"]}, "owner")
    with pytest.raises(InvalidBucketState):
        await stack.store.create_bucket("third", "owner", BucketOptions(config={"object_lock": {}}), "owner")


async def test_a_bucket_that_locks_is_not_deleted_by_force(stack: Stack) -> None:
    bucket = await stack.bucket(**LOCKING)
    await put(stack, bucket, **retained())
    with pytest.raises(BucketNotEmpty):
        await stack.store.delete_bucket(bucket, "owner", force=True)


async def test_a_bucket_that_does_not_lock_refuses_locks(stack: Stack) -> None:
    bucket = await stack.bucket()
    with pytest.raises(InvalidRequest):
        await put(stack, bucket, **retained())
    await put(stack, bucket)
    with pytest.raises(InvalidRequest):
        await stack.store.patch_object(bucket, "a", {"lock": {"hold": True}}, "owner", PatchOptions())


async def test_lock_and_configuration_stand_in_the_sidecars(stack: Stack) -> None:
    bucket = await stack.bucket(**LOCKING)
    lock = retained()
    version = await put(stack, bucket, **lock)
    stack.settle()
    name = f"{version.version_id}.json"
    [sidecar] = [path for path in (stack.root / "photos/.blobs").rglob("*.json") if path.name == name]
    record = orjson.loads(sidecar.read_bytes())
    assert record["lock"] == record["doc"]["lock"] == lock
    described = orjson.loads((stack.root / "photos/.bucket.json").read_bytes())
    assert described["options"]["config"] == LOCKING["config"]


def test_a_configuration_survives_the_buckets_sidecar() -> None:
    options = BucketOptions(versioning="on", config={**LOCKING["config"], "policy": "{}", "cors": [{"origins": ["*"]}]})
    bucket = Bucket(1, "u", "photos", "ann", 1, 0, 0, options)
    written = sidecar.render_file(sidecar.render_bucket(bucket, 7))
    assert sidecar.bucket_of(sidecar.parse_file(written)) == bucket


async def test_configurations_are_merged_by_name(stack: Stack) -> None:
    bucket = await stack.bucket(config={"tags": {"a": "b"}, "ownership": "ObjectWriter"})
    bucket = await stack.store.update_bucket(bucket, {"config": {"tags": None, "cors": []}}, "owner")
    assert bucket.options.config == {"ownership": "ObjectWriter", "cors": []}
    assert (await stack.store.bucket("photos")).options == bucket.options


# Which changes of a retention are allowed ---------------------------------------------------------------------------

NOW = 1_000_000
MODES = st.sampled_from(["GOVERNANCE", "COMPLIANCE", None])
LOCKS = st.tuples(MODES, st.integers(NOW - 10, NOW + 10)).map(
    lambda pair: {"mode": pair[0], "until_ms": pair[1]} if pair[0] else {"mode": None, "until_ms": None}
)


def version_with(lock: dict[str, Any]) -> Version:
    doc = {"lock": lock} if lock.get("mode") else {}
    return Version(1, "a", "v", "f", 3, "etag", 0, 0, 0, orjson.dumps(doc).decode())


@given(LOCKS, LOCKS, st.booleans())
def test_a_retention_in_force_only_grows_unless_governance_is_bypassed(
    old: dict[str, Any], new: dict[str, Any], bypass: bool
) -> None:
    in_force = old["mode"] is not None and old["until_ms"] > NOW
    try:
        changed = changed_lock(version_with(old), new, NOW, bypass=bypass)
    except ObjectLocked:
        assert in_force
        assert old["mode"] == "COMPLIANCE" or not bypass
        assert new["mode"] != old["mode"] or new["until_ms"] < old["until_ms"]
        return
    assert changed == {name: value for name, value in new.items() if value is not None}
    if in_force and old["mode"] == "COMPLIANCE":
        assert changed["mode"] == "COMPLIANCE"
        assert changed["until_ms"] >= old["until_ms"]


def test_years_are_of_365_days() -> None:
    config = {"object_lock": {"enabled": True, "default": {"mode": "GOVERNANCE", "years": 1}}}
    bucket = Bucket(1, "u", "photos", "ann", 1, 0, 0, BucketOptions(versioning="on", config=config))
    assert lock_in(with_default("{}", bucket, NOW))["until_ms"] == NOW + 365 * DAY_MS


def test_metadata_that_looks_like_a_lock_is_none() -> None:
    doc = orjson.dumps({"metadata": {"lock": {"mode": "COMPLIANCE", "until_ms": 9e15}}}).decode()
    assert lock_in(doc) == {}
