"""Documents that are no policy."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import MalformedPolicy
from storage_service.app.core.policy.document import MAX_POLICY_BYTES, parse_policy
from storage_service.app.core.policy.exposure import is_public
from tests.core.policies import ALLOW, NO_ONE, PREFIX, SOURCE_IP, text_of, verdict

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
