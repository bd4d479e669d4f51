"""The words of the store: buckets, versions, and what is asked of them. Frozen values, parsed once at the border."""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar
from uuid import UUID

from storage_service.app.core.errors import InvalidBucketName, InvalidKey

Versioning = Literal["off", "on", "suspended"]
Derived = TypeVar("Derived")

MAX_KEY_BYTES = 1024  # S3's limit. Source: AWS "Creating object key names".
MIN_PART_BYTES = 5 << 20  # of every part of an upload but the last
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)

# Bits of a version's `flags`.
NULL_VERSION = 1  # written while versioning was off or suspended
DELETE_MARKER = 2  # a sidecar without a blob
NULL_ID = "null"  # names the version of a key that bears NULL_VERSION, wherever a version id may stand

TAKEN_MS = 0  # `due_ms` of a dead version whose files are being removed: nobody may copy it any more


_entropy: list[str] = []  # 20 hex digits each, drawn many at a time: a system call gives up the GIL


def random_hex() -> str:
    """80 random bits as 20 hex digits. Safe from any thread."""
    while True:
        try:
            return _entropy.pop()
        except IndexError:
            drawn = os.urandom(2560).hex()
            _entropy.extend(drawn[start : start + 20] for start in range(0, len(drawn), 20))


def new_id() -> str:
    """A UUIDv7 in canonical form: grows with time, so that random indexes stay local and uploads of one key are listed
    as they were begun. Its clock counts 1/4096 ms. Source: RFC 9562 §5.7 and §6.2, method 3."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    clock, chance = f"{milliseconds:012x}{rest * 4096 // 1_000_000:03x}", random_hex()
    variant = "89ab"[int(chance[3], 16) & 3]
    return f"{clock[:8]}-{clock[8:12]}-7{clock[12:]}-{variant}{chance[4:7]}-{chance[7:19]}"


def now_ms() -> int:
    """Wall clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def check_bucket_name(name: str) -> str:
    """The name itself, if a bucket may bear it (contract §4.1; a UUID would read as an id)."""
    if not BUCKET_NAME.fullmatch(name):
        raise InvalidBucketName(
            "Bucket name must be 3 to 63 characters of a-z, 0-9, '.' and '-',"
            " beginning and ending with a letter or digit",
            bucket=name,
        )
    if is_uuid(name):
        raise InvalidBucketName("Bucket name must not have the form of a UUID", bucket=name)
    return name


def check_key(key: str) -> str:
    """The key itself: any UTF-8 of 1 to 1,024 bytes without NUL."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidKey("Key is not valid UTF-8") from None
    if not 1 <= size <= MAX_KEY_BYTES:
        raise InvalidKey(f"Key must be 1 to {MAX_KEY_BYTES} bytes of UTF-8, got {size}")
    if "\0" in key:
        raise InvalidKey("Key must not contain NUL")
    return key


@dataclass(frozen=True, slots=True)
class BucketOptions:
    """What an owner may set. Sizes in bytes; None = no limit. Absent fields of a PUT keep their value."""

    public: bool = False
    public_list: bool = True  # anonymous listing of a public bucket (contract §4: generation A lists)
    versioning: Versioning = "off"
    description: str | None = None
    quota_bytes: int | None = None
    quota_objects: int | None = None
    max_object_bytes: int | None = None
    allowed_types: tuple[str, ...] = ()  # `image/png`, `image/*`; empty = all
    # What S3 calls sub-resources, as JSON by name: policy, cors, tags, acl, object_lock … An absent one is not set.
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket as its row says. `id` is the catalog's number, `uuid` the stable id of the wire."""

    id: int
    uuid: str
    name: str
    owner: str
    generation: int
    created_ms: int
    updated_ms: int
    options: BucketOptions = BucketOptions()
    _derived: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def derived(self, make: "Callable[[Bucket], Derived]") -> Derived:
        """What `make` makes of this bucket, made once: a bucket is read anew for each of its generations."""
        try:
            found: Derived = self._derived[make]
        except KeyError:
            found = self._derived[make] = make(self)
        return found


class BlobName(NamedTuple):
    """Where a version's bytes lie: names of ours only, never a user's key. `bucket` is the bucket's directory."""

    bucket: str
    version_id: str


class Version(NamedTuple):
    """One version of an object, a row of the catalog. `doc`: the sidecar's JSON text without the row's own columns."""

    bucket: int
    key: str
    version_id: str
    file_id: str
    size: int
    etag: str  # unquoted
    at_ms: int
    mtime_ns: int | None  # of the blob; None for a delete marker
    flags: int
    doc: str
    sequence: int = 0  # the commit that made it live
    meta_sequence: int = 0  # the commit that last changed its metadata
    expires_ms: int | None = None
    gone_ms: int | None = None  # dead since; in the trash until `due_ms`
    gone_sequence: int | None = None  # the commit that ended it
    due_ms: int | None = None  # when garbage may take it

    @property
    def is_marker(self) -> bool:
        return bool(self.flags & DELETE_MARKER)

    @property
    def is_null(self) -> bool:
        return bool(self.flags & NULL_VERSION)


class Pinned(NamedTuple):
    """A version that was found, to be read later: it is read even if it has been replaced or deleted since, as long as
    its bytes are there."""

    key: str
    version_id: str
    size: int
    mtime_ns: int | None
    at_ms: int
    crc32: int | None = None


class Found(NamedTuple):
    """A version together with its journalled body, read in one statement. `body` is None once it is settled."""

    version: Version
    body: bytes | None


class WriteConditions(NamedTuple):
    """What must hold of the current version when the commit is made. `if_match` of `("*",)` = any version."""

    if_match: tuple[str, ...] | None = None
    if_none_match: tuple[str, ...] | None = None
    must_be_new: bool = False  # `overwrite=false`: 409 instead of 412
    file_id: str | None = None  # the key must still hold this file (a route that named it by id)
    version_id: str | None = None  # the current version must still be this one (jobs)
    at_second: int | None = None  # it must have been written in this second since 1970
    size: int | None = None  # it must have so many bytes
    never_here: bool = False  # nor may there be a marker or an older version (what arrives from an origin)


ANY_WRITE = WriteConditions()


NOTHING: Mapping[str, Any] = {}  # shared by all that say nothing; never written to


class Attributes(NamedTuple):
    """What a writer says about an object besides its bytes."""

    content_type: str = "application/octet-stream"
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    metadata: Mapping[str, Any] = NOTHING
    tags: Mapping[str, str] = NOTHING
    expires_ms: int | None = None
    owner: str = ""  # the uploader
    lock: Mapping[str, Any] = NOTHING  # see `core.locking`
    expires: str | None = None  # the Expires header, as it was sent: for caches, and not when the object ends
    website_redirect: str | None = None
    acl: Sequence[Any] = ()  # as `core.grants` renders it; empty = the owner alone


class Digests(NamedTuple):
    """Of the whole body. Base64 for CRC64NVME (S3's form), hex for SHA-256 and MD5."""

    md5: str
    crc64nvme: str
    sha256: str | None = None
    checksums: Mapping[str, str] = NOTHING  # what the writer chose, base64 by S3's name of the algorithm
    crc32: int | None = None  # for archives; None where the body came in parts


class Usage(NamedTuple):
    """Exact counters of one bucket or one owner, in objects and bytes."""

    objects: int = 0
    bytes: int = 0
    noncurrent: int = 0
    noncurrent_bytes: int = 0
    upload_bytes: int = 0
    trash: int = 0
    trash_bytes: int = 0

    def plus(self, other: "Usage") -> "Usage":
        a, b, c, d, e, f, g = self
        i, j, k, l, m, n, o = other  # noqa: E741 - a commit adds thousands a second; a loop takes five times as long
        return Usage(a + i, b + j, c + k, d + l, e + m, f + n, g + o)


class Span(NamedTuple):
    """Half-open range of bytes: `start` ≤ i < `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ListQuery:
    """One page of a listing in the byte order of keys. `after` is exclusive: the cursor of the page before."""

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class VersionQuery:
    """One page of all versions, by key and from the newest to the oldest. `after` and `after_version` (a version of
    that key, or `null`) are exclusive: the cursor of the page before."""

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    after_version: str = ""
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class VersionListing:
    """A page: versions and markers, each with whether it is its key's newest; `truncated` = there is more."""

    versions: tuple[tuple[Version, bool], ...]
    prefixes: tuple[str, ...] = ()
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class PageQuery:
    """A sorted, searched page by offset. `search` is a part of the key, case ignored.

    With `delimiter` only keys without one behind the prefix, and not the prefix itself: the files of one folder.
    """

    prefix: str = ""
    search: str = ""
    sort: Literal["name", "size", "created_at", "updated_at", "type"] = "name"
    descending: bool = False
    offset: int = 0
    limit: int = 100
    delimiter: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page: versions and common prefixes; `cursor` is None at the end."""

    versions: tuple[Version, ...]
    prefixes: tuple[str, ...] = ()
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """One entry of the change feed. `op` is `put`, `delete`, `meta`, `bucket-put` or `bucket-delete`."""

    sequence: int
    at_ms: int
    bucket: int
    bucket_name: str
    key: str | None
    version_id: str | None
    op: str
    actor: str


UploadKind = Literal["multipart", "resumable", "partial"]  # partial: a piece that others are joined with (tus)
UploadPhase = Literal["open", "done", "aborted"]


class Upload(NamedTuple):
    """An upload in pieces, a row of the catalog. `doc`: what was said when it began, as JSON text."""

    id: str
    bucket: int
    key: str
    version_id: str  # of the object to come, fixed from the start: whoever completes it twice makes one
    kind: UploadKind
    phase: UploadPhase
    at_ms: int
    expires_ms: int  # pushed on by every piece
    size: int  # bytes of its pieces: what it counts in usage; of a resumable one the offset
    stamp: int  # grows with every piece
    length: int | None  # bytes announced for a resumable one; None = not yet
    digest: str  # of a resumable one so far: see `uploads`
    doc: str
    ended_ms: int | None = None
    result: str | None = None  # once done: what a repeated completion is told, as JSON text


class Part(NamedTuple):
    """One stored part, a row of the catalog. Of a number sent twice the later attempt counts."""

    upload: str
    number: int
    attempt: str
    size: int
    etag: str  # MD5, hex
    crc64nvme: str  # base64
    checksum: str  # base64, by the upload's own algorithm; empty where it has none
    at_ms: int
