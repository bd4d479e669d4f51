"""Bodies of S3 requests without their framing, under the shared budget of memory; and small documents, whole."""

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from storage_service.app.core.checksums import Algorithm
from storage_service.app.core.digests import digest_small
from storage_service.app.core.errors import EntityTooLarge, MalformedXML, MissingContentLength
from storage_service.app.core.objects import Digests
from storage_service.app.core.writing import Verify
from storage_service.app.edge.body import Body, Intake, check_size
from storage_service.app.edge.body import body_of as plain_body
from storage_service.app.s3 import checksums
from storage_service.app.s3.auth.body import Body as Framed
from storage_service.app.s3.auth.caller import Payload
from storage_service.app.s3.context import Call
from storage_service.app.s3.reading import MAX_XML_BYTES, parse_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element
PLAIN = Payload()


class Received(NamedTuple):
    """An object's bytes on their way. `size` is the announced length in bytes, None where none was.

    `verify` compares what came with all that was announced: for the end of the body.
    """

    body: Body
    size: int | None
    algorithm: Algorithm | None
    verify: Verify | None
    sha256: bool  # whether `verify` needs it


def check_length_said(call: Call) -> None:
    """Of an object's bytes: without a length there is nobody to tell a whole body from none.

    Raises: MissingContentLength.
    """
    request = call.request
    if request.content_length is None and b"transfer-encoding" not in request.headers:
        raise MissingContentLength("You must provide the Content-Length HTTP header.")


def receive(call: Call, max_bytes: int | None = None, found: checksums.Announced | None = None) -> Received:
    """The request's body as the object will hold it. `found`: its checksums, if they were looked for already.

    Raises: InvalidRequest, InvalidDigest, EntityTooLarge.
    """
    request, payload = call.request, call.caller.payload
    found = checksums.announced(request, payload.trailers) if found is None else found
    if payload.kind != "chunked":
        if found is checksums.NOTHING and payload.sha256 is None:
            return Received(plain_body(request, max_bytes), request.content_length, None, None, sha256=False)
        body = plain_body(request, max_bytes)
        verify = partial(_verify, found, payload, None)
        return Received(body, request.content_length, found.algorithm, verify, sha256=payload.sha256 is not None)
    check_size(payload.decoded_length, max_bytes)
    framed = Framed(payload, Intake(request, request.content_length).next)
    body = Body(framed.next, max_bytes=max_bytes)
    verify = partial(_verify, found, payload, framed)
    return Received(body, payload.decoded_length, found.algorithm, verify, sha256=False)


def _verify(found: checksums.Announced, payload: Payload, framed: Framed | None, digests: Digests) -> None:
    checksums.check(found, digests, {} if framed is None else framed.trailers, payload.sha256)


def verifier(found: checksums.Announced) -> Verify | None:
    """Of a body whose checksums, if any, were all announced before it."""
    return None if found is checksums.NOTHING else partial(_verify, found, PLAIN, None)


async def read_document(call: Call, max_bytes: int = MAX_XML_BYTES, found: checksums.Announced | None = None) -> bytes:
    """The whole body in memory, its checksums and signature compared. `found`: see `receive`.

    Raises: EntityTooLarge, BadDigest, XAmzContentSHA256Mismatch, and what the framing raises.
    """
    received = receive(call, max_bytes, found)
    try:
        data = await received.body.read_small(max_bytes)
    finally:
        received.body.close()
    if data is None:
        raise EntityTooLarge(f"The document is larger than {max_bytes} bytes")
    if received.verify is not None:
        received.verify(digest_small(data, received.sha256, received.algorithm))
    return data


async def document_of(call: Call, root: str, max_bytes: int = MAX_XML_BYTES) -> "Element | None":
    """The XML document of the body, its root of this name; None where there is no body. Raises: MalformedXML."""
    data = await read_document(call, max_bytes)
    return parse_xml(data, root) if data.strip() else None


async def need_document(call: Call, root: str, max_bytes: int = MAX_XML_BYTES) -> "Element":
    """The same where there must be one. Raises: MalformedXML."""
    found = await document_of(call, root, max_bytes)
    if found is None:
        raise MalformedXML("The request has no XML document")
    return found
