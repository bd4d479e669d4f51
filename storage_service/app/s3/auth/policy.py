"""The policy of a POST form: what its signer allows, and whether a form keeps to it. Pure.

Source: AWS "Creating a POST policy", "POST policy condition matching".
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from storage_service.app.core.errors import AccessDenied, InvalidPolicyDocument

MOST_POLICY_CHARS = 64 * 1024
# What no policy can hold: the policy itself, what is made from it, and the bytes.
OUTSIDE = frozenset({"policy", "signature", "x-amz-signature", "awsaccesskeyid", "file"})
# And what may stand in a form without being named: notes, and checksums, which allow nothing.
UNNAMED = ("x-ignore-", "x-amz-checksum-")


class Policy(NamedTuple):
    """`equal` and `begins` hold field (lower case) and value; lengths in bytes, both ends allowed."""

    expires_at: float  # seconds since 1970
    equal: list[tuple[str, str]]
    begins: list[tuple[str, str]]
    least_bytes: int = 0
    most_bytes: int | None = None


def parse_policy(text: str) -> Policy:
    """Of base64 of JSON. Raises: InvalidPolicyDocument."""
    if len(text) > MOST_POLICY_CHARS:
        raise InvalidPolicyDocument("Invalid Policy: it is too long")
    try:
        document = orjson.loads(base64.b64decode("".join(text.split()), validate=True))
    except ValueError:
        raise InvalidPolicyDocument("Invalid Policy: Invalid JSON.") from None
    if not isinstance(document, dict) or not isinstance(document.get("conditions"), list):
        raise InvalidPolicyDocument("Invalid Policy: Policy missing conditions.")
    policy = Policy(_expiration(document.get("expiration")), [], [])
    for condition in document["conditions"]:
        policy = _with(policy, condition)
    return policy


def _expiration(value: object) -> float:
    if not isinstance(value, str):
        raise InvalidPolicyDocument("Invalid Policy: Policy missing expiration.")
    try:
        at = datetime.fromisoformat(value)
        # Python reads more than AWS does: a date alone, a space for the T, no zone.
        if "T" not in value or at.tzinfo is None:
            raise ValueError
        return at.astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        raise InvalidPolicyDocument("Invalid Policy: Invalid 'expiration' value") from None


def _with(policy: Policy, condition: Any) -> Policy:
    if isinstance(condition, dict) and len(condition) == 1:
        ((name, value),) = condition.items()
        policy.equal.append((name.lower(), _text(value)))
        return policy
    if not isinstance(condition, list) or len(condition) != 3:  # noqa: PLR2004 (operator, field, value)
        raise InvalidPolicyDocument("Invalid Policy: Invalid Condition: expecting one field, or a list of three")
    operator, first, second = condition
    operator = _text(operator).lower()
    if operator == "content-length-range":
        return _with_range(policy, first, second)
    name = _text(first).lower()
    if operator not in ("eq", "starts-with") or not name.startswith("$"):
        raise InvalidPolicyDocument("Invalid Policy: Invalid Condition: unknown operation, or a field without $")
    (policy.equal if operator == "eq" else policy.begins).append((name[1:], _text(second)))
    return policy


def _with_range(policy: Policy, least: object, most: object) -> Policy:
    """Of several ranges all hold."""
    low, high = _number(least), _number(most)
    high = high if policy.most_bytes is None else min(high, policy.most_bytes)
    return policy._replace(least_bytes=max(low, policy.least_bytes), most_bytes=high)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidPolicyDocument("Invalid Policy: Invalid Condition: expecting text")
    return value


def _number(value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or not text.isascii() or not text.isdigit():
        raise InvalidPolicyDocument("Invalid Policy: Invalid content-length-range: expecting numbers of bytes")
    return int(text[:20])


def check_form(policy: Policy, fields: Mapping[str, str], now: float) -> None:
    """`fields` by name in lower case, the bucket among them. Raises: AccessDenied."""
    if now >= policy.expires_at:
        raise AccessDenied("Invalid according to Policy: Policy expired.")
    for name, value in policy.equal:
        if fields.get(name, "") != value:
            raise _failed("eq", name, value)
    for name, value in policy.begins:
        if not fields.get(name, "").startswith(value):
            raise _failed("starts-with", name, value)
    named = {name for name, _ in (*policy.equal, *policy.begins)}
    extra = [name for name in fields if name not in named | OUTSIDE and not name.startswith(UNNAMED)]
    if extra:
        raise AccessDenied(f"Invalid according to Policy: Extra input fields: {', '.join(sorted(extra))}")


def _failed(operator: str, name: str, value: str) -> AccessDenied:
    return AccessDenied(f'Invalid according to Policy: Policy Condition failed: ["{operator}", "${name}", "{value}"]')
