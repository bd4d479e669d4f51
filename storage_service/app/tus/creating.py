"""POST: what an upload is to become, from its headers, its metadata and the link it came with."""

import re
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter, ValidationError

from storage_service.app.core.errors import AccessDenied, InvalidArgument, KeyAlreadyExists, UnsupportedType
from storage_service.app.core.links import LinkGrant
from storage_service.app.core.objects import Attributes, Bucket, Upload, UploadKind, check_key
from storage_service.app.core.pieces import UploadOptions
from storage_service.app.core.security import Principal
from storage_service.app.edge.conditions import write_conditions
from storage_service.app.edge.mime import UNDECLARED, detect, essence
from storage_service.app.edge.request import Request
from storage_service.app.schemas.fields import Metadata
from storage_service.app.tus.caller import allow, link_of, principal_of
from storage_service.app.tus.context import Context
from storage_service.app.tus.protocol import Concat, parse_concat, parse_metadata, parse_number

# Names in Upload-Metadata, the first that is there: ours, storage-js', tus-js-client's and Uppy's.
BUCKETS = ("bucket", "bucketName")
KEYS = ("key", "objectName", "filename", "name")
TYPES = ("contentType", "filetype", "type")
TRUE = frozenset({"true", "1", "yes", "on"})
SECONDS = re.compile(r"[0-9]{1,10}", re.ASCII)

_METADATA: TypeAdapter[dict[str, Any]] = TypeAdapter(Metadata)


class Beginning(NamedTuple):
    """An upload that may begin. `pieces`: what it is put together of, if it is (Upload-Concat: final)."""

    bucket: Bucket
    upload: Upload
    grant: LinkGrant | None
    pieces: tuple[str, ...] | None


async def begin(context: Context, request: Request) -> Beginning:
    """Raises: InvalidArgument, NoSuchBucket, Unauthenticated, AccessDenied, LinkExpired, KeyAlreadyExists …"""
    grant = link_of(context, request)
    principal = await principal_of(context, request, grant)
    text = request.header(b"upload-metadata") or ""
    said, concat = parse_metadata(text), _concat(request)
    bucket = await context.store.bucket(_named(said, BUCKETS, grant.bucket if grant else ""))
    key = _key(said, concat, grant)
    await allow(context, principal, bucket, key or (grant.key if grant else ""))
    note = {"bucket": bucket.uuid, "metadata": text, "concat": request.header(b"upload-concat") or ""}
    options = _options(request, principal, said, (key, grant), orjson.dumps(note).decode())
    kind: UploadKind = "partial" if concat and concat.partial else "resumable"
    upload = context.uploads.draft(bucket, key, options, kind)
    upload = upload._replace(length=_length(request, concat))
    return Beginning(bucket, upload, grant, concat.pieces if concat and not concat.partial else None)


def _concat(request: Request) -> Concat | None:
    header = request.header(b"upload-concat")
    return None if header is None else parse_concat(header)


def _length(request: Request, concat: Concat | None) -> int | None:
    """Raises: InvalidArgument unless exactly one of length and defer-length is said; a final one says neither."""
    length, deferred = request.header(b"upload-length"), request.header(b"upload-defer-length")
    if concat is not None and not concat.partial:
        if length is not None or deferred is not None:
            raise InvalidArgument("A final upload has the length of its pieces; leave out Upload-Length")
        return None
    if (length is None) == (deferred is None) or deferred not in {None, "1"}:
        raise InvalidArgument("Upload-Length or Upload-Defer-Length: 1 is required")
    return None if length is None else parse_number(length, "Upload-Length")


def _named(said: dict[str, str], names: tuple[str, ...], otherwise: str) -> str:
    """Raises: InvalidArgument."""
    for name in names:
        if said.get(name):
            return said[name]
    if not otherwise:
        raise InvalidArgument(f"Upload-Metadata must have one of: {', '.join(names)}")
    return otherwise


def _key(said: dict[str, str], concat: Concat | None, grant: LinkGrant | None) -> str:
    """Empty for a piece. A link's key is the only one it allows: a mere file name beside it says nothing."""
    if concat is not None and concat.partial:
        return ""
    if grant is not None and not any(said.get(name) for name in KEYS[:2]):
        return grant.key
    return check_key(_named(said, KEYS, ""))


def _options(
    request: Request,
    principal: Principal,
    said: dict[str, str],
    place: tuple[str, LinkGrant | None],
    note: str,
) -> UploadOptions:
    key, grant = place
    upsert = request.header(b"x-upsert") or said.get("overwrite") or said.get("upsert") or ""
    overwrite = upsert.strip().lower() in TRUE or b"if-match" in request.headers
    attributes = Attributes(
        _type(said, key, grant),
        cache_control=_cache_control(said.get("cacheControl")),
        metadata=_metadata(said.get("metadata")),
        owner=principal.subject,
    )
    return UploadOptions(
        attributes,
        principal.subject or principal.kind,
        conditions=write_conditions(request, must_be_new=not (overwrite if grant is None else grant.overwrite)),
        max_bytes=None if grant is None else grant.max_bytes,
        file_id=None if grant is None else grant.file_id,
        note=note,
    )


def _type(said: dict[str, str], key: str, grant: LinkGrant | None) -> str:
    """Raises: InvalidArgument, UnsupportedType."""
    declared = next((said[name] for name in TYPES if said.get(name)), "")
    granted = None if grant is None else grant.content_type
    if granted is None:
        return detect(declared, key)
    if essence(declared) not in UNDECLARED and essence(declared) != essence(granted):
        raise UnsupportedType(f"This link is for {granted} only", key=key)
    return detect(granted, key)


def _metadata(text: str | None) -> dict[str, Any]:
    """A JSON object, as storage-js sends it. Raises: InvalidArgument."""
    if not text:
        return {}
    try:
        return _METADATA.validate_python(orjson.loads(text))
    except (ValidationError, ValueError):
        raise InvalidArgument("Upload-Metadata: metadata is not a JSON object, or too large") from None


def _cache_control(text: str | None) -> str | None:
    """A header's value, or, as storage-js has it, seconds. Raises: InvalidArgument."""
    if not text:
        return None
    if SECONDS.fullmatch(text):
        return f"max-age={text}"
    if not text.isascii() or not text.isprintable() or len(text) > 1024:  # noqa: PLR2004
        raise InvalidArgument("Upload-Metadata: cacheControl cannot stand in a header")
    return text


def check_grant(grant: LinkGrant | None, request: Request) -> None:
    """A single-use link begins one upload; what it begins must have a length it allows. Raises: AccessDenied."""
    if grant is not None and grant.once is not None and request.header(b"upload-concat") is not None:
        raise AccessDenied("A single-use link begins one upload: send it in one piece", key=grant.key)


def in_words(error: KeyAlreadyExists, bucket: Bucket, key: str) -> KeyAlreadyExists:
    """The refusal of a key that is taken, with what helps."""
    detail = f"File '{key}' already exists in bucket '{bucket.name}'; send x-upsert: true to overwrite it"
    return KeyAlreadyExists(detail, bucket=bucket.name, key=error.key or key)
