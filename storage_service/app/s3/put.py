"""PUT of an object. Small bodies are hot: one piece of memory, one commit."""

import orjson

from storage_service.app.core.errors import ConditionalRequestConflict, NoSuchKey, NothingToMatch
from storage_service.app.core.objects import Attributes, Version
from storage_service.app.core.writing import PutOptions
from storage_service.app.edge.conditions import look_first, write_conditions
from storage_service.app.edge.respond import Header, send_empty
from storage_service.app.s3.attributes_in import attributes_of
from storage_service.app.s3.bodies import Received, check_length_said, receive
from storage_service.app.s3.checksums import announced, check_declared, checksum_headers
from storage_service.app.s3.configuration.creation import with_protection
from storage_service.app.s3.configuration.expiration import expiration_headers
from storage_service.app.s3.context import Call
from storage_service.app.s3.naming import etag_header, written_version_headers

MOST_PUT_BYTES = 5 << 30  # larger objects come in parts. Source: AWS "Uploading objects"


async def put_object(call: Call) -> None:
    """Raises: BadDigest, InvalidDigest, PreconditionFailed, ConditionalRequestConflict, EntityTooLarge …"""
    found = announced(call.request, call.caller.payload.trailers)
    check_declared(call.request, found)
    attributes = with_protection(call, attributes_of(call), call.bucket)
    check_length_said(call)
    received = receive(call, MOST_PUT_BYTES, found)
    try:
        version = await _store(call, received, attributes)
    finally:
        received.body.close()
    await send_empty(call.request.send, 200, written_headers(call, version))


async def _store(call: Call, received: Received, attributes: Attributes) -> Version:
    conditions = write_conditions(call.request)
    looked = await look_first(call.store, call.request, call.bucket, call.key, conditions)
    options = PutOptions(
        attributes=attributes,
        conditions=conditions,
        actor=call.actor,
        size=received.size,
        sha256=received.sha256,
        algorithm=received.algorithm,
        verify=received.verify,
    )
    try:
        outcome = await call.store.put_object(call.bucket, call.key, received.body, options)
    except NothingToMatch:
        if not looked:
            raise
        raise ConditionalRequestConflict("The object was deleted while this request was under way") from None
    if outcome.version is None:
        raise NoSuchKey(key=call.key)
    return outcome.version


def written_headers(call: Call, version: Version) -> list[Header]:
    """ETag, version and checksum of what was stored."""
    return [
        etag_header(version),
        *written_version_headers(version, call.bucket),
        *checksum_headers(orjson.loads(version.doc)),
        *expiration_headers(call.bucket, version),
    ]
