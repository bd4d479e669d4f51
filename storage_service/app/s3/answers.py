"""Answers of this door: XML put together as text, and errors as S3 words them.

Lists have thousands of elements: joining strings takes a tenth of the time of building a tree.
"""

import re
from collections.abc import Iterable

from storage_service.app.core import errors
from storage_service.app.core.errors import StorageError
from storage_service.app.edge.names import iso
from storage_service.app.edge.request import Request
from storage_service.app.edge.respond import NOSNIFF, Header, send_empty
from storage_service.app.edge.status import problem_headers, status_of

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XML_TYPE: Header = (b"content-type", b"application/xml")
HOST_ID = "storage-service"
INTERNAL = 500

# What may not stand in text as it is; of the control characters XML 1.0 knows only these three.
SPECIAL = re.compile('[&<>"\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]')
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
ESCAPES["\x7f"] = "&#127;"

# Codes that are not their class's name.
CODES: dict[type[StorageError], str] = {
    StorageError: "InternalError",
    errors.InvalidKey: "InvalidArgument",
    errors.KeyTooLong: "KeyTooLongError",
    errors.IllegalLocationConstraint: "IllegalLocationConstraintException",
    errors.ValidationFailed: "InvalidArgument",
    errors.Unauthenticated: "AccessDenied",
    errors.LinkExpired: "AccessDenied",
    errors.LinkUsed: "AccessDenied",
    errors.ObjectLocked: "AccessDenied",
    errors.RouteNotFound: "NoSuchKey",
    errors.KeyAlreadyExists: "PreconditionFailed",
    errors.NothingToMatch: "NoSuchKey",
    errors.UnsupportedType: "InvalidArgument",
    errors.InsufficientStorage: "XMinioStorageFull",
    errors.MalformedPostRequest: "MalformedPOSTRequest",
    errors.DamagedObject: "InternalError",
    errors.BackendUnavailable: "ServiceUnavailable",
    errors.OutcomeUnknown: "ServiceUnavailable",
}
# Statuses where S3 has another than our own doors.
STATUSES: dict[type[StorageError], int] = {
    errors.InvalidBucketName: 400,
    errors.ValidationFailed: 400,
    errors.EntityTooLarge: 400,
    errors.Unauthenticated: 403,
    errors.KeyAlreadyExists: 412,
    errors.NothingToMatch: 404,
    errors.UnsupportedType: 400,
}


def escape(text: str) -> str:
    """The text as XML has it. Characters that XML 1.0 cannot hold become U+FFFD: clients that have such keys ask
    for `encoding-type=url`, and a document that does not parse would hide all its neighbours."""
    if SPECIAL.search(text) is None:
        return text
    return SPECIAL.sub(lambda found: ESCAPES.get(found[0], "\ufffd"), text)


def element(name: str, value: object) -> str:
    """`<name>value</name>`; booleans as `true` and `false`."""
    text = str(value).lower() if isinstance(value, bool) else escape(str(value))
    return f"<{name}>{text}</{name}>"


def elements(name: str, fields: Iterable[tuple[str, object]]) -> str:
    """An element of plain elements; those that are None are left out."""
    inner = "".join(element(field, value) for field, value in fields if value is not None)
    return f"<{name}>{inner}</{name}>"


def document(name: str, inner: str) -> str:
    """A whole document in S3's namespace."""
    return f'{DECLARATION}<{name} xmlns="{NAMESPACE}">{inner}</{name}>'


def quoted(etag: str) -> str:
    return f'"{etag}"'


def timestamp(at_ms: int) -> str:
    """`2026-11-21T03:25:00.000Z`: whole seconds, so that lists and Last-Modified headers agree."""
    return iso(at_ms - at_ms % 1000)


async def send_xml(request: Request, text: str, headers: Iterable[Header] = (), status: int = 200) -> None:
    """The document with its length; to a HEAD without it."""
    body = text.encode("utf-8", "replace")
    length = (b"content-length", b"%d" % len(body))
    await request.send({"type": "http.response.start", "status": status, "headers": [XML_TYPE, length, *headers]})
    await request.send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})


def code_of(error: BaseException) -> str:
    """S3's code for the error."""
    for kind in type(error).__mro__:
        if kind in CODES:
            return CODES[kind]
        if kind.__module__ == errors.__name__:
            return kind.__name__
    return "InternalError"


def s3_status_of(error: BaseException) -> int:
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind]
    return status_of(error)


def error_document(error: BaseException, request_id: str, resource: str) -> str:
    """Well-formed whatever the error quotes. Source: AWS "Error responses"."""
    message = error.detail if isinstance(error, StorageError) else "We encountered an internal error. Please try again."
    fields: list[tuple[str, object]] = [("Code", code_of(error)), ("Message", message)]
    if isinstance(error, StorageError):
        fields += [("Key", error.key or None), ("BucketName", error.bucket or None)]
    fields += [("Resource", resource), ("RequestId", request_id), ("HostId", HOST_ID)]
    return DECLARATION + elements("Error", fields)


async def send_error(request: Request, error: BaseException, headers: Iterable[Header] = ()) -> None:
    """The error as S3 answers it; 304 without a body."""
    status = s3_status_of(error)
    own = [header for header in problem_headers(error) if header[0] != b"www-authenticate"]
    if status == 304:  # noqa: PLR2004
        await send_empty(request.send, status, (*own, *headers))
        return
    resource = request.raw_path.decode("latin-1")
    text = error_document(error, request.request_id, resource)
    await send_xml(request, text, (*own, NOSNIFF, *headers), status)
