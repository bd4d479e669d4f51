"""S4: random policies and questions, answered by ours and by a second evaluator. They never disagree."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from storage_service.app.core.policy.document import Question, parse_policy
from tests.s3.reference import Asked, verdict

PRINCIPALS = ["*", {"AWS": "*"}, {"AWS": "ann"}, {"AWS": ["bob", "arn:aws:iam:::user/ann"]}, {"AWS": ["bob"]}]
IDS = [frozenset[str](), frozenset({"ann", "ann@example.org"}), frozenset({"bob"}), frozenset({"*"})]
ACTIONS = ["s3:GetObject", "s3:Get*", "s3:*", "*", "s3:PutObject", "s3:?etObject", "s3:GetObjectVersion"]
ACTIONS += ["s3:ListBucket", "s3:*Object*", "S3:getobject"]
PERMISSIONS = ["s3:getobject", "s3:getobjectversion", "s3:putobject", "s3:listbucket", "s3:getobjecttagging"]
RESOURCES = ["photos", "photos/*", "photos/a", "photos/a*", "photos/?/b", "*", "photos*", "photos/${aws:username}/*"]
PLACES = ["photos", "photos/a", "photos/a/b", "photos/ann/x", "photos/b\nc", "photos/*", "photos/*/x"]
CONDITIONS: list[tuple[str, str, Any]] = [
    ("StringEquals", "s3:prefix", ["home/", ""]),
    ("StringNotEquals", "s3:prefix", ["home/", "x"]),
    ("StringEqualsIgnoreCase", "s3:prefix", "HOME/"),
    ("StringLikeIfExists", "s3:prefix", "h*e/"),
    ("StringNotLike", "s3:x-amz-copy-source", "photos/*"),
    ("StringLike", "s3:x-amz-copy-source", ["/photos/*", "photos/?"]),
    ("StringEquals", "s3:ExistingObjectTag/level", "open"),
    ("StringNotEqualsIfExists", "s3:ExistingObjectTag/level", ["open", "shut"]),
    ("NumericLessThan", "s3:max-keys", "10"),
    ("NumericLessThanIfExists", "s3:max-keys", 10),
    ("Bool", "aws:SecureTransport", "false"),
    ("Bool", "aws:SecureTransport", True),
    ("IpAddress", "aws:SourceIp", ["192.0.2.0/24", "2001:db8::/32"]),
    ("NotIpAddress", "aws:SourceIp", "192.0.2.128/25"),
    ("Null", "s3:prefix", "true"),
    ("Null", "s3:ExistingObjectTag/level", False),
    ("ForAnyValue:StringEquals", "s3:RequestObjectTagKeys", ["a", "b"]),
    ("ForAllValues:StringLike", "s3:RequestObjectTagKeys", ["a", "b*"]),
    ("ForAnyValue:StringNotEquals", "s3:RequestObjectTagKeys", ["a"]),
    ("ForAllValues:StringNotEquals", "s3:RequestObjectTagKeys", "b"),
]
FACTS: dict[str, Sequence[Sequence[str]]] = {
    "s3:prefix": [["home/"], [""], ["Home/"], ["hope/"]],
    "s3:x-amz-copy-source": [["/photos/a"], ["photos/a"], ["other/a"]],
    "s3:existingobjecttag/level": [["open"], ["shut"], ["Open"]],
    "s3:max-keys": [["9"], ["10"], ["11"]],
    "aws:securetransport": [["true"], ["false"]],
    "aws:sourceip": [["192.0.2.1"], ["192.0.2.200"], ["198.51.100.1"], ["2001:db8::1"]],
    "s3:requestobjecttagkeys": [["a"], ["a", "b"], ["c"], ["b", "c"], ["bb"]],
}


def statement(dice: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": dice.choice(["Allow", "Allow", "Deny"])}
    principal = "NotPrincipal" if made["Effect"] == "Deny" and dice.random() < 0.2 else "Principal"
    made[principal] = dice.choice(PRINCIPALS[2:] if principal == "NotPrincipal" else PRINCIPALS)
    made[dice.choice(["Action", "Action", "Action", "NotAction"])] = some(dice, ACTIONS)
    places = [text if text == "*" else f"arn:aws:s3:::{text}" for text in RESOURCES]
    made[dice.choice(["Resource", "Resource", "Resource", "NotResource"])] = some(dice, places)
    if dice.random() < 0.6:
        made["Condition"] = conditions(dice)
    return made


def some(dice: random.Random, values: Sequence[Any]) -> Any:
    found = dice.sample(values, dice.randint(1, 2))
    return found[0] if len(found) == 1 and dice.random() < 0.5 else found


def conditions(dice: random.Random) -> dict[str, dict[str, Any]]:
    block: dict[str, dict[str, Any]] = {}
    for operator, key, values in dice.sample(CONDITIONS, dice.randint(1, 2)):
        block.setdefault(operator, {})[key] = values
    return block


def question(dice: random.Random) -> Asked:
    facts = {key: dice.choice(values) for key, values in FACTS.items() if dice.random() < 0.6}
    ids = dice.choice(IDS)
    if ids:
        facts["aws:username"] = [min(ids)]
    return Asked(ids, dice.choice(PERMISSIONS), dice.choice(PLACES), facts)


@pytest.mark.parametrize("rounds", [2_000, pytest.param(50_000, marks=pytest.mark.full)])
def test_both_evaluators_say_the_same(rounds: int) -> None:
    said: Counter[str | None] = Counter()
    for seed in range(rounds):
        dice = random.Random(seed)
        document = {"Version": "2012-10-17", "Statement": [statement(dice) for _ in range(dice.randint(1, 4))]}
        policy = parse_policy(json.dumps(document))
        for _ in range(4):
            asked = question(dice)
            ours = policy.verdict(Question(asked.ids, asked.permission, asked.resource, asked.facts.get))
            assert ours == verdict(document, asked), (seed, document, asked)
            said[ours] += 1
    assert min(said["allow"], said["deny"], said[None]) > rounds / 10
