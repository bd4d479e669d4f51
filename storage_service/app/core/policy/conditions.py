"""The operators of a statement's Condition, one row each.

Source: AWS IAM, "JSON policy elements: Condition operators" and "Creating a condition with multiple keys or values".
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address, ip_network
from typing import Literal, NamedTuple

from storage_service.app.core.errors import MalformedPolicy
from storage_service.app.core.patterns import Pattern

# What is known of a request: from a key's name in lower case to its values. None = it says nothing of that.
Facts = Callable[[str], Sequence[str] | None]
Quantifier = Literal["", "any", "all"]
Test = Callable[[str, Facts], bool]  # of one given value
Compile = Callable[[str], Test]  # of one expected value; raises ValueError where it makes no sense

VARIABLE = re.compile(r"\$\{([^{}]*)\}")
LITERALS = {"*": "*", "?": "?", "$": "$"}
# What a variable stands for is no pattern: a user called `*` is not everybody. While such a text is compared, its own
# stars and question marks are characters that no text from outside can hold.
PLAIN = str.maketrans({"*": "\ud800", "?": "\ud801"})
MAX_VALUES = 1000


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of one operator."""

    operator: str  # in lower case, without quantifier and IfExists
    key: str  # in lower case
    quantifier: Quantifier
    if_exists: bool
    negated: bool
    tests: tuple[Test, ...]
    expected: tuple[str, ...]

    def holds(self, facts: Facts) -> bool:
        given = facts(self.key)
        if self.operator == "null":
            return any((given is None) == _truth(word) for word in self.expected)
        if not given:
            return self.if_exists or (self.quantifier == "all") or (self.negated and not self.quantifier)
        if self.quantifier == "all" or (self.negated and not self.quantifier):
            return all(self._agrees(value, facts) for value in given)
        return any(self._agrees(value, facts) for value in given)

    def _agrees(self, value: str, facts: Facts) -> bool:
        return any(test(value, facts) for test in self.tests) != self.negated


def parse_conditions(block: object) -> tuple[Condition, ...]:
    """All conditions of a statement; all must hold. Raises MalformedPolicy."""
    if not isinstance(block, dict):
        raise MalformedPolicy("A Condition is an object of operators")
    return tuple(
        _parse_condition(operator, key, values)
        for operator, keys in block.items()
        for key, values in _pairs(operator, keys)
    )


def _pairs(operator: str, keys: object) -> Iterable[tuple[str, object]]:
    if not isinstance(keys, dict) or not keys:
        raise MalformedPolicy(f"The operator {operator} names no condition key")
    return keys.items()


def _parse_condition(name: str, key: str, values: object) -> Condition:
    quantifier, word, if_exists = _split_operator(name)
    row = OPERATORS.get(word)
    if row is None or (if_exists and word == "null"):
        raise MalformedPolicy(f"Unknown condition operator {name}")
    if not is_known_key(key.lower()):
        raise MalformedPolicy(f"Policy has an invalid condition key: {key} is not known here")
    expected = _strings(values)
    try:
        tests = tuple(row.compile(value) for value in expected)
    except (ValueError, InvalidOperation, OverflowError):
        raise MalformedPolicy(f"A value of {name} on {key} is of the wrong kind") from None
    return Condition(word, key.lower(), quantifier, if_exists, row.negated, tests, expected)


def _split_operator(name: str) -> tuple[Quantifier, str, bool]:
    word, quantifier = name.lower(), ""
    for prefix, kind in (("foranyvalue:", "any"), ("forallvalues:", "all")):
        if word.startswith(prefix):
            word, quantifier = word.removeprefix(prefix), kind
    found: Quantifier = "any" if quantifier == "any" else "all" if quantifier == "all" else ""
    return found, word.removesuffix("ifexists"), word.endswith("ifexists")


def _strings(values: object) -> tuple[str, ...]:
    listed = values if isinstance(values, list) else [values]
    if len(listed) > MAX_VALUES:
        raise MalformedPolicy(f"A condition has more than {MAX_VALUES} values")
    return tuple(_string(value) for value in listed)


def _string(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise MalformedPolicy("A condition's value is a string, a number or a boolean")


# Variables --------------------------------------------------------------------------------------------------------


def fill(text: str, facts: Facts, *, wild: bool) -> str | None:
    """The text with its `${key}` and `${key, 'default'}` filled in; None if one has neither value nor default.

    `wild`: it is a pattern, and what is filled in is not (see PLAIN).
    """
    missing = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal missing
        name, _, default = (part.strip() for part in match[1].partition(","))
        value = LITERALS.get(name)
        if value is None:
            found = facts(name.lower())
            missing = missing or (not found and not default)
            value = found[0] if found else default.strip("'")
        return value.translate(PLAIN) if wild else value

    filled = VARIABLE.sub(value_of, text)
    return None if missing else filled


def pattern_test(text: str, *, wild: bool = True, fold: bool = False) -> Test:
    """Whether a given text fits; variables are filled per request, all else is compiled once."""
    wanted = text.lower() if fold else text
    if "${" not in text:
        pattern = Pattern(wanted) if wild else None
        return lambda given, _: pattern.fits(given) if pattern else (given.lower() if fold else given) == wanted

    def test(given: str, facts: Facts) -> bool:
        filled = fill(text, facts, wild=wild)
        if filled is None:
            return False
        if wild:
            return Pattern(filled).fits(given.translate(PLAIN))
        return given.lower() == filled.lower() if fold else given == filled

    return test


# Operators --------------------------------------------------------------------------------------------------------


def _exact(expected: str) -> Test:
    return pattern_test(expected, wild=False)


def _folded(expected: str) -> Test:
    return pattern_test(expected, wild=False, fold=True)


def _ordered(parse: Callable[[str], Decimal], holds: Callable[[Decimal, Decimal], bool]) -> Compile:
    def compile_one(expected: str) -> Test:
        bound = parse(expected)

        def test(given: str, _: Facts) -> bool:
            try:
                return holds(parse(given), bound)
            except (ValueError, InvalidOperation, OverflowError):
                return False

        return test

    return compile_one


def _number(text: str) -> Decimal:
    found = Decimal(text)
    if not found.is_finite():
        raise ValueError(text)
    return found


def parse_date(text: str) -> Decimal:
    """Seconds since 1970 of an ISO 8601 date, or of such a number. Raises ValueError."""
    if re.fullmatch(r"[0-9]{1,12}", text, re.ASCII):
        return Decimal(text)
    moment = datetime.fromisoformat(text)
    return Decimal((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _bool(expected: str) -> Test:
    wanted = _truth(expected)
    return lambda given, _: given.lower() == ("true" if wanted else "false")


def _truth(word: str) -> bool:
    if word.lower() not in {"true", "false"}:
        raise ValueError(word)
    return word.lower() == "true"


def _address(expected: str) -> Test:
    network = ip_network(expected, strict=False)

    def test(given: str, _: Facts) -> bool:
        try:
            address = ip_address(given)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)  # a dual-stack listener shows IPv4 callers so
        return (mapped if mapped is not None and network.version == 4 else address) in network  # noqa: PLR2004

    return test


def _null(expected: str) -> Test:
    _truth(expected)
    return lambda _, __: True


class Operator(NamedTuple):
    compile: Compile
    negated: bool = False


def _compared(prefix: str, parse: Callable[[str], Decimal]) -> dict[str, Operator]:
    equal = _ordered(parse, lambda given, bound: given == bound)
    return {
        f"{prefix}equals": Operator(equal),
        f"{prefix}notequals": Operator(equal, negated=True),
        f"{prefix}lessthan": Operator(_ordered(parse, lambda given, bound: given < bound)),
        f"{prefix}lessthanequals": Operator(_ordered(parse, lambda given, bound: given <= bound)),
        f"{prefix}greaterthan": Operator(_ordered(parse, lambda given, bound: given > bound)),
        f"{prefix}greaterthanequals": Operator(_ordered(parse, lambda given, bound: given >= bound)),
    }


OPERATORS: dict[str, Operator] = {
    "stringequals": Operator(_exact),
    "stringnotequals": Operator(_exact, negated=True),
    "stringequalsignorecase": Operator(_folded),
    "stringnotequalsignorecase": Operator(_folded, negated=True),
    "stringlike": Operator(pattern_test),
    "stringnotlike": Operator(pattern_test, negated=True),
    **_compared("numeric", _number),
    **_compared("date", parse_date),
    "bool": Operator(_bool),
    "binaryequals": Operator(_exact),
    "ipaddress": Operator(_address),
    "notipaddress": Operator(_address, negated=True),
    "arnequals": Operator(pattern_test),
    "arnlike": Operator(pattern_test),
    "arnnotequals": Operator(pattern_test, negated=True),
    "arnnotlike": Operator(pattern_test, negated=True),
    "null": Operator(_null),
}

# Keys that a request can answer; a policy on any other would be accepted and never do what it says.
_KEYS = (
    "aws:currenttime aws:epochtime aws:principaltype aws:referer aws:securetransport aws:sourceip aws:useragent"
    " aws:userid aws:username s3:authtype s3:delimiter s3:max-keys s3:prefix s3:signatureage"
    " s3:signatureversion s3:versionid s3:x-amz-acl s3:x-amz-content-sha256 s3:x-amz-copy-source"
    " s3:x-amz-grant-full-control s3:x-amz-grant-read s3:x-amz-grant-read-acp s3:x-amz-grant-write"
    " s3:x-amz-grant-write-acp s3:x-amz-metadata-directive s3:x-amz-server-side-encryption"
    " s3:x-amz-server-side-encryption-aws-kms-key-id s3:x-amz-server-side-encryption-customer-algorithm"
    " s3:x-amz-storage-class s3:x-amz-website-redirect-location s3:object-lock-mode"
    " s3:object-lock-retain-until-date s3:object-lock-legal-hold s3:object-lock-remaining-retention-days"
    " s3:requestobjecttagkeys s3:if-match s3:if-none-match"
)
KNOWN_KEYS = frozenset(_KEYS.split())
KNOWN_PREFIXES = ("s3:existingobjecttag/", "s3:requestobjecttag/")


def is_known_key(key: str) -> bool:
    return key in KNOWN_KEYS or any(key.startswith(prefix) and key != prefix for prefix in KNOWN_PREFIXES)
