"""CopyObject and RenameObject: a second name for the same bytes, or another name for an object. No byte is moved."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from storage_service.app.core.checksums import Algorithm
from storage_service.app.core.copying import Copying
from storage_service.app.core.copying import attributes_of as stored_attributes
from storage_service.app.core.digests import Hasher
from storage_service.app.core.errors import (
    InvalidArgument,
    InvalidRequest,
    NoSuchKey,
    NoSuchVersion,
    NotImplemented,
)
from storage_service.app.core.objects import Attributes, Bucket, Span, Version
from storage_service.app.edge.conditions import write_conditions
from storage_service.app.edge.request import Request, decode_path
from storage_service.app.edge.respond import Header, send_empty
from storage_service.app.s3.answers import document, element, quoted, send_xml, timestamp
from storage_service.app.s3.attributes_in import attributes_of, check_redirect
from storage_service.app.s3.checksums import algorithm_named, checksums_of, type_of
from storage_service.app.s3.configuration.creation import with_protection
from storage_service.app.s3.context import Call, check_owner
from storage_service.app.s3.copy_source import check_source, parse_source
from storage_service.app.s3.naming import version_name, written_version_headers
from storage_service.app.s3.tags import parse_header

DIRECTIVES = frozenset({"COPY", "REPLACE"})
TARGET_TIMES = frozenset({b"if-modified-since", b"if-unmodified-since"})
UNCHANGED = (
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's"
    " metadata, storage class, website redirect location or encryption attributes."
)


class Source(NamedTuple):
    """What is copied: the bucket, and one pinned version. `named`: the request named that version."""

    bucket: Bucket
    version: Version
    named: bool


async def copy_object(call: Call) -> None:
    """Raises: NoSuchBucket, NoSuchKey, NoSuchVersion, PreconditionFailed, InvalidRequest (a copy onto itself) …"""
    attributes = with_protection(call, attributes_of(call), call.bucket)
    source = await find_source(call)
    version = await _copy(call, source, _merged(call, source, attributes))
    sums = checksums_of(orjson.loads(version.doc))
    inner = element("LastModified", timestamp(version.at_ms)) + element("ETag", quoted(version.etag))
    inner += "".join(element(f"Checksum{name}", value) for name, value in sums.items())
    inner += "".join(element("ChecksumType", type_of(value)) for value in list(sums.values())[:1])
    headers = [*written_version_headers(version, call.bucket), *source_headers(source)]
    await send_xml(call.request, document("CopyObjectResult", inner), headers)


def source_headers(source: Source) -> list[Header]:
    """Which version was copied. Nothing for a bucket that never kept versions."""
    if source.bucket.options.versioning == "off":
        return []
    return [(b"x-amz-copy-source-version-id", version_name(source.version).encode())]


async def _copy(call: Call, source: Source, attributes: Attributes) -> Version:
    copying = Copying(
        source.bucket,
        source.version.key,
        call.bucket,
        call.key,
        version_id=source.version.version_id,
        attributes=attributes,
        conditions=write_conditions(call.request),
        checksums=await _checksums(call, source),
    )
    outcome = await call.store.copy_object(copying, call.actor)
    if outcome.version is None:
        raise NoSuchKey(key=call.key)
    return outcome.version


async def find_source(call: Call) -> Source:
    """The version that x-amz-copy-source names, if the caller may read it and its conditions hold.

    Raises: InvalidArgument, NoSuchBucket, NoSuchKey, NoSuchVersion, AccessDenied, PreconditionFailed.
    """
    named = parse_source(call.request)
    bucket = await call.find_bucket(named.bucket)
    check_owner(call.request, bucket, b"x-amz-source-expected-bucket-owner")
    await call.authorize_object("read_object", bucket, named.key, named.version_id, "GetObject")
    try:
        version = await call.store.head_object(bucket, named.key, named.version_id)
    except NoSuchVersion:
        if named.version_id is not None and await _is_marker(call, bucket, (named.key, named.version_id)):
            raise InvalidRequest(
                "The source of a copy request may not specifically refer to a delete marker by version id."
            ) from None
        raise
    check_source(call.request)(version)
    return Source(bucket, version, named=named.version_id is not None)


async def _is_marker(call: Call, bucket: Bucket, place: tuple[str, str]) -> bool:
    versions = await call.store.list_versions(bucket, place[0])
    return any(one.is_marker and place[1] in {one.version_id, version_name(one)} for one in versions)


def directive(request: Request, name: str) -> str:
    """COPY or REPLACE. Raises: InvalidArgument."""
    value = (request.header(name.encode()) or "COPY").upper()
    if value not in DIRECTIVES:
        raise InvalidArgument(f"Unknown {name.removeprefix('x-amz-').replace('-', ' ')}.")
    return value


def _merged(call: Call, source: Source, said: Attributes) -> Attributes:
    """What the copy says of itself: the source's words, the request's, or some of each.

    Raises: InvalidRequest for a copy onto itself that changes nothing.
    """
    request, version = call.request, source.version
    metadata = directive(request, "x-amz-metadata-directive")
    tagging = directive(request, "x-amz-tagging-directive")
    here = (source.bucket.id, version.key) == (call.bucket.id, call.key)
    if here and metadata == tagging == "COPY" and said.website_redirect is None and not source.named:
        raise InvalidRequest(UNCHANGED)
    stored = stored_attributes(version)
    base = said if metadata == "REPLACE" else stored
    tags = stored.tags if tagging == "COPY" else parse_header(request.header(b"x-amz-tagging") or "")
    redirect = request.header(b"x-amz-website-redirect-location")
    return base._replace(
        owner=said.owner,
        tags=tags,
        expires_ms=version.expires_ms,
        website_redirect=check_redirect(redirect) if redirect else None,
        acl=said.acl,
        lock=said.lock,
    )


async def _checksums(call: Call, source: Source) -> Mapping[str, str] | None:
    """A checksum of another algorithm than the source has, where one is asked for: the one case that reads it."""
    asked = call.request.header(b"x-amz-checksum-algorithm")
    if asked is None:
        return None
    algorithm = algorithm_named(asked)
    known = checksums_of(orjson.loads(source.version.doc)).get(algorithm)
    if known is not None and "-" not in known:
        return {algorithm: known}
    return await _compute(call, source, algorithm)


async def _compute(call: Call, source: Source, algorithm: Algorithm) -> Mapping[str, str]:
    hasher = Hasher(sha256=False, algorithm=algorithm)
    download = await call.store.get_object(source.bucket, source.version.key, source.version.version_id)
    try:
        async for chunk in download.chunks(Span(0, source.version.size)):
            await asyncio.to_thread(hasher.update, chunk)
    finally:
        download.close()
    return hasher.finish().checksums


async def rename_object(call: Call) -> None:
    """Raises: NoSuchKey, PreconditionFailed, InvalidRequest, NotImplemented for times of what stands at the target."""
    sent = call.request.header(b"x-amz-rename-source")
    if not TARGET_TIMES.isdisjoint(call.request.headers):
        raise NotImplemented("A rename asks for the target by If-Match and If-None-Match; its times are not compared")
    if not sent:
        raise InvalidArgument("RenameObject needs the header x-amz-rename-source")
    key = decode_path(sent.encode("latin-1")).removeprefix(f"/{call.bucket.name}/").removeprefix("/")
    await call.authorize_object("read_object", call.bucket, key, None, "GetObject")
    await call.authorize_object("delete_object", call.bucket, key, None, "DeleteObject")
    if key == call.key:
        raise InvalidRequest("An object cannot be renamed onto itself")
    version = await call.store.head_object(call.bucket, key)
    check_source(call.request, b"x-amz-rename-source-if-")(version)
    conditions = write_conditions(call.request)
    await call.store.copy_object(
        Copying(call.bucket, key, call.bucket, call.key, conditions=conditions, move=True), call.actor
    )
    await send_empty(call.request.send, 200)
