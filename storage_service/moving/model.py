"""What is moved, as every kind of source tells it. Sizes in bytes, ETags unquoted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-amz-website-redirect-location",
)
METADATA = "x-amz-meta-"
HAS_NONE = "this service has none"  # why a setting stays behind


class CannotMove(Exception):
    """Why something of the source stays behind; another try would not help."""


class ChangedUnderWay(Exception):
    """The source is not what it was when it was opened: open it again."""


class Version(NamedTuple):
    """One version of a key. `etag` is empty where only its bytes would tell it; `place` is the source's own word.

    `fault`: why it cannot be moved, where that is seen before it is opened.
    """

    key: str
    size: int
    etag: str = ""
    version_id: str | None = None
    is_marker: bool = False
    place: str = ""
    fault: str = ""


class Entry(NamedTuple):
    """A key and what is to arrive of it, the oldest version first. `stamp` changes when the source's key does."""

    key: str
    versions: tuple[Version, ...]
    stamp: str

    @property
    def size(self) -> int:
        return sum(version.size for version in self.versions)

    @property
    def fault(self) -> str:
        """Why the key stays behind: with all its versions, as the others without it would be another history."""
        return fault_of_key(self.key) or next((version.fault for version in self.versions if version.fault), "")


class Opened(Protocol):
    """A version to read, once. `headers` as S3 takes them, in lower case. `etag` is the digest the bytes must have, in
    S3's form, or empty. `layouts`: sizes of the parts its ETag may be of, the likeliest first; empty = no parts.
    `guessed`: the source does not tell them, so that another ETag proves nothing."""

    headers: Mapping[str, str]
    size: int
    etag: str
    layouts: Sequence[Sequence[int]]
    guessed: bool

    def pieces(self) -> Iterator[bytes]:
        """All bytes, or an error: RemoteError, CannotMove, ChangedUnderWay, OSError."""

    def close(self) -> None: ...


@dataclass(slots=True)
class BucketSettings:
    """What is set on a bucket. `documents` by S3's name of the sub-resource, as S3 writes them. `left`: what cannot be
    moved, and why, a sentence each."""

    documents: dict[str, bytes] = field(default_factory=dict)
    versioning: str = ""  # Enabled, Suspended or nothing
    locking: bool = False
    public: bool = False
    quota_bytes: int | None = None
    owner: str | None = None
    left: list[str] = field(default_factory=list)

    def bare(self) -> "BucketSettings":
        """What the objects themselves need: whose they are, versions, locks."""
        return BucketSettings(versioning=self.versioning, locking=self.locking, owner=self.owner)


class Source(Protocol):
    """Another store. Any number of threads may call; lists are in the byte order of keys."""

    name: str  # the same for the same store: progress is kept under it

    def buckets(self) -> list[str]: ...
    def settings(self, bucket: str) -> BucketSettings: ...
    def entries(self, bucket: str, prefix: str) -> Iterator[Entry]: ...
    def open(self, bucket: str, version: Version) -> Opened: ...
    def close(self) -> None: ...


def entry_of(versions: Sequence[Version], stamp: str = "") -> Entry:
    """Of versions of one key, the oldest first."""
    newest = versions[-1]
    told = stamp or f"{len(versions)}:{newest.version_id or ''}:{newest.etag}:{newest.size}"
    return Entry(newest.key, tuple(versions), told)


def fault_of_key(key: str) -> str:
    """Why no S3 server takes this key; empty where it may."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "the name is not UTF-8"
    if not 1 <= size <= 1024:  # noqa: PLR2004 - S3's limit
        return f"the name has {size} bytes; S3 takes 1 to 1024"
    return "the name has a NUL" if "\0" in key else ""
