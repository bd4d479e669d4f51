"""Bucket policies: what they say, and who the world is."""

from typing import Any

import pytest

from storage_service.app.core.policy.document import Question, Verdict
from storage_service.app.core.policy.exposure import is_public
from storage_service.app.core.policy.names import KNOWN, PERMISSIONS, VERSIONED
from storage_service.app.core.security import ACTIONS
from tests.core.policies import ACL, ALLOW, ANN, NO_ONE, PREFIX, SOURCE_IP, facts_of, policy_of, verdict

# Who, what, where -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "ids", "said"),
    [
        ("*", NO_ONE, "allow"),
        ({"AWS": "*"}, NO_ONE, "allow"),
        ({"AWS": ["*"]}, ANN, "allow"),
        ({"AWS": "ann"}, ANN, "allow"),
        ({"AWS": "ann"}, NO_ONE, None),
        ({"CanonicalUser": "ann"}, ANN, "allow"),
        ({"AWS": "arn:aws:iam::ann:root"}, ANN, "allow"),
        ({"AWS": "arn:aws:iam::tenant:user/ann"}, ANN, "allow"),
        ({"AWS": "arn:aws:iam::tenant:user/bob"}, ANN, None),
        ({"AWS": ["bob", "arn:aws:iam:::user/ann"]}, ANN, "allow"),
        ({"AWS": "arn:aws:iam:::user/ann@example.org"}, frozenset({"u-1", "ann@example.org"}), "allow"),
        ({"Service": "logging.s3.amazonaws.com"}, frozenset({"logging.s3.amazonaws.com"}), None),
    ],
)
def test_principals(principal: object, ids: frozenset[str], said: Verdict) -> None:
    assert verdict(policy_of({**ALLOW, "Principal": principal}), ids=ids) == said


@pytest.mark.parametrize(
    ("action", "permission", "said"),
    [
        ("s3:GetObject", "s3:GetObject", "allow"),
        ("s3:getobject", "s3:GetObject", "allow"),
        ("s3:Get*", "s3:GetObjectTagging", "allow"),
        ("s3:*", "s3:DeleteObject", "allow"),
        ("*", "s3:DeleteObject", "allow"),
        ("s3:GetObject", "s3:GetObjectVersion", None),
        ("s3:GetObject?cl", "s3:GetObjectAcl", "allow"),
        (["s3:PutObject", "s3:DeleteObject"], "s3:DeleteObject", "allow"),
        (["s3:PutObject", "s3:DeleteObject"], "s3:GetObject", None),
    ],
)
def test_actions(action: object, permission: str, said: Verdict) -> None:
    assert verdict(policy_of({**ALLOW, "Action": action}), permission) == said


@pytest.mark.parametrize(
    ("resource", "place", "said"),
    [
        ("arn:aws:s3:::photos", "photos", "allow"),
        ("arn:aws:s3:::photos", "photos/cat.jpg", None),
        ("arn:aws:s3:::photos/*", "photos", None),
        ("arn:aws:s3:::photos/*", "photos/a/b", "allow"),
        ("arn:aws:s3:::photos/a?", "photos/ab", "allow"),
        ("arn:aws:s3:::photos/A", "photos/a", None),
        ("arn:aws:s3:::*", "photos/a", "allow"),
        ("*", "photos/a", "allow"),
        ("arn:aws:s3:::pho*/a", "photos/a", "allow"),
        ("arn:aws:s3:::photos/${aws:username}/*", "photos/ann/x", "allow"),
        ("arn:aws:s3:::photos/${aws:username}/*", "photos/bob/x", None),
        ("arn:aws:s3:::photos/${aws:userid}/*", "photos//x", None),  # nobody known: it fits nothing
        ("arn:aws:s3:::photos/${aws:userid, 'guests'}/*", "photos/guests/x", "allow"),
        ("arn:aws:s3:::photos/${*}", "photos/*", "allow"),
        ("arn:aws:s3:::photos/${*}", "photos/ann", None),
        ("arn:aws:s3:::photos/${?}x*", "photos/?xyz", "allow"),
        ("arn:aws:s3:::photos/${?}x*", "photos/axyz", None),
    ],
)
def test_resources(resource: str, place: str, said: Verdict) -> None:
    assert verdict(policy_of({**ALLOW, "Resource": resource}), resource=place, given={"aws:username": "ann"}) == said


def test_explicit_deny_wins_in_any_order() -> None:
    deny = {**ALLOW, "Effect": "Deny", "Resource": "arn:aws:s3:::photos/secret/*"}
    for policy in (policy_of(ALLOW, deny), policy_of(deny, ALLOW)):
        assert verdict(policy) == "allow"
        assert verdict(policy, resource="photos/secret/x") == "deny"
        assert verdict(policy, "s3:PutObject") is None


def test_the_not_forms_take_all_but_what_they_name() -> None:
    base = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*", "Principal": "*"}
    others = {name: value for name, value in base.items() if name != "Principal"}
    only_ann = policy_of({**others, "NotPrincipal": {"AWS": "ann"}})
    assert (verdict(only_ann), verdict(only_ann, ids=NO_ONE), verdict(only_ann, ids=frozenset({"bob"}))) == (
        None,
        "deny",
        "deny",
    )
    others = {name: value for name, value in base.items() if name != "Action"}
    only_get = policy_of({**others, "NotAction": ["s3:GetObject"]})
    assert (verdict(only_get), verdict(only_get, "s3:PutObject")) == (None, "deny")
    others = {name: value for name, value in base.items() if name != "Resource"}
    only_open = policy_of({**others, "NotResource": "arn:aws:s3:::photos/open/*"})
    assert (verdict(only_open), verdict(only_open, resource="photos/open/x")) == ("deny", None)


# AWS's own examples. Source: AWS "Examples of Amazon S3 bucket policies" ---------------------------------------------


def test_deny_what_does_not_come_over_https() -> None:
    policy = policy_of(
        ALLOW,
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["arn:aws:s3:::photos/*", "arn:aws:s3:::photos"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )
    assert verdict(policy, given={"aws:securetransport": "true"}) == "allow"
    assert verdict(policy, given={"aws:securetransport": "false"}) == "deny"


def test_only_from_some_addresses() -> None:
    policy = policy_of(
        {
            "Sid": "IPAllow",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"],
            "Condition": {
                "NotIpAddress": {SOURCE_IP: ["192.0.2.0/24", "2001:db8:1234:5678::/64"]},
            },
        }
    )
    assert verdict(policy, given={"aws:sourceip": "192.0.2.44"}) is None
    assert verdict(policy, given={"aws:sourceip": "2001:db8:1234:5678::1"}) is None
    assert verdict(policy, given={"aws:sourceip": "203.0.113.9"}) == "deny"


def test_each_user_has_a_folder_of_the_own_name() -> None:
    policy = policy_of(
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::photos",
            "Condition": {"StringLike": {PREFIX: ["${aws:username}/*", ""]}},
        },
        {**ALLOW, "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::photos/${aws:username}/*"},
    )
    own = {"aws:username": "ann"}
    assert verdict(policy, "s3:ListBucket", "photos", given={**own, "s3:prefix": "ann/x"}) == "allow"
    assert verdict(policy, "s3:ListBucket", "photos", given={**own, "s3:prefix": "bob/"}) is None
    assert verdict(policy, "s3:PutObject", "photos/ann/x", given=own) == "allow"
    assert verdict(policy, "s3:PutObject", "photos/bob/x", given=own) is None


def test_full_control_must_be_given_to_the_owner() -> None:
    policy = policy_of(
        {**ALLOW, "Action": "s3:PutObject", "Condition": {"StringEquals": {ACL: "bucket-owner-full-control"}}}
    )
    assert verdict(policy, "s3:PutObject", given={"s3:x-amz-acl": "bucket-owner-full-control"}) == "allow"
    assert verdict(policy, "s3:PutObject", given={"s3:x-amz-acl": "private"}) is None


def test_a_key_with_another_dash_is_not_confused() -> None:
    policy = policy_of({**ALLOW, "Condition": {"StringEquals": {"s3:ExistingObjectTag/Security": "public"}}})
    facts = facts_of({"s3:existingobjecttag/security": "public"})
    assert policy.verdict(Question(ANN, "s3:getobject", "photos/x", facts)) == "allow"
    assert policy.asks_for_tags("s3:getobject")
    assert not policy.asks_for_tags("s3:putobject")
    assert not policy_of(ALLOW).asks_for_tags("s3:getobject")


# Public or not. Source: AWS "The meaning of public" --------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "public"),
    [
        ({}, True),
        ({"Effect": "Deny"}, False),
        ({"Principal": {"AWS": "ann"}}, False),
        ({"Principal": {"AWS": ["ann", "*"]}}, True),
        ({"Condition": {"IpAddress": {SOURCE_IP: "192.0.2.0/24"}}}, False),
        ({"Condition": {"IpAddress": {SOURCE_IP: "10.0.0.0/32"}}}, False),
        ({"Condition": {"IpAddress": {SOURCE_IP: "0.0.0.0/1"}}}, True),
        ({"Condition": {"IpAddress": {SOURCE_IP: ["192.0.2.0/24", "0.0.0.0/0"]}}}, True),
        ({"Condition": {"IpAddress": {SOURCE_IP: "2001::/16"}}}, True),
        ({"Condition": {"NotIpAddress": {SOURCE_IP: "192.0.2.0/24"}}}, True),
        ({"Condition": {"StringEquals": {"aws:userid": "ann"}}}, False),
        ({"Condition": {"StringLike": {"aws:userid": "a*"}}}, True),
        ({"Condition": {"StringEqualsIfExists": {"aws:userid": "ann"}}}, True),
        ({"Condition": {"StringEquals": {PREFIX: "a/"}}}, True),
        ({"Condition": {"StringEquals": {PREFIX: "a/"}, "IpAddress": {SOURCE_IP: "192.0.2.0/24"}}}, False),
    ],
)
def test_what_is_public(change: dict[str, Any], public: bool) -> None:
    assert is_public(policy_of({**ALLOW, **change})) is public


# Names ----------------------------------------------------------------------------------------------------------


def test_our_actions_stand_for_actions_that_policies_know() -> None:
    assert PERMISSIONS.keys() <= set(ACTIONS)
    named = {*PERMISSIONS.values(), *VERSIONED, *VERSIONED.values()}
    assert {name.lower() for name in named} <= KNOWN
