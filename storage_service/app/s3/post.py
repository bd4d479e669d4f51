"""POST of an object by a browser's form: the policy in it says what it may hold; its file is never spooled.

Source: AWS "POST Object", "Browser-Based Uploads Using POST".
"""

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from storage_service.app.core.errors import InvalidArgument, MalformedPostRequest, NoSuchKey, PreconditionFailed
from storage_service.app.core.objects import Attributes, Version
from storage_service.app.core.writing import PutOptions
from storage_service.app.edge.body import Body
from storage_service.app.edge.forms import Field, FileChunk, FileStart, Form, is_form
from storage_service.app.edge.names import quote_key
from storage_service.app.edge.request import Request, Scope
from storage_service.app.edge.respond import Header, send_empty
from storage_service.app.s3.answers import DECLARATION, elements, quoted, send_xml
from storage_service.app.s3.attributes_in import attributes_of
from storage_service.app.s3.auth.body import Body as Framed
from storage_service.app.s3.auth.hoisted import CONTROLS
from storage_service.app.s3.bodies import verifier
from storage_service.app.s3.checksums import Announced, announced
from storage_service.app.s3.configuration.creation import with_protection
from storage_service.app.s3.context import Call
from storage_service.app.s3.naming import etag_header, written_version_headers
from storage_service.app.s3.reading import parse_xml
from storage_service.app.s3.tags import parse_tagging
from storage_service.app.s3.target import check_length

FILE = "file"
MOST_FIELD_BYTES = 64 * 1024
FILENAME = "${filename}"
NO_FILE = "POST requires exactly one file upload per request."
STATUSES = {"200": 200, "201": 201, "204": 204}
NO_CONTENT, CREATED, SEE_OTHER = 204, 201, 303
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a header's name. Source: RFC 9110 §5.6.2
# Fields that stand for a header of the same name; the others speak of the form.
AS_HEADERS = frozenset({
    "cache-control", "content-type", "content-disposition", "content-encoding", "content-language", "expires",
    "content-md5",
})  # fmt: skip
PREFIXES = (
    "x-amz-meta-",
    "x-amz-checksum-",
    "x-amz-object-lock-",
    "x-amz-website-redirect-",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
    "x-amz-grant-",
)


class Upload(NamedTuple):
    """A form up to its file's first byte. `fields` by name in lower case."""

    form: Form
    fields: dict[str, str]
    start: FileStart


async def post_object(call: Call) -> None:
    """Raises: MalformedPostRequest, InvalidArgument, AccessDenied (the policy), EntityTooLarge, EntityTooSmall …"""
    if not is_form(call.request):
        raise PreconditionFailed("Bucket POST must be of the enclosure-type multipart/form-data")
    upload = await open_form(call.request)
    key = upload.fields.get("key", "").replace(FILENAME, upload.start.filename)
    fields = {**upload.fields, "key": key} if key else upload.fields
    call.caller = await call.context.authenticator.authenticate_form(fields, call.bucket.name)
    if not key:
        raise InvalidArgument("Bucket POST must contain a field named 'key'.")
    call.target = call.target._replace(key=check_length(key))
    said = as_headers(upload.fields)
    # A policy may ask for what the form says as well as for what brought it; the object is told of the first alone.
    brought = [header for header in call.request.scope["headers"] if not header[0].startswith(b"x-amz-")]
    call.request = with_headers(call.request, [*said, *brought])
    await call.authorize_object("write_object", call.bucket, key, None, "PutObject")
    call.request = with_headers(call.request, said)
    version = await _store(call, upload)
    await answer(call, upload.fields, version)


async def open_form(request: Request) -> Upload:
    """Raises: MalformedPostRequest, InvalidArgument where there is no file."""
    fields: dict[str, str] = {}
    try:
        form = Form(request)
        async for event in form:
            if isinstance(event, Field):
                fields.setdefault(event.name.lower(), event.value)
            elif isinstance(event, FileStart):
                if event.name.lower() == FILE:
                    return Upload(form, fields, event)
                fields.setdefault(event.name.lower(), await _small(form))
    except InvalidArgument as error:
        raise MalformedPostRequest(error.detail) from None
    raise InvalidArgument(NO_FILE)


async def _small(form: Form) -> str:
    """A field that came as a file: some clients give every part a file name. Raises: MalformedPostRequest."""
    data = bytearray()
    async for event in form:
        if not isinstance(event, FileChunk):
            break
        data += event.data
        if len(data) > MOST_FIELD_BYTES:
            raise MalformedPostRequest(f"A field of the form is longer than {MOST_FIELD_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise MalformedPostRequest("A field of the form is not UTF-8") from None


def as_headers(fields: dict[str, str]) -> list[Header]:
    """The form's fields as the headers they stand for, so that one parser reads both.

    Raises: InvalidArgument for what no header can be: it would come back in an answer as a line of its own;
    MalformedXML and InvalidTag for tags.
    """
    headers = [
        (name.encode("latin-1", "replace"), value.encode())
        for name, value in fields.items()
        if name in AS_HEADERS or name.startswith(PREFIXES)
    ]
    if "acl" in fields:
        headers.append((b"x-amz-acl", fields["acl"].encode()))
    if fields.get("tagging"):
        tags = parse_tagging(parse_xml(fields["tagging"].encode(), "Tagging"))
        headers.append((b"x-amz-tagging", urlencode(tags).encode()))
    for name, value in headers:
        if not TOKEN.fullmatch(name) or CONTROLS.search(value):
            raise InvalidArgument(f"The field {name.decode('latin-1')!r} cannot be a header")
    return headers


def with_headers(request: Request, headers: list[Header]) -> Request:
    """The same request with these in the place of its own."""
    scope: Scope = {**request.scope, "headers": headers}
    return Request(scope, request.receive, request.send)


async def _store(call: Call, upload: Upload) -> Version:
    attributes = with_protection(call, attributes_of(call), call.bucket)
    found = announced(call.request, frozenset())
    framed = Framed(call.caller.payload, _source(upload.form))
    body = Body(framed.next)
    try:
        options = _options(call, attributes, found)
        outcome = await call.store.put_object(call.bucket, call.key, body, options)
    finally:
        body.close()
    if outcome.version is None:
        raise NoSuchKey(key=call.key)
    return outcome.version


def _options(call: Call, attributes: Attributes, found: Announced) -> PutOptions:
    return PutOptions(
        attributes=attributes,
        actor=call.actor,
        sha256=False,
        algorithm=found.algorithm,
        verify=verifier(found),
    )


def _source(form: Form) -> Callable[[], Awaitable[bytes]]:
    """The file's bytes. It ends only when the whole form did: one that is cut short must not be stored."""

    async def following() -> bytes:
        event = await anext(form)
        if isinstance(event, FileChunk):
            return event.data
        async for late in form:
            if isinstance(late, FileStart) and late.name.lower() == FILE:
                raise InvalidArgument(NO_FILE)
        return b""

    return following


async def answer(call: Call, fields: dict[str, str], version: Version) -> None:
    """As the form asks: a redirect, a document, or nothing."""
    location = f"/{call.bucket.name}/{quote_key(call.key)}".encode()
    common: list[Header] = [etag_header(version), *written_version_headers(version, call.bucket)]
    redirect = redirect_of(fields)
    if redirect is not None:
        target = with_result(redirect, call, version)
        await send_empty(call.request.send, SEE_OTHER, [*common, (b"location", target.encode("latin-1", "replace"))])
        return
    status = STATUSES.get(fields.get("success_action_status", ""), NO_CONTENT)
    headers = [*common, (b"location", location)]
    if status != CREATED:
        await send_empty(call.request.send, status, headers)
        return
    rows = (
        ("Location", location.decode()),
        ("Bucket", call.bucket.name),
        ("Key", call.key),
        ("ETag", quoted(version.etag)),
    )
    await send_xml(call.request, DECLARATION + elements("PostResponse", rows), headers, CREATED)


def redirect_of(fields: dict[str, str]) -> str | None:
    """Where the browser is to go; what is no address on the web is ignored."""
    asked = fields.get("success_action_redirect") or fields.get("redirect")
    if not asked or not asked.isascii() or not asked.isprintable():
        return None
    try:
        parts = urlsplit(asked)
    except ValueError:
        return None
    return asked if parts.scheme in {"http", "https"} and parts.hostname else None


def with_result(redirect: str, call: Call, version: Version) -> str:
    """The address with bucket, key and ETag in its query."""
    parts = urlsplit(redirect)
    added = [("bucket", call.bucket.name), ("key", call.key), ("etag", quoted(version.etag))]
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *added])
    return urlunsplit(parts._replace(query=query))
