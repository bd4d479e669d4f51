"""Tags of objects and their versions: get, put, delete."""

import orjson

from storage_service.app.core.changes import PatchOptions
from storage_service.app.core.objects import Version
from storage_service.app.edge.respond import send_empty
from storage_service.app.s3.answers import send_xml
from storage_service.app.s3.bodies import need_document
from storage_service.app.s3.context import Call
from storage_service.app.s3.naming import asked_version, version_headers
from storage_service.app.s3.tags import parse_tagging, render_tagging


async def get_tagging(call: Call) -> None:
    version = await call.store.head_object(call.bucket, call.key, asked_version(call))
    tags = orjson.loads(version.doc).get("tags", {})
    await send_xml(call.request, render_tagging(tags), version_headers(version, call.bucket))


async def put_tagging(call: Call) -> None:
    """Raises: MalformedXML, InvalidTag."""
    tags = parse_tagging(await need_document(call, "Tagging"))
    version = await _set(call, tags)
    await send_empty(call.request.send, 200, version_headers(version, call.bucket))


async def delete_tagging(call: Call) -> None:
    version = await _set(call, {})
    await send_empty(call.request.send, 204, version_headers(version, call.bucket))


async def _set(call: Call, tags: dict[str, str]) -> Version:
    options = PatchOptions(version_id=asked_version(call))
    return await call.store.patch_object(call.bucket, call.key, {"tags": tags}, call.actor, options)
