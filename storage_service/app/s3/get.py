"""GET and HEAD of objects: the hottest calls. No XML, no framework; head and first bytes leave in one write."""

from functools import partial

from storage_service.app.core.downloads import Precheck
from storage_service.app.core.errors import InvalidRequest
from storage_service.app.core.gate import same_as
from storage_service.app.core.objects import Span, Version
from storage_service.app.edge.conditions import Conditions, check, if_range_holds, parse_conditions
from storage_service.app.edge.deliver import deliver
from storage_service.app.edge.ranges import content_range, parse_range
from storage_service.app.edge.respond import Header
from storage_service.app.s3.context import Call
from storage_service.app.s3.head import render_head, wants_checksum
from storage_service.app.s3.naming import asked_version
from storage_service.app.s3.operation import asks
from storage_service.app.s3.parts import Piece, part_checksum_headers, part_number, part_span

WHOLE = Piece()
SSE = b"x-amz-server-side-encryption"
SSE_HEADERS = frozenset({SSE, SSE + b"-aws-kms-key-id", SSE + b"-customer-algorithm", SSE + b"-customer-key"})


async def get_object(call: Call) -> None:
    """Raises: NoSuchKey, NoSuchVersion, PreconditionFailed, NotModified, InvalidRange, InvalidPart, DamagedObject."""
    download = await call.store.get_object(call.bucket, call.key, asked_version(call), _precheck(call))
    try:
        piece = piece_of(call, download.version)
        headers = _headers(call, download.version, piece)
    except BaseException:
        download.close()
        raise
    span = piece.span or Span(0, download.version.size)
    await deliver(call.request, 206 if piece.span else 200, headers, download, span)


async def head_object(call: Call) -> None:
    """The answer of GET without its bytes."""
    precheck = _precheck(call)
    version = await call.store.head_object(call.bucket, call.key, asked_version(call))
    if precheck is not None:
        precheck(version)
    piece = piece_of(call, version)
    span = piece.span or Span(0, version.size)
    headers = [*_headers(call, version, piece), (b"content-length", b"%d" % (span.end - span.start))]
    status = 206 if piece.span else 200
    await call.request.send({"type": "http.response.start", "status": status, "headers": headers})
    await call.request.send({"type": "http.response.body", "body": b""})


def _precheck(call: Call) -> Precheck | None:
    """Raises: InvalidRequest for a key to decrypt with: nothing here is encrypted by such."""
    if not SSE_HEADERS.isdisjoint(call.request.headers):
        raise InvalidRequest("The encryption parameters are not applicable to this object.", key=call.key)
    conditions = parse_conditions(call.request)
    if conditions is None and call.decided is None:
        return None
    return partial(_check, call, conditions)


def _check(call: Call, conditions: Conditions | None, version: Version) -> None:
    same_as(call.decided, version)
    if conditions is not None:
        check(conditions, version.etag, version.at_ms, call.request.method)


def _headers(call: Call, version: Version, piece: Piece) -> list[Header]:
    headers = render_head(call, version, call.bucket, whole=piece.span is None)
    if piece.number is not None:
        headers.append((b"x-amz-mp-parts-count", b"%d" % (piece.parts or 1)))
        if wants_checksum(call.request):
            headers += part_checksum_headers(version, piece.number)
    if piece.span is not None:
        headers.append((b"content-range", content_range(piece.span, version.size)))
    return headers


def piece_of(call: Call, version: Version) -> Piece:
    """The part or range that was asked for. Raises: InvalidRange, InvalidPart, InvalidRequest, InvalidArgument."""
    request = call.request
    header = request.header(b"range")
    if asks(request) and "partNumber" in call.query:
        if header is not None:
            raise InvalidRequest("Cannot specify both Range header and partNumber query parameter")
        return part_span(version, part_number(call.query["partNumber"]))
    if header is None or not if_range_holds(request.header(b"if-range"), version.etag, version.at_ms):
        return WHOLE
    return Piece(parse_range(header, version.size))
