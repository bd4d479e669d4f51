"""Object lock: retention and legal hold of versions. Pure.

A bucket that locks keeps versions for good; its configuration has `object_lock`, with a default for new versions.
A version's doc has `lock`: `mode` and `until_ms` of its retention, `hold` for a legal hold.
Source: AWS "Locking objects with Object Lock".
"""

from collections.abc import Mapping
from typing import Any

import orjson

from storage_service.app.core.errors import InvalidBucketState, InvalidRequest, ObjectLocked
from storage_service.app.core.objects import Bucket, BucketOptions, Version

MODES: frozenset[str] = frozenset({"GOVERNANCE", "COMPLIANCE"})
DAY_MS = 86_400_000
YEAR_DAYS = 365
MAX_DAYS = 36_500  # Source: AWS "DefaultRetention".
# What may change in the doc of a version that is locked: neither is part of the object as it was written.
OPEN_FIELDS = frozenset({"acl", "lock", "tags"})
NO_LOCK: Mapping[str, Any] = {}


def is_locking(bucket: Bucket) -> bool:
    return "object_lock" in bucket.options.config


def lock_in(doc: str) -> Mapping[str, Any]:
    """The lock in a version's doc; empty where there is none. Nearly none has one: those are not parsed."""
    if '"lock":{' not in doc:
        return NO_LOCK
    found = orjson.loads(doc).get("lock")
    return found if isinstance(found, dict) else NO_LOCK


def check_removable(version: Version, now_ms: int, *, bypass: bool = False) -> None:
    """Raises ObjectLocked while it is under legal hold or retention. `bypass` lifts governance, never compliance."""
    lock = lock_in(version.doc)
    if lock.get("hold"):
        raise ObjectLocked("Access Denied because the object is under legal hold", key=version.key)
    if _is_retained(lock, now_ms) and not (bypass and lock["mode"] == "GOVERNANCE"):
        raise ObjectLocked("Access Denied because object protected by object lock", key=version.key)


def _is_retained(lock: Mapping[str, Any], now_ms: int) -> bool:
    return bool(lock.get("mode")) and int(lock["until_ms"]) > now_ms


def changed_lock(version: Version, wanted: Mapping[str, Any], now_ms: int, *, bypass: bool) -> dict[str, Any]:
    """The version's lock with `wanted` merged in, None taking a field out.

    Raises: ObjectLocked where a retention in force would become weaker.
    """
    lock = lock_in(version.doc)
    new = {name: value for name, value in {**lock, **wanted}.items() if value is not None}
    weaker = new.get("mode") != lock.get("mode") or int(new.get("until_ms", 0)) < int(lock.get("until_ms", 0))
    if _is_retained(lock, now_ms) and weaker and not (bypass and lock["mode"] == "GOVERNANCE"):
        raise ObjectLocked("Access Denied because object protected by object lock", key=version.key)
    return new


def with_default(doc: str, bucket: Bucket, at_ms: int) -> str:
    """The doc of a new version with the bucket's default retention, unless it has one of its own.

    Raises: InvalidRequest for a lock in a bucket that does not lock.
    """
    lock = lock_in(doc)
    if not is_locking(bucket):
        if lock:
            raise InvalidRequest("Bucket is missing Object Lock Configuration", bucket=bucket.name)
        return doc
    default = bucket.options.config["object_lock"].get("default")
    if default is None or lock.get("mode"):
        return doc
    days = default["days"] if "days" in default else default["years"] * YEAR_DAYS
    record = orjson.loads(doc)
    record["lock"] = {**lock, "mode": default["mode"], "until_ms": at_ms + days * DAY_MS}
    return orjson.dumps(record).decode()


def check_options(before: BucketOptions | None, after: BucketOptions, bucket: str) -> None:
    """A bucket that locks keeps versions, and locks for good. Raises InvalidBucketState."""
    locks = "object_lock" in after.config
    if locks and after.versioning != "on":
        raise InvalidBucketState("Versioning must be enabled on a bucket with object lock", bucket=bucket)
    if before is not None and "object_lock" in before.config and not locks:
        raise InvalidBucketState("Object lock cannot be turned off", bucket=bucket)
