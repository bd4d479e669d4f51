"""Whether a policy lets the world in. Source: AWS "Blocking public access: the meaning of public"."""

from ipaddress import IPv4Network, ip_network

from storage_service.app.core.policy.conditions import Condition
from storage_service.app.core.policy.document import Policy, Statement

# Conditions on these keys with fixed values name a known set of callers.
NARROWING = frozenset({"aws:userid", "aws:username", "s3:x-amz-server-side-encryption-aws-kms-key-id"})
EQUAL = frozenset({"stringequals", "stringlike", "stringequalsignorecase"})
LEAST_BITS = {4: 8, 6: 32}  # a wider range of addresses is public


def is_public(policy: Policy) -> bool:
    """Whether any statement allows everyone, under no condition that names who."""
    return any(_is_public(statement) for statement in policy.statements)


def _is_public(statement: Statement) -> bool:
    return statement.allows and statement.everyone and not any(_narrows(one) for one in statement.conditions)


def _narrows(condition: Condition) -> bool:
    if condition.if_exists or condition.quantifier == "all" or condition.negated:
        return False
    if condition.operator == "ipaddress" and condition.key == "aws:sourceip":
        return all(_is_narrow(text) for text in condition.expected)
    fixed = not any(char in text for text in condition.expected for char in "*?$")
    return condition.operator in EQUAL and condition.key in NARROWING and fixed


def _is_narrow(text: str) -> bool:
    network = ip_network(text, strict=False)
    private = isinstance(network, IPv4Network) and network.is_private and network.prefixlen > 0
    return private or network.prefixlen >= LEAST_BITS[network.version]
