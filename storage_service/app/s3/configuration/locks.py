"""Object lock: the bucket's configuration, retention and legal hold of versions. `core.locking` enforces them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from storage_service.app.core.changes import PatchOptions
from storage_service.app.core.errors import (
    InvalidArgument,
    InvalidRequest,
    InvalidRetentionPeriod,
    MalformedXML,
    NoSuchObjectLockConfiguration,
    ObjectLockConfigurationNotFoundError,
)
from storage_service.app.core.locking import MAX_DAYS, MODES, YEAR_DAYS, is_locking, lock_in
from storage_service.app.core.objects import now_ms
from storage_service.app.edge.names import iso
from storage_service.app.edge.request import Request
from storage_service.app.edge.respond import send_empty
from storage_service.app.s3.answers import document, element, send_xml
from storage_service.app.s3.bodies import document_of, need_document
from storage_service.app.s3.configuration.keeping import config_of, keep, number
from storage_service.app.s3.context import Call
from storage_service.app.s3.delete import may_bypass
from storage_service.app.s3.naming import asked_version, version_headers
from storage_service.app.s3.reading import need_text, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOT = "ObjectLockConfiguration"
NOT_LOCKING = "Bucket is missing Object Lock Configuration"
NO_RETENTION: Mapping[str, Any] = {"mode": None, "until_ms": None}
ENABLED = {"enabled": True}


def parse_lock_xml(root: "Element") -> dict[str, Any]:
    """Raises: MalformedXML, InvalidRetentionPeriod."""
    if text_of(root, "ObjectLockEnabled") != "Enabled":
        raise MalformedXML("ObjectLockEnabled is Enabled")
    rule = root.find("Rule")
    if rule is None:
        return dict(ENABLED)
    default = rule.find("DefaultRetention")
    if default is None:
        raise MalformedXML("A Rule has a DefaultRetention")
    return {**ENABLED, "default": _parse_default(default)}


def _parse_default(node: "Element") -> dict[str, Any]:
    mode, days, years = (text_of(node, name) for name in ("Mode", "Days", "Years"))
    if mode not in MODES or (days is None) == (years is None):
        raise MalformedXML("A DefaultRetention has a Mode, and either Days or Years")
    length = number(days if days is not None else years, "Days or Years")
    if not 1 <= length <= (MAX_DAYS if days is not None else MAX_DAYS // YEAR_DAYS):
        raise InvalidRetentionPeriod("Default retention period must be a positive integer value, of 100 years at most")
    return {"mode": mode, "days" if days is not None else "years": length}


def render_lock_xml(lock: Mapping[str, Any]) -> str:
    inner = element("ObjectLockEnabled", "Enabled")
    if default := lock.get("default"):
        names = {"days": "Days", "years": "Years"}
        length = "".join(element(names[name], default[name]) for name in names if name in default)
        inner += f"<Rule><DefaultRetention>{element('Mode', default['mode'])}{length}</DefaultRetention></Rule>"
    return document(ROOT, inner)


def parse_until(text: str | None) -> int:
    """Milliseconds since 1970 of an ISO 8601 moment to come. Raises: MalformedXML, InvalidArgument."""
    try:
        moment = datetime.fromisoformat(text or "")
        until_ms = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise MalformedXML("RetainUntilDate is a moment in ISO 8601 format") from None
    if until_ms <= now_ms():
        raise InvalidArgument("The retain until date must be in the future!")
    return until_ms


def lock_in_headers(request: Request) -> dict[str, Any]:
    """The lock that a write asks for; empty for none. Raises: InvalidArgument."""
    mode = request.header(b"x-amz-object-lock-mode")
    until = request.header(b"x-amz-object-lock-retain-until-date")
    hold = request.header(b"x-amz-object-lock-legal-hold")
    lock: dict[str, Any] = {}
    if (mode is None) != (until is None):
        raise InvalidArgument("x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")
    if mode is not None:
        lock = {"mode": _known_mode(mode), "until_ms": _header_until(until)}
    if hold is not None:
        if hold not in {"ON", "OFF"}:
            raise InvalidArgument("Legal Hold must be either of 'ON' or 'OFF'")
        lock["hold"] = hold == "ON"
    return lock


def _known_mode(mode: str) -> str:
    if mode not in MODES:
        raise InvalidArgument("Unknown wormMode directive.")
    return mode


def _header_until(text: str | None) -> int:
    try:
        return parse_until(text)
    except MalformedXML as error:
        raise InvalidArgument(error.detail) from None


# The bucket's configuration -----------------------------------------------------------------------------------------


async def get_bucket(call: Call) -> None:
    """Raises: ObjectLockConfigurationNotFoundError."""
    found = config_of(call, "object_lock")
    if found is None:
        raise ObjectLockConfigurationNotFoundError(
            "Object Lock configuration does not exist for this bucket", bucket=call.bucket.name
        )
    await send_xml(call.request, render_lock_xml(found))


async def put_bucket(call: Call) -> None:
    """Raises: MalformedXML, InvalidRetentionPeriod, InvalidBucketState while the bucket keeps no versions."""
    await keep(call, "object_lock", parse_lock_xml(await need_document(call, ROOT)))


# Versions -----------------------------------------------------------------------------------------------------------


async def get_retention(call: Call) -> None:
    """Raises: InvalidRequest, NoSuchObjectLockConfiguration."""
    lock = await _lock_of(call)
    if not lock.get("mode"):
        raise NoSuchObjectLockConfiguration(
            "The specified object does not have a ObjectLock configuration", key=call.key
        )
    inner = element("Mode", lock["mode"]) + element("RetainUntilDate", iso(int(lock["until_ms"])))
    await send_xml(call.request, document("Retention", inner))


async def put_retention(call: Call) -> None:
    """An empty document ends a retention that may be ended. Raises: MalformedXML, InvalidArgument, ObjectLocked."""
    root = await document_of(call, "Retention")
    if root is None or not len(root):
        await _patch(call, NO_RETENTION)
        return
    mode = need_text(root, "Mode")
    if mode not in MODES:
        raise MalformedXML("Mode is GOVERNANCE or COMPLIANCE")
    await _patch(call, {"mode": mode, "until_ms": parse_until(text_of(root, "RetainUntilDate"))})


async def get_legal_hold(call: Call) -> None:
    """Raises: InvalidRequest, NoSuchObjectLockConfiguration."""
    lock = await _lock_of(call)
    if "hold" not in lock:
        raise NoSuchObjectLockConfiguration(
            "The specified object does not have a ObjectLock configuration", key=call.key
        )
    await send_xml(call.request, document("LegalHold", element("Status", "ON" if lock["hold"] else "OFF")))


async def put_legal_hold(call: Call) -> None:
    """Raises: MalformedXML, InvalidRequest."""
    status = need_text(await need_document(call, "LegalHold"), "Status")
    if status not in {"ON", "OFF"}:
        raise MalformedXML("Status is ON or OFF")
    await _patch(call, {"hold": status == "ON"})


async def _lock_of(call: Call) -> Mapping[str, Any]:
    _check_locking(call)
    version = await call.store.head_object(call.bucket, call.key, asked_version(call))
    return lock_in(version.doc)


async def _patch(call: Call, lock: Mapping[str, Any]) -> None:
    _check_locking(call)
    options = PatchOptions(version_id=asked_version(call), bypass=await may_bypass(call))
    changed = await call.store.patch_object(call.bucket, call.key, {"lock": lock}, call.actor, options)
    await send_empty(call.request.send, 200, version_headers(changed, call.bucket))


def _check_locking(call: Call) -> None:
    if not is_locking(call.bucket):
        raise InvalidRequest(NOT_LOCKING, bucket=call.bucket.name)
