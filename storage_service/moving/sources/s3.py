"""An S3 server: AWS, MinIO, Ceph, another instance of this service …"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from urllib.parse import urlencode

import orjson

from storage_service.moving.layouts import equal_parts, likely_layouts, parts_in
from storage_service.moving.model import (
    HAS_NONE,
    HEADERS,
    METADATA,
    BucketSettings,
    CannotMove,
    ChangedUnderWay,
    Entry,
    Version,
    entry_of,
)
from storage_service.remote import Body, Listed, Refused, RemoteError, S3Server
from storage_service.remote.errors import parse_xml

DOCUMENTS = ("policy", "cors", "lifecycle", "tagging", "website", "ownershipControls", "publicAccessBlock")
# What this service does not have, by the element that says it is in use.
LEFT = {
    "encryption": "Rule",
    "replication": "Rule",
    "logging": "LoggingEnabled",
    "notification": "Id",
}
LOCK = ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold")
MISMATCH = 412


class S3Opened:
    """An object of the server, with what is said of it."""

    def __init__(self, body: Body, headers: Mapping[str, str], layout: Sequence[int] | None) -> None:
        """`layout`: the sizes of its parts; None where the server does not tell."""
        self._body = body
        self.headers = headers
        self.size = body.size
        self.etag = body.etag
        self.guessed = layout is None
        likely = likely_layouts(body.size, parts_in(body.etag)) if layout is None else [layout]
        self.layouts: Sequence[Sequence[int]] = [one for one in likely if one]

    def pieces(self) -> Iterator[bytes]:
        try:
            yield from self._body.pieces()
        except Refused as error:
            if error.status == MISMATCH:
                raise ChangedUnderWay("it was replaced while it was read") from None
            raise

    def close(self) -> None:
        self._body.close()


class S3Source:
    """The buckets of a server. `versions`: all versions of each key, with delete markers, not only what is current."""

    def __init__(self, server: S3Server, *, versions: bool = False) -> None:
        self._server = server
        self._aside = S3Server(server.endpoint)  # for questions while an object is being read
        self._versions = versions
        self.name = server.endpoint.url + ("?versions" if versions else "")

    def buckets(self) -> list[str]:
        return self._server.list_buckets()

    def entries(self, bucket: str, prefix: str) -> Iterator[Entry]:
        if not self._versions:
            for listed in self._server.list(bucket, prefix):
                yield entry_of([Version(listed.key, listed.size, listed.etag)])
            return
        for _, group in groupby(self._server.list_versions(bucket, prefix), key=lambda listed: listed.key):
            yield entry_of([_version(listed) for listed in reversed(list(group))])

    def open(self, bucket: str, version: Version) -> S3Opened:
        key, version_id = version.key, version.version_id
        body = self._server.open(bucket, key, version_id)
        try:
            headers = kept_headers(body.headers)
            if body.headers.get("x-amz-tagging-count", "0") != "0":
                headers["x-amz-tagging"] = self._tags(bucket, key, version_id)
            return S3Opened(body, headers, self._layout(bucket, version, body))
        except BaseException:
            body.close()
            raise

    def close(self) -> None:
        self._server.close()
        self._aside.close()

    def _tags(self, bucket: str, key: str, version_id: str | None) -> str:
        query = {"tagging": "", **({"versionId": version_id} if version_id else {})}
        root = parse_xml(self._aside.ask("GET", bucket, key, query))
        pairs = [(node.findtext("Key") or "", node.findtext("Value") or "") for node in root.iter("Tag")]
        return urlencode(pairs)

    def _layout(self, bucket: str, version: Version, body: Body) -> list[int] | None:
        """The sizes of its parts: asked of each where they are not all of one; None where the server does not tell."""
        count = parts_in(body.etag)
        if count <= 1:
            return [body.size] * count
        first = self._part_bytes(bucket, version, 1)
        if not first or first == body.size:  # as of servers that know no parts
            return None
        told = equal_parts(body.size, first)
        if len(told) == count and self._part_bytes(bucket, version, count) == told[-1]:
            return told
        sizes = [first, *(self._part_bytes(bucket, version, number) for number in range(2, count + 1))]
        return sizes if sum(sizes) == body.size and all(sizes) else None

    def _part_bytes(self, bucket: str, version: Version, number: int) -> int:
        """The size of a part; 0 where it is not told."""
        query = {"partNumber": str(number), **({"versionId": version.version_id} if version.version_id else {})}
        try:
            return int(self._aside.head(bucket, version.key, query).get("content-length", "0"))
        except RemoteError:
            return 0

    # Settings ---------------------------------------------------------------------------------------------------

    def settings(self, bucket: str) -> BucketSettings:
        found = BucketSettings()
        for name in DOCUMENTS:
            if document := self._document(bucket, name, found):
                found.documents[name] = document
        if versioning := self._document(bucket, "versioning", found):
            found.versioning = parse_xml(versioning).findtext("Status") or ""
        lock = self._document(bucket, "object-lock", found)
        if b"<ObjectLockEnabled>Enabled" in lock:
            found.locking = True
            found.documents["object-lock"] = lock
        found.quota_bytes = self._quota(bucket)
        for name, element in LEFT.items():
            document = self._document(bucket, name, found)
            if document and any(node.tag == element for node in parse_xml(document).iter()):
                found.left.append(f"{name}: {HAS_NONE}")
        return found

    def _document(self, bucket: str, name: str, found: BucketSettings) -> bytes:
        """Empty where it is not set; one that may not be seen is said to be left behind."""
        try:
            return (self._server.sub_resource(bucket, name) or b"").strip()
        except Refused as error:
            if error.passing:
                raise
            found.left.append(f"{name}: it may not be read there ({error.code})")
            return b""

    def _quota(self, bucket: str) -> int | None:
        """MinIO's, which its admin API tells; others have none."""
        try:
            text = self._server.ask("GET", "minio/admin/v3/get-bucket-quota", "", {"bucket": bucket})
            return int(orjson.loads(text).get("quota") or 0) or None
        except (RemoteError, ValueError, AttributeError):
            return None


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What is said of an object, as it is said again when it is written. Raises: CannotMove."""
    if any(name.startswith("x-amz-server-side-encryption-customer") for name in headers):
        raise CannotMove("it is encrypted with a key of its owner's (SSE-C)")
    kept = {name: headers[name] for name in (*HEADERS, *LOCK) if headers.get(name)}
    kept |= {name: value for name, value in headers.items() if name.startswith(METADATA)}
    if "-" not in headers.get("etag", ""):
        kept |= _checksum(headers)
    return kept


def _checksum(headers: Mapping[str, str]) -> dict[str, str]:
    """A checksum of the whole object: whoever takes the object compares it."""
    if headers.get("x-amz-checksum-type") == "COMPOSITE":
        return {}
    prefix, kinds = "x-amz-checksum-", ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")
    return {name: value for kind in kinds if (name := prefix + kind) in headers and "-" not in (value := headers[name])}


def _version(listed: Listed) -> Version:
    return Version(listed.key, listed.size, listed.etag, listed.version_id, listed.is_marker)
