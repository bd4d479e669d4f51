"""Multipart uploads. Source: AWS "CreateMultipartUpload" and the calls that follow it."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import orjson

from storage_service.app.core.checksums import KINDS, Algorithm, ChecksumType, base64_of
from storage_service.app.core.errors import InvalidArgument, InvalidRequest, MalformedXML
from storage_service.app.core.objects import Digests, Span, Version
from storage_service.app.core.pieces import (
    MAX_PART_BYTES,
    MAX_PARTS,
    Completion,
    ListedPart,
    PartDigests,
    PartOptions,
    PartSource,
    StoredPart,
    UploadOptions,
    UploadRef,
)
from storage_service.app.edge.conditions import write_conditions
from storage_service.app.edge.names import quote_key
from storage_service.app.edge.respond import Header, send_empty
from storage_service.app.s3.answers import document, element, quoted, send_xml, timestamp
from storage_service.app.s3.attributes_in import attributes_of, refuse_unsupported
from storage_service.app.s3.bodies import Received, check_length_said, read_document, receive
from storage_service.app.s3.checksums import (
    HEADERS,
    NOTHING,
    PREFIX,
    Announced,
    algorithm_named,
    announced,
    check_declared,
    checksums_of,
    parse_md5,
    parse_value,
    type_of,
)
from storage_service.app.s3.configuration.creation import with_protection
from storage_service.app.s3.context import Call
from storage_service.app.s3.copy import Source, find_source, source_headers
from storage_service.app.s3.copy_source import check_source, parse_span
from storage_service.app.s3.naming import written_version_headers
from storage_service.app.s3.patience import Answer, answer_patiently
from storage_service.app.s3.reading import MAX_XML_BYTES, need_text, parse_xml, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_LIST_BYTES = 4 * MAX_XML_BYTES  # 10,000 parts with a checksum each
LONG_BYTES = 32 * 1024  # such lists are read beside the loop: the longest takes 80 ms


async def create_upload(call: Call) -> None:
    """Raises: InvalidRequest, and what refuses the attributes of any write."""
    algorithm, kind = _chosen_checksum(call)
    options = UploadOptions(with_protection(call, attributes_of(call), call.bucket), call.actor, algorithm, kind)
    upload = await call.context.uploads.create(call.bucket, call.key, options)
    inner = element("Bucket", call.bucket.name) + element("Key", call.key) + element("UploadId", upload.id)
    headers: list[Header] = []
    if algorithm and kind:
        headers = [(b"x-amz-checksum-algorithm", algorithm.encode()), (b"x-amz-checksum-type", kind.encode())]
    await send_xml(call.request, document("InitiateMultipartUploadResult", inner), headers)


def _chosen_checksum(call: Call) -> tuple[Algorithm | None, ChecksumType | None]:
    """Raises: InvalidRequest."""
    name = call.request.header(b"x-amz-checksum-algorithm")
    kind = call.request.header(b"x-amz-checksum-type")
    if name is None:
        if kind is not None:
            raise InvalidRequest("The x-amz-checksum-type header can only be used with x-amz-checksum-algorithm.")
        return None, None
    algorithm = algorithm_named(name)
    types = KINDS[algorithm].types
    if kind is None:
        return algorithm, types[0]
    for one in types:
        if one == kind.strip().upper():
            return algorithm, one
    raise InvalidRequest(f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.")


# Parts ------------------------------------------------------------------------------------------------------------


async def upload_part(call: Call) -> None:
    """Raises: NoSuchUpload, InvalidArgument, BadDigest, EntityTooLarge, MissingContentLength, NotImplemented …"""
    refuse_unsupported(call.request)
    found = announced(call.request, call.caller.payload.trailers)
    check_declared(call.request, found)
    ref, number = ref_of(call), _part_number(call)
    check_length_said(call)
    received = receive(call, MAX_PART_BYTES, found)
    try:
        stored = await call.context.uploads.put_part(ref, number, received.body, _part_options(received))
    finally:
        received.body.close()
    sums = _part_sums(stored, received.algorithm)
    headers = [(f"{PREFIX}{name.lower()}".encode(), value.encode()) for name, value in sums.items()]
    await send_empty(call.request.send, 200, [(b"etag", quoted(stored.part.etag).encode()), *headers])


def _part_options(received: Received) -> PartOptions:
    algorithms: set[Algorithm] = {received.algorithm} if received.algorithm else set()
    if received.sha256:
        algorithms.add("SHA256")
    verify = received.verify

    def compare(digests: PartDigests) -> None:
        if verify is not None:
            verify(_plain(digests))

    return PartOptions(received.size, tuple(algorithms), compare, received.algorithm)


def _plain(digests: PartDigests) -> Digests:
    sha256 = digests.sums.get("SHA256")
    sums: dict[str, str] = {name: base64_of(value) for name, value in digests.sums.items()}
    return Digests(digests.md5, sums["CRC64NVME"], None if sha256 is None else sha256.hex(), sums)


def _part_sums(stored: StoredPart, sent: Algorithm | None) -> Mapping[Algorithm, str]:
    """The checksum by the upload's algorithm, else by the one that was sent with the part."""
    wanted = {*stored.algorithms} or ({sent} if sent else set())
    return {name: base64_of(value) for name, value in stored.sums.items() if name in wanted}


async def copy_part(call: Call) -> None:
    """Raises: NoSuchUpload, NoSuchKey, PreconditionFailed, InvalidArgument, InvalidRequest, AccessDenied …"""
    refuse_unsupported(call.request)
    ref, number = ref_of(call), _part_number(call)
    span = parse_span(call.request)
    source = await find_source(call)
    # Some seconds for gigabytes: their digests must be read.
    await answer_patiently(call.request, _copied(call, (ref, number), source, span))


async def _copied(
    call: Call, place: tuple[UploadRef, int], source: Source, span: Callable[[Version], Span] | None
) -> Answer:
    version_id = source.version.version_id if source.named else None  # of one that is not named, the one then current
    wanted = PartSource(source.bucket, source.version.key, version_id, span, check_source(call.request))
    stored = await call.context.uploads.copy_part(*place, wanted)
    inner = element("LastModified", timestamp(stored.part.at_ms)) + element("ETag", quoted(stored.part.etag))
    inner += "".join(element(f"Checksum{name}", value) for name, value in _part_sums(stored, None).items())
    return document("CopyPartResult", inner), source_headers(source)


# The end ----------------------------------------------------------------------------------------------------------


async def complete_upload(call: Call) -> None:
    """Raises: NoSuchUpload, MalformedXML, InvalidPart, InvalidPartOrder, EntityTooSmall, BadDigest, PreconditionFailed,
    InvalidRequest …"""
    ref = ref_of(call)
    listed = await read_document(call, MOST_LIST_BYTES, _announced_list(call))
    parts = parse_completion(listed) if len(listed) < LONG_BYTES else await asyncio.to_thread(parse_completion, listed)
    completion = Completion(
        parts,
        call.actor,
        write_conditions(call.request),
        _announced_whole(call),
        _announced_size(call),
        _announced_type(call),
    )
    await answer_patiently(call.request, _completed(call, ref, completion))


async def _completed(call: Call, ref: UploadRef, completion: Completion) -> Answer:
    version = await call.context.uploads.complete(ref, completion)
    return _result(call, version), written_version_headers(version, call.bucket)


def _result(call: Call, version: Version) -> str:
    place = f"{call.context.public_url}/{call.bucket.name}/{quote_key(call.key)}"
    inner = element("Location", place) + element("Bucket", call.bucket.name) + element("Key", call.key)
    inner += element("ETag", quoted(version.etag))
    sums = checksums_of(orjson.loads(version.doc))
    inner += "".join(element(f"Checksum{name}", value) for name, value in sums.items())
    inner += "".join(element("ChecksumType", type_of(value)) for value in sums.values())
    return document("CompleteMultipartUploadResult", inner)


def _announced_list(call: Call) -> Announced:
    """Of the document itself: `x-amz-checksum-*` speaks of the object here. Raises: InvalidDigest."""
    md5 = call.request.headers.get(b"content-md5")
    return NOTHING if md5 is None else Announced(md5=parse_md5(md5))


def parse_completion(data: bytes) -> Sequence[ListedPart]:
    """The parts that a completion lists. Raises: MalformedXML, InvalidArgument, BadDigest."""
    nodes = parse_xml(data, "CompleteMultipartUpload").findall("Part")
    if not 1 <= len(nodes) <= MAX_PARTS:
        raise MalformedXML(f"A completion lists 1 to {MAX_PARTS} parts")
    return [_listed_part(node) for node in nodes]


def _listed_part(node: "Element") -> ListedPart:
    number, etag = need_text(node, "PartNumber"), need_text(node, "ETag")
    if not number.isascii() or not number.isdigit() or not 1 <= int(number[:6]) <= MAX_PARTS:
        raise InvalidArgument(f"PartNumber must be an integer between 1 and {MAX_PARTS}, inclusive")
    sums = {name: parse_value(name, text) for name in KINDS if (text := text_of(node, f"Checksum{name}"))}
    return ListedPart(int(number), etag.strip('"'), sums)


def _announced_whole(call: Call) -> dict[Algorithm, str]:
    """Of the whole object, base64. Raises: InvalidRequest."""
    headers = call.request.headers
    found = {name: headers[header].decode("latin-1") for header, name in HEADERS.items() if header in headers}
    return {name: b64encode(parse_value(name, text.partition("-")[0])).decode() for name, text in found.items()}


def _announced_size(call: Call) -> int | None:
    """Raises: InvalidRequest."""
    text = call.request.header(b"x-amz-mp-object-size")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise InvalidRequest("Value for x-amz-mp-object-size header is invalid.")
    return int(text[:20])


def _announced_type(call: Call) -> ChecksumType | None:
    """Raises: InvalidRequest."""
    text = call.request.header(b"x-amz-checksum-type")
    if text is None:
        return None
    found: dict[str, ChecksumType] = {"COMPOSITE": "COMPOSITE", "FULL_OBJECT": "FULL_OBJECT"}
    if text.strip().upper() not in found:
        raise InvalidRequest("Value for x-amz-checksum-type header is invalid.")
    return found[text.strip().upper()]


async def abort_upload(call: Call) -> None:
    """Raises: NoSuchUpload."""
    await call.context.uploads.abort(ref_of(call))
    await send_empty(call.request.send, 204)


# What the query says ----------------------------------------------------------------------------------------------


def ref_of(call: Call) -> UploadRef:
    return UploadRef(call.bucket, call.key, call.query["uploadId"])


def _part_number(call: Call) -> int:
    """Raises: InvalidArgument."""
    text = call.query.get("partNumber", "")
    if not text.isascii() or not text.isdigit():
        raise InvalidArgument(f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive")
    return int(text[:6])
