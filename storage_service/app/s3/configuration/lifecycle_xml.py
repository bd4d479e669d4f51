"""Lifecycle rules: XML <-> JSON, with AWS's checks. Source: AWS "LifecycleRule"."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from storage_service.app.core.errors import InvalidArgument, InvalidRequest, MalformedXML, NotImplemented
from storage_service.app.core.lifecycle import parse_day
from storage_service.app.core.objects import new_id
from storage_service.app.s3.answers import document, element
from storage_service.app.s3.configuration.keeping import boolean, number
from storage_service.app.s3.reading import need_text, text_of
from storage_service.app.s3.tags import checked

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOT = "LifecycleConfiguration"
MAX_RULES = 1000
MAX_ID_CHARS = 255
MAX_TAGS = 10
MAX_KEPT = 100
STATUSES = frozenset({"Enabled", "Disabled"})
DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
FILTER = {"ObjectSizeGreaterThan": "size_over", "ObjectSizeLessThan": "size_under"}
TRANSITIONS = ("Transition", "NoncurrentVersionTransition")


def parse_lifecycle_xml(root: "Element") -> list[dict[str, Any]]:
    """Raises: MalformedXML, InvalidArgument, InvalidRequest, NotImplemented for transitions."""
    rules = [_parse_rule(node) for node in root.findall("Rule")]
    if not 1 <= len(rules) <= MAX_RULES:
        raise MalformedXML(f"A {ROOT} has 1 to {MAX_RULES} rules")
    ids = [rule["id"] for rule in rules]
    if len(set(ids)) != len(ids):
        raise InvalidArgument("Rule ID must be unique. Found same ID for more than one rule")
    return rules


def _parse_rule(node: "Element") -> dict[str, Any]:
    rule: dict[str, Any] = {"id": text_of(node, "ID") or new_id(), "status": need_text(node, "Status")}
    if len(rule["id"]) > MAX_ID_CHARS:
        raise InvalidArgument(f"ID length should not exceed allowed limit of {MAX_ID_CHARS}")
    if rule["status"] not in STATUSES:
        raise MalformedXML("Status is Enabled or Disabled")
    _refuse_transitions(node)
    rule |= _parse_scope(node)
    rule |= _parse_actions(node)
    _check_tagged(rule)
    return rule


def _refuse_transitions(node: "Element") -> None:
    for name in TRANSITIONS:
        for transition in node.findall(name):
            if (date := text_of(transition, "Date")) is not None:
                _date(date)
            raise NotImplemented("Transitions are not implemented: there is one storage class, STANDARD")


def _parse_scope(node: "Element") -> dict[str, Any]:
    prefix, filtered = text_of(node, "Prefix"), node.find("Filter")
    if (prefix is None) == (filtered is None):
        raise MalformedXML("A rule has either a Filter or a Prefix")
    if filtered is None:
        return {"prefix": prefix}
    both = filtered.find("And")
    if len(filtered) > 1:
        raise MalformedXML("A Filter has one condition, or an And of several")
    found = _parse_filter(filtered if both is None else both)
    return {"filter": {**found, "and": True} if both is not None else found}


def _parse_filter(node: "Element") -> dict[str, Any]:
    found: dict[str, Any] = {}
    if (prefix := text_of(node, "Prefix")) is not None:
        found["prefix"] = prefix
    if tags := node.findall("Tag"):
        found["tags"] = checked([(need_text(tag, "Key"), need_text(tag, "Value")) for tag in tags], MAX_TAGS)
    for name, ours in FILTER.items():
        if (text := text_of(node, name)) is not None:
            found[ours] = number(text, name)
    if found.get("size_over", 0) < 0 or found.get("size_under", 1 << 62) <= max(found.get("size_over", 0), 0):
        raise InvalidRequest("ObjectSizeLessThan must be larger than ObjectSizeGreaterThan, and neither negative")
    return found


def _parse_actions(node: "Element") -> dict[str, Any]:
    found: dict[str, Any] = {}
    if (expiration := node.find("Expiration")) is not None:
        found["expiration"] = _parse_expiration(expiration)
    if (noncurrent := node.find("NoncurrentVersionExpiration")) is not None:
        found["noncurrent"] = _parse_noncurrent(noncurrent)
    if (unfinished := node.find("AbortIncompleteMultipartUpload")) is not None:
        found["abort_days"] = _days(text_of(unfinished, "DaysAfterInitiation"), "AbortIncompleteMultipartUpload")
    if not found:
        raise InvalidRequest("At least one action needs to be specified in a rule")
    return found


def _parse_expiration(node: "Element") -> dict[str, Any]:
    """Exactly one of days, date and the end of lonely delete markers."""
    if len(node) != 1:
        raise MalformedXML("An Expiration has one of Days, Date and ExpiredObjectDeleteMarker")
    if (days := text_of(node, "Days")) is not None:
        return {"days": _days(days, "Expiration")}
    if (date := text_of(node, "Date")) is not None:
        return {"date": _date(date)}
    return {"marker": boolean(text_of(node, "ExpiredObjectDeleteMarker"), "ExpiredObjectDeleteMarker")}


def _parse_noncurrent(node: "Element") -> dict[str, int]:
    found = {"days": _days(text_of(node, "NoncurrentDays"), "NoncurrentVersionExpiration")}
    if (kept := text_of(node, "NewerNoncurrentVersions")) is not None:
        found["keep"] = number(kept, "NewerNoncurrentVersions")
        if not 1 <= found["keep"] <= MAX_KEPT:
            raise InvalidArgument(f"'NewerNoncurrentVersions' is a number from 1 to {MAX_KEPT}")
    return found


def _days(text: str | None, action: str) -> int:
    found = number(text, "Days")
    if found < 1:
        raise InvalidArgument(f"'Days' for {action} action must be a positive integer")
    return found


def _date(text: str) -> str:
    """Midnight UTC, as it will be shown."""
    try:
        moment: datetime | None = parse_day(text) if DATE.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise MalformedXML("A Date is in ISO 8601 format")
    if moment.timestamp() % 86_400:
        raise InvalidArgument("'Date' must be at midnight GMT")
    return moment.strftime("%Y-%m-%dT00:00:00.000Z")


def _check_tagged(rule: Mapping[str, Any]) -> None:
    """What works on uploads or markers cannot look at tags or sizes."""
    narrow = set(rule.get("filter", ())) & {"tags", "size_over", "size_under"}
    if narrow and "abort_days" in rule:
        raise InvalidRequest("AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.")
    if "tags" in narrow and "marker" in rule.get("expiration", ()):
        raise InvalidRequest("ExpiredObjectDeleteMarker cannot be specified with Tags.")


def render_lifecycle_xml(rules: Iterable[Mapping[str, Any]]) -> str:
    return document(ROOT, "".join(f"<Rule>{_render_rule(rule)}</Rule>" for rule in rules))


def _render_rule(rule: Mapping[str, Any]) -> str:
    inner = element("ID", rule["id"])
    inner += element("Prefix", rule["prefix"]) if "prefix" in rule else _render_filter(rule["filter"])
    inner += element("Status", rule["status"])
    if expiration := rule.get("expiration"):
        names = {"days": "Days", "date": "Date", "marker": "ExpiredObjectDeleteMarker"}
        inner += (
            f"<Expiration>{''.join(element(names[name], value) for name, value in expiration.items())}</Expiration>"
        )
    if noncurrent := rule.get("noncurrent"):
        kept = element("NewerNoncurrentVersions", noncurrent["keep"]) if "keep" in noncurrent else ""
        days = element("NoncurrentDays", noncurrent["days"])
        inner += f"<NoncurrentVersionExpiration>{days}{kept}</NoncurrentVersionExpiration>"
    if "abort_days" in rule:
        days = element("DaysAfterInitiation", rule["abort_days"])
        inner += f"<AbortIncompleteMultipartUpload>{days}</AbortIncompleteMultipartUpload>"
    return inner


def _render_filter(found: Mapping[str, Any]) -> str:
    inner = element("Prefix", found["prefix"]) if "prefix" in found else ""
    for key, value in found.get("tags", {}).items():
        inner += f"<Tag>{element('Key', key)}{element('Value', value)}</Tag>"
    for name, ours in FILTER.items():
        inner += element(name, found[ours]) if ours in found else ""
    return f"<Filter><And>{inner}</And></Filter>" if found.get("and") else f"<Filter>{inner}</Filter>"
