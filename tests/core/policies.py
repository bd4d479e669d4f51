"""Bucket policies in few words, for the tests of them."""

from collections.abc import Sequence
from typing import Any

import orjson

from storage_service.app.core.policy.conditions import Facts
from storage_service.app.core.policy.document import Policy, Question, Verdict, parse_policy

ALLOW: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::photos/*",
}
NO_ONE: frozenset[str] = frozenset()
ANN = frozenset({"ann"})
SOURCE_IP, PREFIX, ACL = "aws:SourceIp", "s3:prefix", "s3:x-amz-acl"


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
