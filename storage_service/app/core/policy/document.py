"""A policy's JSON text -> compiled statements, and what they say to a question.

Source: AWS IAM, "Policy evaluation logic": an explicit deny wins over any allow, and nothing said is no allow.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import orjson

from storage_service.app.core.errors import MalformedPolicy
from storage_service.app.core.patterns import Pattern
from storage_service.app.core.policy.conditions import Condition, Facts, Test, parse_conditions, pattern_test
from storage_service.app.core.policy.names import KNOWN

Verdict = Literal["allow", "deny"] | None

MAX_POLICY_BYTES = 20 * 1024  # Source: AWS "Bucket policies".
VERSIONS = frozenset({"2012-10-17", "2008-10-17"})
ARN = "arn:aws:s3:::"
MEMBERS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
PRINCIPAL_KINDS = frozenset({"AWS", "CanonicalUser", "Federated", "Service"})
EXISTING_TAG = "s3:existingobjecttag/"


class Question(NamedTuple):
    """May one of these `ids` (none: nobody known) do `permission` to `resource`? `permission` in lower case."""

    ids: frozenset[str]
    permission: str
    resource: str  # without `arn:aws:s3:::`
    facts: Facts


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, compiled."""

    allows: bool
    everyone: bool
    ids: frozenset[str]
    not_principal: bool
    actions: tuple[Pattern, ...]
    not_action: bool
    resources: tuple[Test, ...]
    not_resource: bool
    conditions: tuple[Condition, ...]

    def applies(self, question: Question) -> bool:
        """For a question about an action that it names."""
        return (
            self._names(question.ids)
            and any(test(question.resource, question.facts) for test in self.resources) != self.not_resource
            and all(condition.holds(question.facts) for condition in self.conditions)
        )

    def names_action(self, permission: str) -> bool:
        return any(pattern.fits(permission) for pattern in self.actions) != self.not_action

    def _names(self, ids: frozenset[str]) -> bool:
        return (self.everyone or not self.ids.isdisjoint(ids)) != self.not_principal


@dataclass(frozen=True, slots=True)
class Policy:
    """Statements in their order; `tagged` are those that ask for the tags of the object itself."""

    statements: tuple[Statement, ...]
    tagged: tuple[Statement, ...]
    # By permission, those that name it: there are about a hundred permissions, and a request a few microseconds.
    _naming: dict[str, tuple[Statement, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def verdict(self, question: Question) -> Verdict:
        """What it says; None where it says nothing."""
        allowed: Verdict = None
        permission = question.permission
        naming = self._naming.get(permission)
        if naming is None:
            naming = tuple(statement for statement in self.statements if statement.names_action(permission))
            self._naming[permission] = naming
        for statement in naming:
            if statement.applies(question):
                if not statement.allows:
                    return "deny"
                allowed = "allow"
        return allowed

    def asks_for_tags(self, permission: str) -> bool:
        """Whether the answer may depend on the object's tags. `permission` in lower case."""
        return any(statement.names_action(permission) for statement in self.tagged)


@lru_cache(maxsize=1024)
def compiled(text: str) -> Policy:
    """The policy of a text that was checked when it was stored. Raises MalformedPolicy."""
    return parse_policy(text)


def parse_policy(text: str | bytes, bucket: str | None = None) -> Policy:
    """The policy in a JSON text; with `bucket` given, it may speak of that bucket only. Raises MalformedPolicy."""
    if len(text) > MAX_POLICY_BYTES:
        raise MalformedPolicy(f"Policies may be at most {MAX_POLICY_BYTES} bytes long")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MalformedPolicy("Policies must be valid JSON and the first byte must be '{'") from None
    if not isinstance(document, dict) or document.keys() - {"Version", "Id", "Statement"}:
        raise MalformedPolicy("A policy is an object of Version, Id and Statement")
    if document.get("Version", "2008-10-17") not in VERSIONS:
        raise MalformedPolicy("The policy must contain a valid version string")
    statements = tuple(_parse_statement(one, bucket) for one in _listed(document.get("Statement")))
    if not statements:
        raise MalformedPolicy("Missing required field Statement")
    return Policy(statements, tuple(one for one in statements if _asks_for_tags(one)))


def _asks_for_tags(statement: Statement) -> bool:
    return any(condition.key.startswith(EXISTING_TAG) for condition in statement.conditions)


def _parse_statement(record: object, bucket: str | None) -> Statement:
    if not isinstance(record, dict) or record.keys() - MEMBERS:
        raise MalformedPolicy("Unknown field in a statement")
    if record.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicy("Invalid effect: it is Allow or Deny")
    if not isinstance(record.get("Sid", ""), str):
        raise MalformedPolicy("A Sid is a string")
    principal, not_principal = _one_of(record, "Principal", "NotPrincipal")
    actions, not_action = _one_of(record, "Action", "NotAction")
    resources, not_resource = _one_of(record, "Resource", "NotResource")
    if not_principal and record["Effect"] == "Allow":
        raise MalformedPolicy("Allow with NotPrincipal is not supported")  # as AWS: it would let in everyone else
    everyone, ids = _parse_principal(principal)
    return Statement(
        allows=record["Effect"] == "Allow",
        everyone=everyone,
        ids=ids,
        not_principal=not_principal,
        actions=tuple(_parse_action(text) for text in _strings(actions, "Action")),
        not_action=not_action,
        resources=tuple(_parse_resource(text, bucket) for text in _strings(resources, "Resource")),
        not_resource=not_resource,
        conditions=parse_conditions(record["Condition"]) if "Condition" in record else (),
    )


def _one_of(record: dict[str, Any], name: str, opposite: str) -> tuple[object, bool]:
    if (name in record) == (opposite in record):
        raise MalformedPolicy(f"A statement has either {name} or {opposite}")
    return (record[name], False) if name in record else (record[opposite], True)


def _parse_principal(value: object) -> tuple[bool, frozenset[str]]:
    """Whether it is everyone, and the ids named."""
    if value == "*":
        return True, frozenset()
    if not isinstance(value, dict) or not value or value.keys() - PRINCIPAL_KINDS:
        raise MalformedPolicy("Invalid principal in policy")
    everyone, ids = False, set[str]()
    for kind, listed in value.items():
        for text in _strings(listed, "Principal"):
            if kind == "AWS" and text == "*":
                everyone = True
            elif kind in {"AWS", "CanonicalUser"}:
                ids.add(_principal_id(text))
    return everyone, frozenset(ids)


def _principal_id(text: str) -> str:
    """The id in an ARN (`…:<id>:root`, `…:user/<id>`), or the text itself. A name may hold colons."""
    parts = text.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":  # noqa: PLR2004 - the six parts of an ARN
        return text
    account, name = parts[4], parts[5]
    if name == "root":
        found = account
    elif name.startswith("user/"):
        found = name.removeprefix("user/")
    else:
        found = text
    if not found or "*" in found:
        raise MalformedPolicy("Invalid principal in policy")
    return found


def _parse_action(text: str) -> Pattern:
    pattern = Pattern(text.lower())
    if not any(pattern.fits(name) for name in KNOWN):
        raise MalformedPolicy("Policy has invalid action")
    return pattern


def _parse_resource(text: str, bucket: str | None) -> Test:
    if text == "*":
        return pattern_test("*")
    if not text.startswith(ARN) or len(text) == len(ARN):
        raise MalformedPolicy("Policy has invalid resource")
    place = text.removeprefix(ARN)
    if bucket is not None and not Pattern(place.partition("/")[0]).fits(bucket):
        raise MalformedPolicy("Policy has invalid resource")
    return pattern_test(place)


def _listed(value: object) -> list[object]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _strings(value: object, name: str) -> list[str]:
    found = [one for one in _listed(value) if isinstance(one, str) and one]
    if not found or len(found) != len(_listed(value)):
        raise MalformedPolicy(f"{name} must be a string or a list of strings")
    return found
