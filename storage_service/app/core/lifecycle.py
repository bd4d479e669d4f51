"""Which lifecycle rules hold for an object, and when they end it. Pure; rules are the JSON of the bucket's `config`.

Source: AWS "Lifecycle configuration elements". A day begins at midnight UTC after the object's own moment.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

DAY_MS = 86_400_000


class Subject(NamedTuple):
    """What a rule's filter looks at. `size` in bytes, `at_ms` the moment of its last change."""

    key: str
    size: int
    at_ms: int
    tags: Mapping[str, str]


def fits(rule: Mapping[str, Any], subject: Subject) -> bool:
    """Whether an enabled rule's filter takes the object in."""
    wanted = rule.get("filter") or {"prefix": rule.get("prefix", "")}
    return (
        rule["status"] == "Enabled"
        and subject.key.startswith(wanted.get("prefix", ""))
        and subject.size > wanted.get("size_over", -1)
        and subject.size < wanted.get("size_under", 1 << 62)
        and all(subject.tags.get(name) == value for name, value in wanted.get("tags", {}).items())
    )


def end_of(rule: Mapping[str, Any], at_ms: int) -> int | None:
    """When the rule ends a current object of this age, in milliseconds; None if it does not."""
    expiration = rule.get("expiration") or {}
    if "days" in expiration:
        due = at_ms + int(expiration["days"]) * DAY_MS
        return -(-due // DAY_MS) * DAY_MS
    if "date" in expiration:
        return int(parse_day(expiration["date"]).timestamp() * 1000)
    return None


def parse_day(text: str) -> datetime:
    """Midnight UTC of a stored date."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def first_end(rules: Iterable[Mapping[str, Any]], subject: Subject) -> tuple[int, str] | None:
    """When the first rule to do so ends the object, and that rule's id; None if none does."""
    ends = [(end, str(rule["id"])) for rule in rules if fits(rule, subject) and (end := end_of(rule, subject.at_ms))]
    return min(ends) if ends else None
