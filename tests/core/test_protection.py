"""`authorize` where a bucket says something of access itself: policy, ACLs, ownership, public access block."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from storage_service.app.core.errors import AccessDenied, StorageError
from storage_service.app.core.grants import Parties, canned, render_grants
from storage_service.app.core.objects import Bucket, BucketOptions, Version
from storage_service.app.core.protection import Asked, protection_of, versioned
from storage_service.app.core.security import (
    ANONYMOUS,
    SERVICE,
    Action,
    NeedsObject,
    Principal,
    Scope,
    authorize,
)

OWNER = Principal("user", "ann", frozenset({"ann", "ann@example.org"}))
STRANGER = Principal("user", "bob", frozenset({"bob"}))
ALL_BLOCKS = {
    "block_public_acls": True,
    "ignore_public_acls": True,
    "block_public_policy": True,
    "restrict_public_buckets": True,
}


def policy(effect: str, action: Any, resource: str = "photos/*", principal: Any = "*", **condition: Any) -> str:
    statement = {"Effect": effect, "Principal": principal, "Action": action, "Resource": f"arn:aws:s3:::{resource}"}
    if condition:
        statement["Condition"] = condition
    return orjson.dumps({"Version": "2012-10-17", "Statement": statement}).decode()


def bucket_with(public: bool = False, **config: Any) -> Bucket:
    return Bucket(1, "0199-uuid", "photos", "ann", 1, 0, 0, BucketOptions(public=public, config=config))


def listed(name: str, owner: str = "ann") -> list[dict[str, str]]:
    return render_grants(canned(name, Parties(owner, "ann")))


def version_with(**doc: Any) -> Version:
    return Version(1, "cat.jpg", "v", "f", 3, "etag", 0, 0, 0, orjson.dumps(doc).decode())


def may(principal: Principal, action: Action, bucket: Bucket, asked: Asked | None = None, key: str = "cat.jpg") -> bool:
    try:
        place = None if action in ("list_objects", "write_config") else key
        authorize(principal, action, bucket, place, asked=asked or Asked())
    except StorageError:
        return False
    return True


def test_a_policy_lets_in_whom_it_names() -> None:
    bucket = bucket_with(policy=policy("Allow", "s3:GetObject", principal={"AWS": "bob"}))
    assert may(STRANGER, "read_object", bucket)
    assert not may(STRANGER, "write_object", bucket)
    assert not may(ANONYMOUS, "read_object", bucket)
    assert not may(STRANGER, "list_objects", bucket)


def test_a_deny_reaches_owner_and_admin_but_for_the_policy_itself() -> None:
    bucket = bucket_with(public=True, policy=policy("Deny", "s3:*", "*"))
    for principal in (OWNER, SERVICE, STRANGER, ANONYMOUS):
        assert not may(principal, "read_object", bucket)
        assert not may(principal, "list_objects", bucket)
    for permission in ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"):
        assert may(OWNER, "write_config", bucket, Asked(permission))
        assert may(SERVICE, "write_config", bucket, Asked(permission))
        assert not may(STRANGER, "write_config", bucket, Asked(permission))
    assert not may(OWNER, "write_config", bucket, Asked("s3:PutBucketAcl"))


def test_a_deny_holds_for_links_too() -> None:
    link = Principal("link", scope=Scope("0199-uuid", "cat.jpg", frozenset({"read_object"})))
    assert may(link, "read_object", bucket_with(policy=policy("Allow", "s3:PutObject")))
    assert not may(link, "read_object", bucket_with(policy=policy("Deny", "s3:GetObject")))


def test_what_a_policy_does_not_speak_of_stays_as_it_was() -> None:
    bucket = bucket_with(policy=policy("Allow", "s3:GetObject", "photos/open/*"))
    assert may(OWNER, "write_object", bucket)
    assert not may(STRANGER, "read_object", bucket)
    assert may(STRANGER, "read_object", bucket, key="open/x")
    assert not may(OWNER, "admin", bucket)


def test_conditions_see_the_request() -> None:
    bucket = bucket_with(policy=policy("Allow", "s3:GetObject", IpAddress={"aws:SourceIp": "192.0.2.0/24"}))

    def facts(name: str) -> Sequence[str] | None:
        return ["192.0.2.1"] if name == "aws:sourceip" else None

    assert may(ANONYMOUS, "read_object", bucket, Asked(facts=facts))
    assert not may(ANONYMOUS, "read_object", bucket)


def test_tags_of_the_object_are_asked_for_by_its_row() -> None:
    tagged: dict[str, Any] = {"StringEquals": {"s3:ExistingObjectTag/level": "open"}}
    bucket = bucket_with(policy=policy("Allow", "s3:GetObject", **tagged))
    with pytest.raises(NeedsObject):
        authorize(STRANGER, "read_object", bucket, "cat.jpg")
    assert may(STRANGER, "read_object", bucket, Asked(version=version_with(tags={"level": "open"}), looked=True))
    assert not may(STRANGER, "read_object", bucket, Asked(version=version_with(tags={"level": "no"}), looked=True))
    assert not may(STRANGER, "read_object", bucket, Asked(looked=True))
    deny = bucket_with(policy=policy("Deny", "s3:GetObject", **tagged))
    with pytest.raises(NeedsObject):  # never a guess in the owner's favour
        authorize(OWNER, "read_object", deny, "cat.jpg")
    assert not may(OWNER, "read_object", deny, Asked(version=version_with(tags={"level": "open"}), looked=True))
    assert may(OWNER, "read_object", deny, Asked(version=version_with(), looked=True))
    assert may(OWNER, "write_object", deny)


def test_a_buckets_list_lets_list_and_write_but_not_read() -> None:
    bucket = bucket_with(acl=listed("public-read-write"))
    assert may(ANONYMOUS, "list_objects", bucket)
    assert may(ANONYMOUS, "write_object", bucket)
    assert not may(ANONYMOUS, "read_object", bucket)
    assert not may(ANONYMOUS, "read_object", bucket, Asked(version=version_with(), looked=True))
    assert not may(ANONYMOUS, "write_config", bucket, Asked("s3:PutBucketAcl"))


def test_an_objects_own_list_opens_it_in_a_private_bucket() -> None:
    asked = Asked(version=version_with(acl=listed("public-read")), looked=True)
    assert may(ANONYMOUS, "read_object", bucket_with(), asked)
    assert not may(ANONYMOUS, "read_acl", bucket_with(), asked._replace(permission="s3:GetObjectAcl"))
    assert not may(ANONYMOUS, "delete_object", bucket_with(), asked)
    assert not may(ANONYMOUS, "read_object", bucket_with(ownership="BucketOwnerEnforced"), asked)
    assert not may(ANONYMOUS, "read_object", bucket_with(public_access_block=ALL_BLOCKS), asked)


@pytest.mark.parametrize("switch", ["ignore_public_acls", "restrict_public_buckets"])
def test_a_block_closes_the_public_option(switch: str) -> None:
    assert may(ANONYMOUS, "read_object", bucket_with(public=True, public_access_block={}))
    closed = bucket_with(public=True, public_access_block={switch: True})
    assert not may(ANONYMOUS, "read_object", closed)
    assert may(OWNER, "read_object", closed)


def test_a_public_policy_is_restricted_to_the_owner_where_that_is_asked() -> None:
    public = policy("Allow", "s3:GetObject")
    named = policy("Allow", "s3:GetObject", principal={"AWS": "bob"})
    block = {"restrict_public_buckets": True}
    assert may(STRANGER, "read_object", bucket_with(policy=public))
    assert not may(STRANGER, "read_object", bucket_with(policy=public, public_access_block=block))
    assert may(OWNER, "read_object", bucket_with(policy=public, public_access_block=block))
    assert may(STRANGER, "read_object", bucket_with(policy=named, public_access_block=block))


def test_ignored_lists_leave_grants_to_single_users() -> None:
    grants = [{"permission": "READ", "group": "AllUsers"}, {"permission": "READ", "id": "bob"}]
    bucket = bucket_with(acl=grants, public_access_block={"ignore_public_acls": True})
    assert not may(ANONYMOUS, "list_objects", bucket)
    assert may(STRANGER, "list_objects", bucket)


def test_a_configuration_is_parsed_once_for_each_generation() -> None:
    bucket = bucket_with(policy=policy("Allow", "s3:GetObject"))
    assert bucket.derived(protection_of) is bucket.derived(protection_of)


@pytest.mark.parametrize(
    ("permission", "version_id", "expected"),
    [
        ("s3:GetObject", None, "s3:GetObject"),
        ("s3:GetObject", "v1", "s3:GetObjectVersion"),
        ("s3:DeleteObject", "null", "s3:DeleteObjectVersion"),
        ("s3:PutObject", "v1", "s3:PutObject"),
    ],
)
def test_a_named_version_asks_for_a_permission_of_its_own(
    permission: str, version_id: str | None, expected: str
) -> None:
    assert versioned(permission, version_id) == expected


def test_denials_name_the_place() -> None:
    with pytest.raises(AccessDenied) as caught:
        authorize(OWNER, "read_object", bucket_with(policy=policy("Deny", "s3:GetObject")), "cat.jpg")
    assert (caught.value.bucket, caught.value.key) == ("photos", "cat.jpg")
