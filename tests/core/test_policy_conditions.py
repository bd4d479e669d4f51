"""The conditions of a bucket policy, operator by operator."""

from typing import Any

import pytest

from storage_service.app.core.policy.conditions import OPERATORS
from storage_service.app.core.policy.document import Question
from tests.core.policies import ACL, ALLOW, ANN, PREFIX, SOURCE_IP, facts_of, policy_of, verdict

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
