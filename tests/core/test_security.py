"""The table of actions, row by row, with the contract's words."""

from dataclasses import replace

import orjson
import pytest

from storage_service.app.core.errors import AccessDenied, StorageError, Unauthenticated
from storage_service.app.core.objects import Bucket, BucketOptions, Version
from storage_service.app.core.protection import Asked
from storage_service.app.core.security import (
    ACTIONS,
    ANON_KEY_HOLDER,
    ANONYMOUS,
    RULES,
    SERVICE,
    Action,
    Principal,
    Rules,
    Scope,
    authorize,
    may_see,
)

OWNER = Principal("user", "u-1", frozenset({"u-1", "ann@example.org"}))
STRANGER = Principal("user", "u-2", frozenset({"u-2"}))
ROOT = Principal("user", "u-3", frozenset({"u-3"}), admin=True)
PRINCIPALS = {
    "anonymous": ANONYMOUS,
    "anon key": ANON_KEY_HOLDER,
    "stranger": STRANGER,
    "owner": OWNER,
    "admin": ROOT,
    "service": SERVICE,
}
PRIVATE = Bucket(1, "0199-uuid", "photos", "ann@example.org", 1, 0, 0)
PUBLIC = replace(PRIVATE, options=BucketOptions(public=True))
UNLISTED = replace(PRIVATE, options=BucketOptions(public=True, public_list=False))

OK = None
LOGIN = (Unauthenticated, "Not authenticated")
WRONG = (Unauthenticated, "Invalid authentication credentials")
HIDDEN_BUCKET = (AccessDenied, "Access denied to private bucket")
HIDDEN = (AccessDenied, "Access denied. This is a private bucket.")
UNAUTHENTICATED = (Unauthenticated, "Authentication required")
ANON_UPLOAD = (AccessDenied, "Anonymous uploads are only allowed to public buckets")
ROOT_ONLY = (AccessDenied, "Administrator rights are required")


def no(what: str) -> tuple[type[StorageError], str]:
    return AccessDenied, f"You don't have permission to {what}"


# Action, bucket -> answers to: anonymous, anon key, stranger, owner. Admin and service: always OK.
TABLE = [
    ("list_buckets", None, OK, OK, OK, OK),
    ("create_bucket", None, LOGIN, WRONG, OK, OK),
    ("read_bucket", PUBLIC, OK, OK, OK, OK),
    ("read_bucket", PRIVATE, HIDDEN_BUCKET, HIDDEN_BUCKET, HIDDEN_BUCKET, OK),
    ("update_bucket", PUBLIC, LOGIN, WRONG, no("update this bucket"), OK),
    ("update_bucket", PRIVATE, LOGIN, WRONG, no("update this bucket"), OK),
    ("delete_bucket", PUBLIC, LOGIN, WRONG, no("delete this bucket"), OK),
    ("delete_bucket", PRIVATE, LOGIN, WRONG, no("delete this bucket"), OK),
    ("list_objects", PUBLIC, OK, OK, OK, OK),
    ("list_objects", UNLISTED, *[no("list this bucket")] * 3, OK),
    ("list_objects", PRIVATE, HIDDEN_BUCKET, HIDDEN_BUCKET, HIDDEN_BUCKET, OK),
    ("read_object", PUBLIC, OK, OK, OK, OK),
    ("read_object", UNLISTED, OK, OK, OK, OK),
    ("read_object", PRIVATE, HIDDEN, HIDDEN, HIDDEN, OK),
    ("read_object_meta", PUBLIC, OK, OK, OK, OK),
    ("read_object_meta", PRIVATE, HIDDEN, HIDDEN, HIDDEN, OK),
    ("write_object", PUBLIC, UNAUTHENTICATED, OK, no("upload to this bucket"), OK),
    ("write_object", PRIVATE, UNAUTHENTICATED, ANON_UPLOAD, no("upload to this bucket"), OK),
    ("sign_upload", PUBLIC, UNAUTHENTICATED, OK, no("upload to this bucket"), OK),
    ("sign_upload", PRIVATE, UNAUTHENTICATED, ANON_UPLOAD, no("upload to this bucket"), OK),
    ("delete_object", PUBLIC, LOGIN, WRONG, no("delete files from this bucket"), OK),
    ("delete_object", PRIVATE, LOGIN, WRONG, no("delete files from this bucket"), OK),
    ("write_object_meta", PUBLIC, LOGIN, WRONG, no("update files in this bucket"), OK),
    ("write_object_meta", PRIVATE, LOGIN, WRONG, no("update files in this bucket"), OK),
    ("sign_download", PUBLIC, LOGIN, OK, OK, OK),
    ("sign_download", PRIVATE, LOGIN, HIDDEN, HIDDEN, OK),
    *[
        (action, bucket, LOGIN, WRONG, no("configure this bucket"), OK)
        for action in ("read_config", "write_config", "lock_object", "bypass_lock")
        for bucket in (PUBLIC, PRIVATE)
    ],
    *[
        (action, bucket, LOGIN, WRONG, no("see or change this access control list"), OK)
        for action in ("read_acl", "write_acl")
        for bucket in (PUBLIC, PRIVATE)
    ],
    ("manage_keys", None, LOGIN, WRONG, OK, OK),
    ("read_metrics", None, LOGIN, WRONG, ROOT_ONLY, ROOT_ONLY),
    ("admin", None, LOGIN, WRONG, ROOT_ONLY, ROOT_ONLY),
]
CASES = [
    pytest.param(
        PRINCIPALS[who],
        action,
        bucket,
        answer,
        id=f"{who} {action}" + ("" if bucket is None else f" {kind_of}"),
    )
    for action, bucket, *answers in TABLE
    for kind_of in ["private" if bucket is PRIVATE else "public" if bucket is PUBLIC else "unlisted"]
    for who, answer in zip(PRINCIPALS, [*answers, OK, OK], strict=True)
]


def asked_of(object_owner: str) -> Asked:
    """With the row of an object that this one uploaded; without one if it is nobody."""
    if not object_owner:
        return Asked()
    doc = orjson.dumps({"owner": object_owner}).decode()
    return Asked(version=Version(1, "cat.jpg", "v", "f", 3, "etag", 0, 0, 0, doc), looked=True)


def answer_to(
    principal: Principal,
    action: Action,
    bucket: Bucket | None,
    key: str | None = None,
    rules: Rules | None = None,
    object_owner: str = "",
) -> tuple[type[StorageError], str] | None:
    try:
        authorize(principal, action, bucket, key, rules or Rules(), asked_of(object_owner))
    except StorageError as error:
        return type(error), error.detail
    return None


@pytest.mark.parametrize(("principal", "action", "bucket", "answer"), CASES)
def test_action_table(
    principal: Principal,
    action: Action,
    bucket: Bucket | None,
    answer: tuple[type[StorageError], str] | None,
) -> None:
    assert answer_to(principal, action, bucket, "cat.jpg") == answer


def test_every_action_has_a_rule_and_a_row_here() -> None:
    assert set(RULES) == set(ACTIONS) == {row[0] for row in TABLE}


@pytest.mark.parametrize("action", ACTIONS)
def test_private_read_authenticated_opens_objects_to_users_and_nothing_else(action: Action) -> None:
    loose = Rules(private_read="authenticated")
    opened = action in ("read_object", "read_object_meta", "sign_download")
    before = answer_to(STRANGER, action, PRIVATE)
    assert answer_to(STRANGER, action, PRIVATE, rules=loose) == (None if opened else before)
    for principal in (ANONYMOUS, ANON_KEY_HOLDER, OWNER):
        same = answer_to(principal, action, PRIVATE)
        assert answer_to(principal, action, PRIVATE, rules=loose) == same


@pytest.mark.parametrize("action", ACTIONS)
def test_uploader_may_delete_and_describe_the_own_object_only(action: Action) -> None:
    before = answer_to(STRANGER, action, PRIVATE)
    own = action in ("delete_object", "write_object_meta", "read_acl", "write_acl")
    assert answer_to(STRANGER, action, PRIVATE, object_owner="u-2") == (None if own else before)
    assert answer_to(STRANGER, action, PRIVATE, object_owner="u-9") == before


@pytest.mark.parametrize("action", ACTIONS)
def test_bucket_and_object_without_owner_belong_to_nobody(action: Action) -> None:
    orphan = replace(PRIVATE, owner="")
    for principal in (ANONYMOUS, ANON_KEY_HOLDER):
        assert answer_to(principal, action, orphan) == answer_to(principal, action, PRIVATE)


LINK = Principal("link", "u-1", scope=Scope(PRIVATE.uuid, "a.txt", frozenset({"write_object"})))


@pytest.mark.parametrize("action", ACTIONS)
def test_link_reaches_one_key_with_one_action(action: Action) -> None:
    refused = (AccessDenied, "This link does not allow this request")
    allowed = None if action == "write_object" else refused
    assert answer_to(LINK, action, PRIVATE, "a.txt") == allowed
    assert answer_to(LINK, action, PRIVATE, "b.txt") == refused
    assert answer_to(LINK, action, replace(PRIVATE, uuid="another"), "a.txt") == refused
    assert answer_to(LINK, action, None, "a.txt") == refused
    assert answer_to(LINK, action, PRIVATE) == refused


def test_refusals_name_the_bucket() -> None:
    with pytest.raises(AccessDenied) as raised:
        authorize(STRANGER, "read_object", PRIVATE, "a.txt")
    assert raised.value.bucket == "photos"


@pytest.mark.parametrize(
    ("principal", "private", "public"),
    [
        (ANONYMOUS, False, True),
        (ANON_KEY_HOLDER, False, True),
        (STRANGER, False, True),
        (OWNER, True, True),
        (ROOT, True, True),
        (SERVICE, True, True),
        (LINK, False, False),
    ],
)
def test_list_of_buckets_shows_own_and_public(principal: Principal, private: bool, public: bool) -> None:
    assert (may_see(principal, PRIVATE), may_see(principal, PUBLIC)) == (private, public)


def test_only_users_and_the_service_own_buckets() -> None:
    owners = [who for who, principal in PRINCIPALS.items() if principal.may_own]
    assert owners == ["stranger", "owner", "admin", "service"]
    assert not LINK.may_own
