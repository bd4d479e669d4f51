"""DeleteObjects: up to 1,000 keys in few commits, each with an answer of its own."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from storage_service.app.core.changes import DeleteOptions, Outcome
from storage_service.app.core.errors import InvalidKey, MalformedXML, StorageError
from storage_service.app.core.objects import ANY_WRITE, WriteConditions, check_key
from storage_service.app.s3.answers import code_of, document, elements, send_xml
from storage_service.app.s3.bodies import need_document
from storage_service.app.s3.context import Call
from storage_service.app.s3.delete import asks_bypass, may_bypass, parse_second, parse_size, refuse_mfa
from storage_service.app.s3.naming import version_name
from storage_service.app.s3.reading import MAX_BULK_BYTES, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_KEYS = 1000


class Listed(NamedTuple):
    key: str
    version_id: str | None
    conditions: WriteConditions


Result = Outcome | StorageError


async def delete_objects(call: Call) -> None:
    """200 with what became of each key; `Quiet` names the failures alone. Raises: MalformedXML."""
    refuse_mfa(call.request)
    root = await need_document(call, "Delete", MAX_BULK_BYTES)
    listed = parse_listed(root)
    quiet = (text_of(root, "Quiet") or "").lower() == "true"
    results = await _delete(call, listed)
    rows = [_row(call, one, result, quiet=quiet) for one, result in zip(listed, results, strict=True)]
    await send_xml(call.request, document("DeleteResult", "".join(rows)))


def parse_listed(root: "Element") -> list[Listed]:
    """Raises: MalformedXML for none or more than 1,000."""
    nodes = root.findall("Object")
    if not 1 <= len(nodes) <= MOST_KEYS:
        raise MalformedXML(f"The document names 1 to {MOST_KEYS} objects")
    return [_listed(node) for node in nodes]


def _listed(node: "Element") -> Listed:
    child = node.find("Key")
    key = child.text if child is not None else None
    if not key:
        raise MalformedXML("An object has no Key")
    etag, modified, size = text_of(node, "ETag"), text_of(node, "LastModifiedTime"), text_of(node, "Size")
    conditions = ANY_WRITE
    if etag or modified or size:
        conditions = WriteConditions(
            if_match=(etag.strip('"'),) if etag else None,
            at_second=parse_second(modified) if modified else None,
            size=parse_size(size) if size else None,
        )
    return Listed(key, text_of(node, "VersionId") or None, conditions)


async def _delete(call: Call, listed: list[Listed]) -> list[Result]:
    """What became of each: those the caller may delete go together."""
    bypass = asks_bypass(call.request)
    refusals = await _refusals(call, listed, bypass=bypass)
    wanted = [
        (one.key, DeleteOptions(one.version_id, one.conditions, missing_ok=True, bypass=bypass))
        for one, refusal in zip(listed, refusals, strict=True)
        if refusal is None
    ]
    done = iter(await call.store.delete_objects(call.bucket, wanted, call.actor))
    return [next(done) if refusal is None else refusal for refusal in refusals]


async def _refusals(call: Call, listed: list[Listed], *, bypass: bool) -> list[StorageError | None]:
    """Why each may not be deleted, if it may not."""
    if bypass or call.bucket.options.config:  # what is there has a say: all are looked up together
        return await asyncio.gather(*(_refusal(call, one) for one in listed))
    return [None if _may_plainly(call, one.key) else await _refusal(call, one) for one in listed]


def _may_plainly(call: Call, key: str) -> bool:
    try:
        return call.is_plainly_allowed("delete_object", call.bucket, check_key(key))
    except InvalidKey:
        return False


async def _refusal(call: Call, one: Listed) -> StorageError | None:
    """Why this one may not be deleted."""
    try:
        check_key(one.key)
        await call.authorize_object("delete_object", call.bucket, one.key, one.version_id, "DeleteObject")
        await may_bypass(call, one.key)
    except StorageError as error:
        return error
    return None


def _row(call: Call, one: Listed, result: Result, *, quiet: bool) -> str:
    if isinstance(result, StorageError):
        fields = (
            ("Key", one.key),
            ("VersionId", one.version_id),
            ("Code", code_of(result)),
            ("Message", result.detail),
        )
        return elements("Error", fields)
    if quiet:
        return ""
    ended = result.version
    marker = name = None
    if call.bucket.options.versioning != "off" and ended is not None and ended.is_marker:
        marker, name = True, version_name(ended)
    rows = (
        ("Key", one.key),
        ("VersionId", one.version_id),
        ("DeleteMarker", marker),
        ("DeleteMarkerVersionId", name),
    )
    return elements("Deleted", rows)
