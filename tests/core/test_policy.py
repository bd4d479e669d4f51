"""Bucket policies: what is refused, what they say, and who the world is."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import MalformedPolicy
from storage_service.app.core.policy.conditions import OPERATORS, Facts
from storage_service.app.core.policy.document import MAX_POLICY_BYTES, Policy, Question, Verdict, parse_policy
from storage_service.app.core.policy.exposure import is_public
from storage_service.app.core.policy.names import KNOWN, PERMISSIONS, VERSIONED
from storage_service.app.core.security import ACTIONS

ALLOW: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::photos/*",
}
NO_ONE: frozenset[str] = frozenset()
ANN = frozenset({"ann"})


def text_of(*statements: dict[str, Any]) -> str:
    return orjson.dumps({"Version": "2012-10-17", "Statement": list(statements)}).decode()


def policy_of(*statements: dict[str, Any]) -> Policy:
    return parse_policy(text_of(*statements), "photos")


def facts_of(given: dict[str, Any]) -> Facts:
    """Values by key, one or several."""

    def fact(name: str) -> Sequence[str] | None:
        found = given.get(name)
        return [found] if isinstance(found, str) else found

    return fact


def verdict(
    policy: Policy,
    permission: str = "s3:GetObject",
    resource: str = "photos/cat.jpg",
    ids: frozenset[str] = ANN,
    given: dict[str, Any] | None = None,
) -> Verdict:
    return policy.verdict(Question(ids, permission.lower(), resource, facts_of(given or {})))


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


# Conditions -----------------------------------------------------------------------------------------------------

SOURCE_IP, PREFIX, ACL = "aws:SourceIp", "s3:prefix", "s3:x-amz-acl"
HOLDS = [
    # operator, key, expected, given, whether it holds
    ("StringEquals", PREFIX, "a/", "a/", True),
    ("StringEquals", PREFIX, "a/", "A/", False),
    ("StringEquals", PREFIX, "a/", None, False),
    ("StringEquals", PREFIX, ["a/", "b/"], "b/", True),
    ("StringEquals", PREFIX, "a*", "ab", False),
    ("StringEqualsIfExists", PREFIX, "a/", None, True),
    ("StringEqualsIfExists", PREFIX, "a/", "b/", False),
    ("StringNotEquals", PREFIX, "a/", "b/", True),
    ("StringNotEquals", PREFIX, ["a/", "b/"], "b/", False),
    ("StringNotEquals", PREFIX, "a/", None, True),
    ("StringEqualsIgnoreCase", PREFIX, "A/", "a/", True),
    ("StringNotEqualsIgnoreCase", PREFIX, "A/", "a/", False),
    ("StringLike", ACL, "public*", "public-read", True),
    ("StringLike", ACL, "public*", "private", False),
    ("StringNotLike", ACL, "public*", "private", True),
    ("StringNotLike", ACL, "public*", None, True),
    ("stringlike", ACL, "PUBLIC*", "public-read", False),
    ("StringEquals", PREFIX, "${aws:username}/", "ann/", True),
    ("StringLike", PREFIX, "${aws:username}/*", "ann/x", True),
    ("StringLike", PREFIX, "${aws:username}/*", "bob/x", False),
    ("StringNotEquals", PREFIX, "${aws:userid}/", "ann/", True),  # nothing to compare with
    ("NumericEquals", "s3:max-keys", 10, "10", True),
    ("NumericEquals", "s3:max-keys", "10", "10.0", True),
    ("NumericNotEquals", "s3:max-keys", "10", "11", True),
    ("NumericLessThan", "s3:max-keys", "10", "9", True),
    ("NumericLessThan", "s3:max-keys", "10", "10", False),
    ("NumericLessThanEquals", "s3:max-keys", "10", "10", True),
    ("NumericGreaterThan", "s3:max-keys", "10", "10", False),
    ("NumericGreaterThanEquals", "s3:max-keys", "10", "10", True),
    ("NumericLessThanEquals", "s3:max-keys", "10", "ten", False),
    ("NumericNotEquals", "s3:max-keys", "10", "ten", True),
    ("DateGreaterThan", "aws:CurrentTime", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00+00:00", True),
    ("DateLessThan", "aws:CurrentTime", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00+00:00", False),
    ("DateLessThanEquals", "aws:EpochTime", "1704067200", "1704067200", True),
    ("DateEquals", "aws:CurrentTime", "2024-01-01", "2024-01-01T00:00:00Z", True),
    ("DateNotEquals", "aws:CurrentTime", "2024-01-01", "2024-01-01T00:00:00Z", False),
    ("DateGreaterThanEquals", "aws:CurrentTime", "2024-01-01", "nonsense", False),
    ("Bool", "aws:SecureTransport", "true", "true", True),
    ("Bool", "aws:SecureTransport", True, "false", False),
    ("Bool", "aws:SecureTransport", "false", "false", True),
    ("BinaryEquals", "s3:x-amz-content-sha256", "QmluYXJ5", "QmluYXJ5", True),
    ("IpAddress", SOURCE_IP, "192.0.2.0/24", "192.0.2.7", True),
    ("IpAddress", SOURCE_IP, "192.0.2.0/24", "192.0.3.7", False),
    ("IpAddress", SOURCE_IP, "192.0.2.0/24", "::ffff:192.0.2.7", True),
    ("IpAddress", SOURCE_IP, "192.0.2.7", "192.0.2.7", True),
    ("IpAddress", SOURCE_IP, "2001:db8::/32", "2001:db8::1", True),
    ("IpAddress", SOURCE_IP, "2001:db8::/32", "192.0.2.7", False),
    ("IpAddress", SOURCE_IP, "192.0.2.0/24", "testclient", False),
    ("IpAddress", SOURCE_IP, "192.0.2.0/24", None, False),
    ("NotIpAddress", SOURCE_IP, ["192.0.2.0/24", "198.51.100.0/24"], "198.51.100.1", False),
    ("NotIpAddress", SOURCE_IP, "192.0.2.0/24", "203.0.113.1", True),
    ("NotIpAddress", SOURCE_IP, "192.0.2.0/24", None, True),
    ("ArnLike", "s3:x-amz-copy-source", "a/*", "a/b", True),
    ("ArnNotEquals", "s3:x-amz-copy-source", "a/*", "a/b", False),
    ("ArnEquals", "s3:x-amz-copy-source", "a/b", "a/b", True),
    ("ArnNotLike", "s3:x-amz-copy-source", "a/b", "a/c", True),
    ("Null", "s3:x-amz-server-side-encryption", "true", None, True),
    ("Null", "s3:x-amz-server-side-encryption", "true", "AES256", False),
    ("Null", "s3:x-amz-server-side-encryption", False, "AES256", True),
    ("ForAnyValue:StringEquals", "s3:RequestObjectTagKeys", ["a", "b"], ["b", "c"], True),
    ("ForAnyValue:StringEquals", "s3:RequestObjectTagKeys", ["a", "b"], ["c"], False),
    ("ForAnyValue:StringEquals", "s3:RequestObjectTagKeys", ["a"], None, False),
    ("ForAllValues:StringEquals", "s3:RequestObjectTagKeys", ["a", "b"], ["b", "a"], True),
    ("ForAllValues:StringEquals", "s3:RequestObjectTagKeys", ["a", "b"], ["b", "c"], False),
    ("ForAllValues:StringEquals", "s3:RequestObjectTagKeys", ["a"], None, True),
    ("ForAnyValue:StringNotEquals", "s3:RequestObjectTagKeys", ["a"], ["a", "b"], True),
    ("ForAnyValue:StringNotEquals", "s3:RequestObjectTagKeys", ["a"], None, False),
]


@pytest.mark.parametrize(("operator", "key", "expected", "sent", "holds"), HOLDS)
def test_conditions(operator: str, key: str, expected: object, sent: Any, holds: bool) -> None:
    policy = policy_of({**ALLOW, "Condition": {operator: {key: expected}}})
    given = {"aws:username": "ann", **({} if sent is None else {key.lower(): sent})}
    said = policy.verdict(Question(ANN, "s3:getobject", "photos/x", facts_of(given)))
    assert said == ("allow" if holds else None)


def test_every_operator_stands_in_the_table() -> None:
    tried = {row[0].lower().partition(":")[2] or row[0].lower() for row in HOLDS}
    assert {word.removesuffix("ifexists") for word in tried} == set(OPERATORS)


def test_all_conditions_of_a_statement_must_hold() -> None:
    condition = {"StringEquals": {PREFIX: "a/", "s3:delimiter": "/"}, "IpAddress": {SOURCE_IP: "192.0.2.0/24"}}
    policy = policy_of({**ALLOW, "Condition": condition})
    given = {"s3:prefix": "a/", "s3:delimiter": "/", "aws:sourceip": "192.0.2.1"}
    assert verdict(policy, given=given) == "allow"
    for name in given:
        assert verdict(policy, given={**given, name: "other"}) is None


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


# What is refused ------------------------------------------------------------------------------------------------

FAULTY_FIELDS: dict[str, dict[str, Any]] = {
    "another effect": {"Effect": "allow"},
    "an unknown field": {"Actions": "s3:*"},
    "a number as Sid": {"Sid": 1},
    "an unknown action": {"Action": "s3:Frobnicate"},
    "another service": {"Action": "ec2:*"},
    "no action": {"Action": []},
    "an action that is no text": {"Action": [1]},
    "another bucket": {"Resource": "arn:aws:s3:::other/*"},
    "not an S3 resource": {"Resource": "photos/*"},
    "an empty resource": {"Resource": "arn:aws:s3:::"},
    "a bare principal": {"Principal": "ann"},
    "an empty principal": {"Principal": {}},
    "an unknown kind of principal": {"Principal": {"Google": "x"}},
    "a pattern as principal": {"Principal": {"AWS": "arn:aws:iam::*:root"}},
    "both forms": {"NotAction": "s3:PutObject"},
    "an unknown operator": {"Condition": {"StringAlmost": {PREFIX: "a"}}},
    "Null with IfExists": {"Condition": {"NullIfExists": {PREFIX: "true"}}},
    "an unknown key": {"Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}},
    "no key": {"Condition": {"StringEquals": {}}},
    "a list of conditions": {"Condition": []},
    "a text as operator": {"Condition": {"StringEquals": "a"}},
    "an object as value": {"Condition": {"StringEquals": {PREFIX: {}}}},
    "not an address": {"Condition": {"IpAddress": {SOURCE_IP: "here"}}},
    "not a number": {"Condition": {"NumericEquals": {"s3:max-keys": "NaN"}}},
    "not a date": {"Condition": {"DateEquals": {"aws:CurrentTime": "soon"}}},
    "not a boolean": {"Condition": {"Bool": {"aws:SecureTransport": "maybe"}}},
}
FAULTY: list[tuple[str, object]] = [
    ("not JSON", "{"),
    ("a list", []),
    ("nothing", {}),
    ("no statement", {"Version": "2012-10-17", "Statement": []}),
    ("another version", {"Version": "2020-01-01", "Statement": [ALLOW]}),
    ("an unknown member", {"Version": "2012-10-17", "Statement": [ALLOW], "Extra": 1}),
    *[(name, {"Version": "2012-10-17", "Statement": [{**ALLOW, **change}]}) for name, change in FAULTY_FIELDS.items()],
    (
        "an allow for all but one",
        {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "NotPrincipal": {"AWS": "ann"},
                "Action": "s3:*",
                "Resource": "arn:aws:s3:::photos",
            },
        },
    ),
]


@pytest.mark.parametrize("document", [document for _, document in FAULTY], ids=[name for name, _ in FAULTY])
def test_a_faulty_policy_is_refused(document: object) -> None:
    text = document if isinstance(document, str) else orjson.dumps(document).decode()
    with pytest.raises(MalformedPolicy):
        parse_policy(text, "photos")


def test_a_policy_over_the_limit_is_refused() -> None:
    parse_policy(text_of(ALLOW).ljust(MAX_POLICY_BYTES), "photos")
    with pytest.raises(MalformedPolicy):
        parse_policy(text_of(ALLOW).ljust(MAX_POLICY_BYTES + 1), "photos")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["*", "s3:*", "Allow"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ALLOW, "Condition", "StringLike", PREFIX, "AWS"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*ALLOW, "Condition", "Sid", "NotAction"]), JSON, max_size=6) | JSON)
def test_no_document_does_worse_than_be_refused(statement: Any) -> None:
    base = {**ALLOW, **statement} if isinstance(statement, dict) else statement
    try:
        policy = parse_policy(json.dumps({"Version": "2012-10-17", "Statement": base}), "photos")
    except MalformedPolicy:
        return
    assert verdict(policy, ids=NO_ONE) in ("allow", "deny", None)
    assert is_public(policy) in (True, False)


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_be_refused(data: bytes) -> None:
    with pytest.raises(MalformedPolicy):
        parse_policy(data, "photos")


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
