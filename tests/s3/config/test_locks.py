"""Object lock by boto3: configuration, retention, legal hold. What `decide` holds is tested in tests/core."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.s3.asking import refused
from tests.support.service import SERVICE_KEY

Client = Any
DENIED = (403, "AccessDenied")


def later(**much: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(**much)


@pytest.fixture
def locking(s3: Client) -> str:
    name = f"b-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def put(s3: Client, bucket: str, key: str = "a", **more: Any) -> str:
    return str(s3.put_object(Bucket=bucket, Key=key, Body=b"x", **more)["VersionId"])


def test_a_bucket_that_locks_keeps_versions(s3: Client, locking: str) -> None:
    assert s3.get_bucket_versioning(Bucket=locking)["Status"] == "Enabled"
    assert s3.get_object_lock_configuration(Bucket=locking)["ObjectLockConfiguration"] == {
        "ObjectLockEnabled": "Enabled"
    }
    suspended = {"Status": "Suspended"}
    state = (409, "InvalidBucketState")
    assert refused(s3.put_bucket_versioning, Bucket=locking, VersioningConfiguration=suspended) == state


def test_the_default_reaches_every_new_version(s3: Client, locking: str) -> None:
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    said = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=locking, ObjectLockConfiguration=said)
    assert s3.get_object_lock_configuration(Bucket=locking)["ObjectLockConfiguration"] == said
    version = put(s3, locking)
    head = s3.head_object(Bucket=locking, Key="a")
    assert head["ObjectLockMode"] == "GOVERNANCE"
    assert abs((head["ObjectLockRetainUntilDate"] - later(days=1)).total_seconds()) < 60
    assert refused(s3.delete_object, Bucket=locking, Key="a", VersionId=version) == DENIED
    s3.delete_object(Bucket=locking, Key="a", VersionId=version, BypassGovernanceRetention=True)


def test_only_who_may_bypasses_governance(s3: Client, other: Client, locking: str) -> None:
    s3.put_bucket_acl(Bucket=locking, ACL="public-read-write")
    version = put(s3, locking, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=later(days=1))
    bypass = {"VersionId": version, "BypassGovernanceRetention": True}
    assert refused(other.delete_object, Bucket=locking, Key="a", **bypass) == DENIED
    s3.delete_object(Bucket=locking, Key="a", **bypass)


def test_who_may_write_may_not_lock(s3: Client, other: Client, locking: str) -> None:
    s3.put_bucket_acl(Bucket=locking, ACL="public-read-write")
    other.put_object(Bucket=locking, Key="a", Body=b"x")
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": later(days=1)}
    for said in (lock, {"ObjectLockLegalHoldStatus": "ON"}):
        assert refused(other.put_object, Bucket=locking, Key="a", Body=b"x", **said) == DENIED


def test_compliance_ends_by_time_alone(s3: Client, http: httpx.Client, locking: str) -> None:
    until = later(seconds=2)
    version = put(s3, locking, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    arguments = {"Bucket": locking, "Key": "a", "VersionId": version, "BypassGovernanceRetention": True}
    assert refused(s3.delete_object, **arguments) == DENIED
    own = {"authorization": f"Bearer {SERVICE_KEY}"}
    assert http.delete(f"/files/{locking}/a?version_id={version}", headers=own).status_code == 403
    assert http.delete(f"/buckets/{locking}?force=true", headers=own).status_code == 409
    while datetime.now(UTC) <= until:
        time.sleep(0.1)
    s3.delete_object(**arguments)


def test_retention_may_grow_and_be_read(s3: Client, locking: str) -> None:
    put(s3, locking)
    assert refused(s3.get_object_retention, Bucket=locking, Key="a") == (404, "NoSuchObjectLockConfiguration")
    first, second = later(days=1), later(days=2)
    for until in (first, second):
        retention = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
        s3.put_object_retention(Bucket=locking, Key="a", Retention=retention)
        assert s3.get_object_retention(Bucket=locking, Key="a")["Retention"] == retention
    shorter = {"Mode": "COMPLIANCE", "RetainUntilDate": first}
    assert refused(s3.put_object_retention, Bucket=locking, Key="a", Retention=shorter) == DENIED


def test_a_legal_hold_is_kept_and_lifted(s3: Client, locking: str) -> None:
    version = put(s3, locking, ObjectLockLegalHoldStatus="ON")
    assert s3.get_object_legal_hold(Bucket=locking, Key="a")["LegalHold"] == {"Status": "ON"}
    assert refused(s3.delete_object, Bucket=locking, Key="a", VersionId=version) == DENIED
    s3.put_object_legal_hold(Bucket=locking, Key="a", LegalHold={"Status": "OFF"})
    assert s3.get_object_legal_hold(Bucket=locking, Key="a")["LegalHold"] == {"Status": "OFF"}
    s3.delete_object(Bucket=locking, Key="a", VersionId=version)


def test_a_multipart_upload_and_a_copy_are_locked_as_they_say(s3: Client, locking: str) -> None:
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": later(days=1)}
    upload = s3.create_multipart_upload(Bucket=locking, Key="a", **lock)["UploadId"]
    part = s3.upload_part(Bucket=locking, Key="a", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=locking, Key="a", UploadId=upload, MultipartUpload=parts)
    s3.copy_object(Bucket=locking, Key="b", CopySource=f"{locking}/a", **lock)
    s3.copy_object(Bucket=locking, Key="c", CopySource=f"{locking}/a")
    assert [s3.head_object(Bucket=locking, Key=key).get("ObjectLockMode") for key in "abc"] == [
        "GOVERNANCE",
        "GOVERNANCE",
        None,
    ]


@pytest.mark.parametrize(
    ("lock", "code"),
    [
        ({"ObjectLockMode": "GOVERNANCE"}, "InvalidArgument"),
        ({"ObjectLockRetainUntilDate": datetime(2140, 1, 1, tzinfo=UTC)}, "InvalidArgument"),
        (
            {"ObjectLockMode": "governance", "ObjectLockRetainUntilDate": datetime(2140, 1, 1, tzinfo=UTC)},
            "InvalidArgument",
        ),
        (
            {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": datetime(2020, 1, 1, tzinfo=UTC)},
            "InvalidArgument",
        ),
        ({"ObjectLockLegalHoldStatus": "on"}, "InvalidArgument"),
    ],
)
def test_locks_that_make_no_sense_are_refused(s3: Client, locking: str, lock: dict[str, Any], code: str) -> None:
    assert refused(s3.put_object, Bucket=locking, Key="a", Body=b"x", **lock) == (400, code)


def test_a_bucket_that_does_not_lock_says_so(s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert refused(s3.get_object_lock_configuration, Bucket=bucket) == (404, "ObjectLockConfigurationNotFoundError")
    wrong = (400, "InvalidRequest")
    assert refused(s3.get_object_retention, Bucket=bucket, Key="a") == wrong
    assert refused(s3.put_object_legal_hold, Bucket=bucket, Key="a", LegalHold={"Status": "ON"}) == wrong
    assert refused(s3.put_object, Bucket=bucket, Key="a", Body=b"x", ObjectLockLegalHoldStatus="ON") == wrong
    said = {"ObjectLockEnabled": "Enabled"}
    state = (409, "InvalidBucketState")
    assert refused(s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration=said) == state
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=said)
    put(s3, bucket, ObjectLockLegalHoldStatus="ON")
