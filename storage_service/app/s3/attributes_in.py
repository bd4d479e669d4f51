"""What the headers of a write say of the object besides its bytes. Source: AWS "PutObject", request headers."""

from storage_service.app.core.errors import InvalidArgument, InvalidStorageClass, NotImplemented
from storage_service.app.core.objects import Attributes
from storage_service.app.edge.request import Request
from storage_service.app.s3.context import Call
from storage_service.app.s3.head import DEFAULT_TYPE, VISIBLE
from storage_service.app.s3.metadata import parse_metadata
from storage_service.app.s3.tags import parse_header

KEPT = (
    (b"cache-control", "cache_control"),
    (b"content-disposition", "content_disposition"),
    (b"content-language", "content_language"),
    (b"expires", "expires"),
)
MOST_HEADER_CHARS = 2048
STORAGE_CLASSES = frozenset({"STANDARD", ""})
SSE_PREFIX = b"x-amz-server-side-encryption"
AWS_CHUNKED = "aws-chunked"


def attributes_of(call: Call) -> Attributes:
    """Of a new object, without its ACL and its lock.

    Raises: NotImplemented for encryption, InvalidStorageClass, MetadataTooLarge, InvalidTag, InvalidArgument.
    """
    request = call.request
    headers = request.headers
    refuse_unsupported(request)
    attributes = Attributes(_text(request, b"content-type") or DEFAULT_TYPE, owner=call.principal.subject)
    changes: dict[str, object] = {}
    for name, field in KEPT:
        if name in headers:
            changes[field] = _text(request, name)
    if b"content-encoding" in headers:
        changes["content_encoding"] = content_encoding(request)
    if any(name.startswith(b"x-amz-") for name in headers):
        changes |= _special(request)
    return attributes._replace(**changes) if changes else attributes  # type: ignore[arg-type]


def _special(request: Request) -> dict[str, object]:
    changes: dict[str, object] = {}
    if metadata := parse_metadata(request.scope["headers"]):
        changes["metadata"] = metadata
    tagging = request.header(b"x-amz-tagging")
    if tagging:
        changes["tags"] = parse_header(tagging)
    redirect = request.header(b"x-amz-website-redirect-location")
    if redirect:
        changes["website_redirect"] = check_redirect(redirect)
    return changes


def refuse_unsupported(request: Request) -> None:
    """Raises: NotImplemented, InvalidStorageClass."""
    sse = [name for name in request.headers if name.startswith(SSE_PREFIX)]
    if SSE_PREFIX in sse and any(name.startswith(SSE_PREFIX + b"-customer") for name in sse):
        raise InvalidArgument("Server Side Encryption with Customer provided key is incompatible with another one")
    if sse:
        raise NotImplemented(f"Encryption of single objects is not implemented: leave out {sse[0].decode()}")
    if b"x-amz-write-offset-bytes" in request.headers:
        raise NotImplemented("Append is not implemented: objects never change; write a new version or use multipart")
    storage_class = request.header(b"x-amz-storage-class")
    if storage_class is not None and storage_class not in STORAGE_CLASSES:
        raise InvalidStorageClass("The only storage class of this service is STANDARD")


def check_redirect(location: str) -> str:
    """Raises: InvalidArgument."""
    is_line = VISIBLE.fullmatch(location) is not None  # it comes back as a header
    if not is_line or not location.startswith(("/", "http://", "https://")) or len(location) > MOST_HEADER_CHARS:
        raise InvalidArgument("The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
    return location


def content_encoding(request: Request) -> str | None:
    """Without `aws-chunked`, which is the framing's and not the object's."""
    value = _text(request, b"content-encoding") or ""
    kept = [part.strip() for part in value.split(",") if part.strip() and part.strip().lower() != AWS_CHUNKED]
    return ", ".join(kept) or None


def _text(request: Request, name: bytes) -> str | None:
    """Raises: InvalidArgument for what could not stand in an answer's header."""
    value = request.header(name)
    if not value:
        return None
    if len(value) > MOST_HEADER_CHARS or not VISIBLE.fullmatch(value):
        raise InvalidArgument(f"The header {name.decode()} is too long or has control characters")
    return value
