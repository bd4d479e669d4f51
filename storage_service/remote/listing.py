"""What lists say. Source: AWS "ListObjectsV2", "ListObjectVersions"."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from storage_service.remote.errors import Unreachable

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Listed(NamedTuple):
    """A version in a list. `version_id` is None where the list is of current objects; `etag` unquoted, `size` in
    bytes."""

    key: str
    size: int
    etag: str
    modified: datetime | None = None
    version_id: str | None = None
    is_marker: bool = False
    is_latest: bool = True


class Page(NamedTuple):
    """`after`: what the next page is asked with; empty at the end."""

    entries: list[Listed]
    after: dict[str, str]


def parse_objects(root: Element) -> Page:
    encoded = text_of(root, "EncodingType") == "url"
    entries = [_entry(node, encoded) for node in root.iter("Contents")]
    if text_of(root, "IsTruncated") != "true":
        return Page(entries, {})
    token = text_of(root, "NextContinuationToken")
    if not token:
        raise Unreachable("a list was cut and does not say where it goes on")
    return Page(entries, {"continuation-token": token})


def parse_versions(root: Element) -> Page:
    """By key, and of one key from the newest to the oldest, as they stand."""
    encoded = text_of(root, "EncodingType") == "url"
    entries = _ordered([_entry(node, encoded) for node in root if node.tag in {"Version", "DeleteMarker"}])
    if text_of(root, "IsTruncated") != "true":
        return Page(entries, {})
    marker = _name(text_of(root, "NextKeyMarker"), encoded)
    version = text_of(root, "NextVersionIdMarker")
    return Page(entries, {"key-marker": marker, **({"version-id-marker": version} if version else {})})


def _ordered(entries: list[Listed]) -> list[Listed]:
    """As S3 writes them. There are servers that write all delete markers behind all versions."""
    keys = [entry.key.encode(errors="surrogateescape") for entry in entries]
    latest_first = all(not later.is_latest or later.key != entry.key for entry, later in pairwise(entries))
    if latest_first and keys == sorted(keys):
        return entries
    newest_first = sorted(entries, key=lambda entry: (entry.is_latest, entry.modified or LONG_AGO), reverse=True)
    return sorted(newest_first, key=lambda entry: entry.key.encode(errors="surrogateescape"))


def text_of(node: Element, name: str) -> str:
    return node.findtext(name) or ""


def _entry(node: Element, encoded: bool) -> Listed:
    return Listed(
        _name(text_of(node, "Key"), encoded),
        int(text_of(node, "Size") or 0),
        text_of(node, "ETag").strip('"'),
        _moment(text_of(node, "LastModified")),
        text_of(node, "VersionId") or None,
        node.tag == "DeleteMarker",
        text_of(node, "IsLatest") != "false",
    )


def _name(text: str, encoded: bool) -> str:
    # Older servers write a space as a plus; a plus itself is %2B in every one of them.
    return unquote(text.replace("+", " "), errors="surrogateescape") if encoded else text


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
