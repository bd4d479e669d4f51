"""ListObjects, ListObjectsV2 and ListObjectVersions: pages built by joining strings, without a look into sidecars."""

import base64
import binascii
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import NamedTuple
from urllib.parse import quote

import orjson

from storage_service.app.core.errors import InvalidArgument
from storage_service.app.core.objects import Bucket, Listing, ListQuery, Version, VersionListing, VersionQuery
from storage_service.app.s3.answers import document, element, escape, send_xml, timestamp
from storage_service.app.s3.buckets import owner_element
from storage_service.app.s3.checksums import checksums_of, type_of
from storage_service.app.s3.context import Call
from storage_service.app.s3.naming import object_owner, version_name

MOST_KEYS = 1000  # a page. Source: AWS "ListObjectsV2"
MOST_DIGITS = 10
TOKEN_VERSION = b"1"
STORAGE_CLASS = "<StorageClass>STANDARD</StorageClass>"

Name = Callable[[str], str]  # a key as this list writes it
Owner = Callable[[Version], str]  # the element of an object's owner


class Page(NamedTuple):
    """What every list is asked. `limit` is the asked one, `most` what a page may hold."""

    prefix: str
    delimiter: str
    encoding: str
    limit: int
    name: Name

    @property
    def most(self) -> int:
        return min(self.limit, MOST_KEYS)


async def list_objects(call: Call) -> None:
    """Version 1. `NextMarker` stands with every page that is cut, with a delimiter or not."""
    page, marker = page_of(call), call.query.get("marker", "")
    listing = await _list(call, page, marker)
    truncated = listing.cursor is not None
    head = [
        element("Name", call.bucket.name),
        element("Prefix", page.name(page.prefix)),
        element("Marker", page.name(marker)),
        element("MaxKeys", page.limit),
        element("IsTruncated", truncated),
    ]
    if truncated:
        head.append(element("NextMarker", page.name(last_of(listing))))
    await _send_list(call, page, head, listing, owner=True)


async def list_objects_v2(call: Call) -> None:
    """Version 2: continuation tokens are opaque, and win over `start-after`. Raises: InvalidArgument."""
    query = call.query
    if query["list-type"] != "2":
        raise InvalidArgument("list-type is 2, or is left out")
    page, token, start = page_of(call), query.get("continuation-token"), query.get("start-after", "")
    listing = await _list(call, page, read_token(token) if token else start)
    truncated = listing.cursor is not None
    head = [
        element("Name", call.bucket.name),
        element("Prefix", page.name(page.prefix)),
        element("MaxKeys", page.limit),
        element("KeyCount", len(listing.versions) + len(listing.prefixes)),
        element("IsTruncated", truncated),
    ]
    if token is not None:
        head.append(element("ContinuationToken", token))
    if truncated:
        head.append(element("NextContinuationToken", make_token(last_of(listing))))
    if start:
        head.append(element("StartAfter", page.name(start)))
    await _send_list(call, page, head, listing, owner=query.get("fetch-owner", "").lower() == "true")


async def _list(call: Call, page: Page, after: str) -> Listing:
    query = ListQuery(page.prefix, page.delimiter, after, page.most)
    return await call.store.list_objects(call.bucket, query)


async def _send_list(call: Call, page: Page, head: list[str], listing: Listing, *, owner: bool) -> None:
    shown = owners_of(call.bucket) if owner else nobody
    detail = metadata_of if call.query.get("metadata") == "true" else None
    rows = contents(listing.versions, page.name, shown, detail)
    inner = "".join((*head, *rows, tail_of(page, listing.prefixes)))
    await send_xml(call.request, document("ListBucketResult", inner))


def contents(
    versions: tuple[Version, ...], name: Name, owner: Owner, detail: Callable[[Version], str] | None
) -> list[str]:
    """A `Contents` element each."""
    return [
        f"<Contents><Key>{name(version.key)}</Key><LastModified>{timestamp(version.at_ms)}</LastModified>"
        f"<ETag>&quot;{escape(version.etag)}&quot;</ETag><Size>{version.size}</Size>{owner(version)}{STORAGE_CLASS}"
        f"{'' if detail is None else detail(version)}</Contents>"
        for version in versions
    ]


def owners_of(bucket: Bucket) -> Owner:
    """The `Owner` element of each object of this bucket, rendered once for each owner."""
    rendered = lru_cache(maxsize=None)(partial(owner_element, "Owner"))
    return lambda version: rendered(object_owner(bucket, version))


def nobody(_: Version) -> str:
    return ""


def tail_of(page: Page, prefixes: tuple[str, ...]) -> str:
    tail = "".join(f"<CommonPrefixes><Prefix>{page.name(prefix)}</Prefix></CommonPrefixes>" for prefix in prefixes)
    if page.delimiter:
        tail += element("Delimiter", page.name(page.delimiter))
    return tail + (element("EncodingType", page.encoding) if page.encoding else "")


def metadata_of(version: Version) -> str:
    """MinIO's extension: users' metadata and tags beside the object. Source: minio-go, `ListObjectsOptions`."""
    doc = orjson.loads(version.doc)
    found: Mapping[str, object] = doc.get("metadata", {})
    names = {f"X-Amz-Meta-{name.title()}": value for name, value in found.items() if _is_name(name)}
    inner = "".join(element(name, value) for name, value in {"content-type": doc["content_type"], **names}.items())
    tags = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in doc.get("tags", {}).items())
    known = checksums_of(doc)
    sums = "".join(element("ChecksumAlgorithm", algorithm) for algorithm in known)
    kinds = "".join(element("ChecksumType", type_of(value)) for value in known.values())
    return f"<UserMetadata>{inner}</UserMetadata>{element('UserTags', tags) if tags else ''}{sums}{kinds}"


def _is_name(name: str) -> bool:
    """Whether an element can be called so."""
    return bool(name) and name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()


async def list_versions(call: Call) -> None:
    """Versions and delete markers, the newest of each key first. Raises: InvalidArgument."""
    page, marker = page_of(call), call.query.get("key-marker", "")
    version_marker = call.query.get("version-id-marker", "")
    if version_marker and not marker:
        raise InvalidArgument("A version-id marker cannot be specified without a key marker.")
    asked = VersionQuery(page.prefix, page.delimiter, marker, version_marker, page.most)
    listing = await call.store.list_object_versions(call.bucket, asked)
    head = [
        element("Name", call.bucket.name),
        element("Prefix", page.name(page.prefix)),
        element("KeyMarker", page.name(marker)),
        element("VersionIdMarker", version_marker),
        element("MaxKeys", page.limit),
        element("IsTruncated", listing.truncated),
    ]
    if listing.truncated:
        head += next_markers(page, listing)
    owner = owners_of(call.bucket)
    rows = [version_entry(version, latest, page.name, owner(version)) for version, latest in listing.versions]
    inner = "".join((*head, *rows, tail_of(page, listing.prefixes)))
    await send_xml(call.request, document("ListVersionsResult", inner))


def next_markers(page: Page, listing: VersionListing) -> list[str]:
    last = listing.versions[-1][0] if listing.versions else None
    prefix = listing.prefixes[-1] if listing.prefixes else ""
    if last is None or prefix > last.key:
        return [element("NextKeyMarker", page.name(prefix))]
    return [element("NextKeyMarker", page.name(last.key)), element("NextVersionIdMarker", version_name(last))]


def version_entry(version: Version, latest: bool, name: Name, owner: str) -> str:
    common = (
        f"<Key>{name(version.key)}</Key><VersionId>{version_name(version)}</VersionId>"
        f"<IsLatest>{'true' if latest else 'false'}</IsLatest>"
        f"<LastModified>{timestamp(version.at_ms)}</LastModified>{owner}"
    )
    if version.is_marker:
        return f"<DeleteMarker>{common}</DeleteMarker>"
    return (
        f"<Version>{common}<ETag>&quot;{escape(version.etag)}&quot;</ETag><Size>{version.size}</Size>"
        f"{STORAGE_CLASS}</Version>"
    )


def page_of(call: Call, limit: str = "max-keys") -> Page:
    """Raises: InvalidArgument."""
    query = call.query
    encoding = query.get("encoding-type", "")
    if encoding not in {"", "url"}:
        raise InvalidArgument("Invalid Encoding Method specified in Request")
    asked = read_limit(query.get(limit), limit)
    return Page(query.get("prefix", ""), query.get("delimiter", ""), encoding, asked, url_name if encoding else escape)


def url_name(key: str) -> str:
    return quote(key, safe="/")


def read_limit(text: str | None, name: str) -> int:
    """Of `max-keys` and its like: 1,000 where it is not said; larger ones are repeated, and cut when counted.

    Raises: InvalidArgument.
    """
    if not text:
        return MOST_KEYS
    if not text.isascii() or not text.isdigit() or len(text) > MOST_DIGITS:
        raise InvalidArgument(f"Provided {name} not an integer or within integer range")
    return int(text)


def last_of(listing: Listing) -> str:
    """Where the next page begins: behind the last key, or the last common prefix."""
    last = listing.versions[-1].key if listing.versions else ""
    return max(last, listing.prefixes[-1]) if listing.prefixes else last


def make_token(after: str) -> str:
    return base64.urlsafe_b64encode(TOKEN_VERSION + after.encode("utf-8", "replace")).decode()


def read_token(token: str) -> str:
    """Raises: InvalidArgument."""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        if not raw.startswith(TOKEN_VERSION):
            raise ValueError
        return raw[1:].decode()
    except (binascii.Error, ValueError):
        raise InvalidArgument("The continuation token provided is incorrect") from None
