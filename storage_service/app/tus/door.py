"""The resumable door as one plain ASGI app: its verbs, its headers on every answer, errors in the JSON form."""

import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from urllib.parse import urlsplit

from storage_service.app.core.appending import AppendOptions
from storage_service.app.core.checksums import Algorithm
from storage_service.app.core.errors import (
    AccessDenied,
    BadDigest,
    IncompleteBody,
    KeyAlreadyExists,
    MethodNotAllowed,
    OffsetMismatch,
    RouteNotFound,
    StorageError,
    UnsupportedType,
)
from storage_service.app.core.objects import Bucket, Upload
from storage_service.app.core.pieces import PartDigests
from storage_service.app.core.resumable import Progress
from storage_service.app.edge.body import Body, body_of
from storage_service.app.edge.cors import is_preflight
from storage_service.app.edge.exchange import INTERNAL, Exchange, with_missing
from storage_service.app.edge.names import http_date
from storage_service.app.edge.request import Receive, Request, Scope, Send
from storage_service.app.edge.respond import JSON, NO_STORE, NOSNIFF, Header, send_bytes, send_empty, send_problem
from storage_service.app.edge.status import status_of
from storage_service.app.tus.caller import note_of, open_upload
from storage_service.app.tus.context import Context
from storage_service.app.tus.creating import begin, check_grant, in_words
from storage_service.app.tus.patience import patient
from storage_service.app.tus.protocol import (
    ALGORITHMS,
    EXTENSIONS,
    OFFSET_TYPE,
    VERSION,
    Checksum,
    parse_checksum,
    parse_number,
    parse_target,
)

log = logging.getLogger(__name__)

DOOR = "tus"
CHECKSUM_MISMATCH, VERSION_MISMATCH = 460, 412
RESUMABLE: Header = (b"tus-resumable", VERSION.encode())
KNOWN: dict[str, Algorithm] = {"sha1": "SHA1", "sha256": "SHA256", "crc32": "CRC32"}  # and md5, which is always there
Verb = Callable[[Request, str], Awaitable[None]]
ON_COLLECTION, ON_UPLOAD = ("POST", "OPTIONS"), ("HEAD", "PATCH", "DELETE", "OPTIONS")


class TusDoor:
    """Serves one request, renders what it raises, counts what was answered."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._verbs: dict[str, Verb] = {
            "POST": self._post,
            "HEAD": self._head,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = TusExchange(scope, receive, send, self._context)
        await exchange.carry_out(self._serve, self._fail, self._context.metrics)

    async def _serve(self, exchange: "TusExchange") -> None:
        request, context = exchange.request, self._context
        if request.method == "OPTIONS":
            await (context.cors.preflight(request) if is_preflight(request) else self._options(request))
            return
        method = (request.header(b"x-http-method-override") or request.method).upper()
        if request.header(b"tus-resumable") != VERSION:
            await send_empty(request.send, VERSION_MISMATCH, ((b"tus-version", VERSION.encode()),))
            return
        upload_id = parse_target(request.path)
        if upload_id is None:
            raise RouteNotFound("Not Found")
        allowed = ON_UPLOAD if upload_id else ON_COLLECTION
        if method not in allowed or method == "OPTIONS":
            exchange.extra = ((b"allow", ", ".join(allowed).encode()),)
            raise MethodNotAllowed(f"{method} is not allowed here")
        exchange.counted = (DOOR, method.lower())
        await self._verbs[method](request, upload_id)

    async def _options(self, request: Request) -> None:
        headers = (
            (b"tus-version", VERSION.encode()),
            (b"tus-extension", EXTENSIONS.encode()),
            (b"tus-checksum-algorithm", ",".join(ALGORITHMS).encode()),
            (b"tus-max-size", b"%d" % self._context.max_bytes),
        )
        await send_empty(request.send, 204, headers)

    # Verbs ------------------------------------------------------------------------------------------------------

    async def _post(self, request: Request, _: str) -> None:
        """Begin an upload, with the first of its bytes where the request has some."""
        beginning = await begin(self._context, request)
        bucket, upload, grant = beginning.bucket, beginning.upload, beginning.grant
        check_grant(grant, request)
        with_bytes = _type_of(request) == OFFSET_TYPE and request.content_length != 0
        checksum = _checksum(request) if with_bytes else None  # refused before anything has begun
        try:
            if beginning.pieces is not None:
                progress = await self._concatenate(bucket, upload, beginning.pieces)
            else:
                once = (None, 0) if grant is None else (grant.once, grant.expires_at * 1000)
                progress = await self._context.resumables.create(bucket, upload, *once)
            if with_bytes:
                progress = await self._receive(request, bucket, upload, 0, checksum)
        except KeyAlreadyExists as error:
            raise in_words(error, bucket, upload.key) from None
        location = (b"location", location_of(self._context.public_urls, request, upload.id).encode())
        await send_empty(request.send, 201, (location, *_progress_headers(progress)))

    async def _concatenate(self, bucket: Bucket, upload: Upload, pieces: tuple[str, ...]) -> Progress:
        found = [await self._context.resumables.find(name) for name in pieces]
        return await self._context.resumables.concatenate(bucket, upload, found)

    async def _head(self, request: Request, upload_id: str) -> None:
        bucket, _ = await open_upload(self._context, request, upload_id)
        progress = await self._context.resumables.look(bucket, upload_id)
        upload = progress.upload
        note = note_of(upload)
        length = (b"upload-defer-length", b"1") if upload.length is None else (b"upload-length", b"%d" % upload.length)
        headers = [NO_STORE, length, *_progress_headers(progress)]
        for name in ("metadata", "concat"):
            if note.get(name):
                headers.append((f"upload-{name}".encode(), note[name].encode("latin-1", "replace")))
        await send_empty(request.send, 200, headers)

    async def _patch(self, request: Request, upload_id: str) -> None:
        if _type_of(request) != OFFSET_TYPE:
            raise UnsupportedType(f"The Content-Type of a PATCH is {OFFSET_TYPE}")
        offset = parse_number(request.header(b"upload-offset") or "", "Upload-Offset")
        checksum = _checksum(request)
        bucket, upload = await open_upload(self._context, request, upload_id)
        if note_of(upload).get("concat", "").startswith("final"):
            raise AccessDenied("A final upload takes no bytes of its own")
        try:
            progress = await self._receive(request, bucket, upload, offset, checksum)
        except KeyAlreadyExists as error:
            raise in_words(error, bucket, upload.key) from None
        await send_empty(request.send, 204, _progress_headers(progress))

    async def _receive(
        self, request: Request, bucket: Bucket, upload: Upload, offset: int, checksum: Checksum | None
    ) -> Progress:
        text = request.header(b"upload-length")
        length = None if text is None else parse_number(text, "Upload-Length")
        body = body_of(request, keep_broken=True)
        verify = None if checksum is None else partial(_compare, body, checksum)
        algorithms = (KNOWN[checksum.algorithm],) if checksum and checksum.algorithm in KNOWN else ()
        options = AppendOptions(length, verify, algorithms)
        try:
            return await self._context.resumables.append(bucket, upload.id, offset, body, options)
        finally:
            body.close()

    async def _delete(self, request: Request, upload_id: str) -> None:
        bucket, _ = await open_upload(self._context, request, upload_id)
        await self._context.resumables.end(bucket, upload_id)
        await send_empty(request.send, 204)

    # Errors -----------------------------------------------------------------------------------------------------

    async def _fail(self, exchange: "TusExchange", error: Exception) -> None:
        request, metrics = exchange.request, self._context.metrics
        error = patient(request, error)
        metrics.error(error.code if isinstance(error, StorageError) else "internal_error")
        if status_of(error) == INTERNAL:
            log.error("request %s failed", request.request_id, exc_info=error)
        if exchange.status:
            return  # the server cuts the connection
        if isinstance(error, OffsetMismatch):
            exchange.extra = ((b"upload-offset", b"%d" % error.offset),)
        if isinstance(error, BadDigest):
            body = b'{"detail":"Checksum Mismatch","code":"bad_digest","status_code":460}'
            await send_bytes(request.send, CHECKSUM_MISMATCH, body, (JSON, NO_STORE))
        else:
            await send_problem(request, error)


class TusExchange(Exchange):
    """Names itself and the protocol's version. `extra`: what an error says besides."""

    __slots__ = ("_context", "extra")

    def __init__(self, scope: Scope, receive: Receive, send: Send, context: Context) -> None:
        super().__init__(scope, receive, send, (DOOR, "other"))
        self._context = context
        self.extra: tuple[Header, ...] = ()

    def complete(self, own: Iterable[Header]) -> list[Header]:
        identity = (b"x-request-id", self.request.request_id.encode())
        return with_missing(own, (RESUMABLE, identity, NOSNIFF, *self.extra, *self._context.cors.headers(self.request)))


def location_of(public_urls: tuple[str, ...], request: Request, upload_id: str) -> str:
    """The upload's address under the name the client used, if that is one of ours; else relative to the request's, so
    that it is right behind whatever stands between."""
    host = (request.header(b"host") or "").lower()
    for url in public_urls:
        if urlsplit(url).netloc.lower() == host:
            return f"{url}/files/resumable/{upload_id}"
    return upload_id if request.path.endswith("/") else f"resumable/{upload_id}"


def _progress_headers(progress: Progress) -> list[Header]:
    upload, version = progress.upload, progress.version
    headers = [(b"upload-offset", b"%d" % upload.size)]
    if version is not None:
        headers.append((b"etag", b'"%s"' % version.etag.encode()))
        headers.append((b"x-version-id", version.version_id.encode()))
        headers.append((b"x-file-id", version.file_id.encode()))
    else:
        headers.append((b"upload-expires", http_date(upload.expires_ms)))
    return headers


def _type_of(request: Request) -> str:
    return (request.header(b"content-type") or "").partition(";")[0].strip().lower()


def _checksum(request: Request) -> Checksum | None:
    """Raises: InvalidArgument."""
    header = request.header(b"upload-checksum")
    return None if header is None else parse_checksum(header)


def _compare(body: Body, checksum: Checksum, digests: PartDigests) -> None:
    """Raises: BadDigest; IncompleteBody where the client left before the end: nothing can be compared then."""
    if body.broken is not None:
        raise IncompleteBody("The client left before the body's end")
    name = KNOWN.get(checksum.algorithm)
    found = bytes.fromhex(digests.md5) if name is None else digests.sums[name]
    if not hmac.compare_digest(found, checksum.digest):
        raise BadDigest("The piece does not match its Upload-Checksum")
