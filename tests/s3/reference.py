"""What a bucket policy says, written a second time and as plainly as AWS's pages do: to compare ours with.

Source: AWS IAM "Policy evaluation logic", "JSON policy elements: Condition operators", "Condition with multiple keys or
values". It reads only what the tests write.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Literal, NamedTuple

Said = Literal["allow", "deny"] | None


class Asked(NamedTuple):
    """`facts`: from a condition key in lower case to what the request says."""

    ids: frozenset[str]
    permission: str
    resource: str
    facts: Mapping[str, Sequence[str]]


def verdict(policy: Mapping[str, Any], asked: Asked) -> Said:
    """A deny wins; nothing said is nothing allowed."""
    effects = {statement["Effect"] for statement in policy["Statement"] if applies(statement, asked)}
    return "deny" if "Deny" in effects else "allow" if "Allow" in effects else None


def applies(statement: Mapping[str, Any], asked: Asked) -> bool:
    return (
        _principal(statement, asked)
        and _named(statement, "Action", asked, asked.permission, fold=True)
        and _named(statement, "Resource", asked, f"arn:aws:s3:::{asked.resource}", fold=False)
        and all(
            _holds(operator, key, values, asked)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _principal(statement: Mapping[str, Any], asked: Asked) -> bool:
    if "NotPrincipal" in statement:
        return not _is_among(statement["NotPrincipal"], asked.ids)
    return _is_among(statement["Principal"], asked.ids)


def _is_among(principal: Any, ids: frozenset[str]) -> bool:
    if principal == "*":
        return True
    names = _list(principal["AWS"])
    return "*" in names or any(name.rpartition("/")[2] in ids for name in names)


def _named(statement: Mapping[str, Any], element: str, asked: Asked, given: str, *, fold: bool) -> bool:
    wanted = _list(statement[element] if element in statement else statement[f"Not{element}"])
    found = any(_like(text.lower() if fold else text, given, asked) for text in wanted)
    return found == (element in statement)


def _like(pattern: str, given: str, asked: Asked) -> bool:
    """With the one variable that the tests use: what it stands for is no pattern, and nobody has no name."""
    pieces = []
    for part in re.split(r"(\$\{aws:username\})", pattern):
        if part == "${aws:username}":
            if "aws:username" not in asked.facts:
                return False
            pieces.append(re.escape(asked.facts["aws:username"][0]))
        else:
            pieces += [".*" if char == "*" else "." if char == "?" else re.escape(char) for char in part]
    return re.fullmatch("".join(pieces), given, re.DOTALL) is not None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _holds(operator: str, key: str, values: Any, asked: Asked) -> bool:
    quantifier, _, name = operator.rpartition(":")
    wanted, given = _list(values), asked.facts.get(key.lower())
    if name == "Null":
        return any((given is None) == (str(word).lower() == "true") for word in wanted)
    if not given:
        return name.endswith("IfExists") or _without_value(quantifier, "Not" in name)
    plain = name.removesuffix("IfExists")
    matches = [_matches(plain, wanted, value, asked) for value in given]
    if quantifier == "ForAnyValue":
        return any(matches)
    return all(matches) if quantifier == "ForAllValues" or "Not" in plain else any(matches)


def _without_value(quantifier: str, negated: bool) -> bool:
    if quantifier:
        return quantifier == "ForAllValues"
    return negated


def _matches(name: str, wanted: Sequence[Any], given: str, asked: Asked) -> bool:
    compare: dict[str, Callable[[Any], bool]] = {
        "StringEquals": lambda text: given == text,
        "StringEqualsIgnoreCase": lambda text: given.lower() == text.lower(),
        "StringLike": lambda text: _like(text, given, asked),
        "NumericLessThan": lambda text: float(given) < float(text),
        "Bool": lambda text: given.lower() == str(text).lower(),
        "IpAddress": lambda text: ip_address(given) in ip_network(text),
    }
    return any(compare[name.replace("Not", "")](value) for value in wanted) != ("Not" in name)
