"""What a MinIO policy lets its user do, as limits of an access key: where, and what. Pure.

A key of this service has one set of actions for all its places. What cannot be said so is refused: a right that got
wider by the move would be found by the wrong person.
"""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

ALL = frozenset({"read", "write", "delete", "list"})
# Each of our actions, and the one of S3's that stands for it.
OF_OBJECTS = {"s3:GetObject": "read", "s3:PutObject": "write", "s3:DeleteObject": "delete"}
OF_BUCKETS = {"s3:ListBucket": "list"}
EVERYWHERE = "*"
ARN = "arn:aws:s3:::"


class NotExpressible(ValueError):
    """These rights have no form here, and why."""


class Rights(NamedTuple):
    """`places` as `bucket` or `bucket/prefix`; none = everywhere."""

    places: tuple[str, ...]
    actions: frozenset[str]


def rights_of(policies: Iterable[Mapping[str, Any]]) -> Rights:
    """Of all these policies together. Raises: NotExpressible."""
    objects: dict[str, set[str]] = {}
    lists: set[str] = set()
    for policy in policies:
        for statement in _list(policy.get("Statement")):
            _add(statement, objects, lists)
    if not objects and not lists:
        raise NotExpressible("its policies say nothing of S3")
    return _as_one(objects, lists)


def _add(statement: Mapping[str, Any], objects: dict[str, set[str]], lists: set[str]) -> None:
    actions = [text for text in _list(statement.get("Action")) if text == "*" or str(text).startswith("s3:")]
    if not actions and "NotAction" not in statement:
        return  # of MinIO's own administration
    if statement.get("Effect") != "Allow":
        raise NotExpressible("a policy of it denies something")
    if unknown := {"NotAction", "NotResource", "Condition"} & {name for name, value in statement.items() if value}:
        raise NotExpressible(f"a policy of it uses {', '.join(sorted(unknown))}")
    for resource in _list(statement.get("Resource")):
        place, of_objects, of_bucket = _place(str(resource))
        if of_objects and (allowed := _allowed(actions, OF_OBJECTS)):
            objects.setdefault(place, set()).update(allowed)
        if of_bucket and _allowed(actions, OF_BUCKETS):
            lists.add(place.partition("/")[0])


def _allowed(patterns: Iterable[str], names: Mapping[str, str]) -> set[str]:
    return {ours for theirs, ours in names.items() if any(fnmatchcase(theirs, pattern) for pattern in patterns)}


def _place(resource: str) -> tuple[str, bool, bool]:
    """The place, whether it names objects there, and whether the bucket itself. Raises: NotExpressible."""
    bucket, slash, key = resource.removeprefix(ARN).partition("/")
    if bucket == EVERYWHERE and key in {"", EVERYWHERE}:
        return EVERYWHERE, True, True
    if any(letter in bucket for letter in "*?$"):
        # `photos*` names objects of photos and every bucket that begins so.
        raise NotExpressible(f"a policy of it names {resource}")
    if not slash:
        return bucket, False, True
    prefix = key.removesuffix("*")
    if not key.endswith("*") or any(letter in prefix for letter in "*?$"):
        raise NotExpressible(f"a policy of it names {resource}")
    return (f"{bucket}/{prefix}" if prefix else bucket), True, False


def _as_one(objects: Mapping[str, set[str]], lists: set[str]) -> Rights:
    """The same actions for all places, or nothing. Who may list a bucket and use a prefix of it lists that prefix."""
    if not objects:
        return Rights(tuple(sorted(lists - {EVERYWHERE})), frozenset({"list"}))
    if EVERYWHERE in objects:
        objects = {place: actions for place, actions in objects.items() if not actions <= objects[EVERYWHERE]} | {
            EVERYWHERE: objects[EVERYWHERE]
        }
    found = {
        place: frozenset(actions | ({"list"} if {place.partition("/")[0], EVERYWHERE} & lists else set()))
        for place, actions in objects.items()
    }
    if len(set(found.values())) > 1:
        raise NotExpressible("it may do different things in different places")
    places = () if EVERYWHERE in found else tuple(sorted(found))
    return Rights(places, next(iter(found.values())))


def _list(value: Any) -> Sequence[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
