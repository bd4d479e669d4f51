"""JSON <-> versions and buckets, as they stand in sidecars and in the catalog's `doc` columns. Pure.

A version's `doc` is what the request knows before the commit; `compose` adds what only the commit knows (sequence,
file id, flags). On disk a sidecar is indented for people and carries a checksum of its own canonical form.
"""

from base64 import b64encode
from typing import Any

import orjson
from awscrt.checksums import crc64nvme

from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import (
    DELETE_MARKER,
    NULL_VERSION,
    Attributes,
    Bucket,
    BucketOptions,
    Digests,
    Version,
)

FORMAT = 1  # of sidecars; a newer one is refused, an older one upgraded by `UPGRADES`
CHECKSUM = "checksum"


def render_doc(attributes: Attributes, digests: Digests, copied_from: str | None = None) -> str:
    """The request's part of a sidecar, as compact JSON. What is empty is left out: the catalog keeps one per object."""
    doc: dict[str, Any] = {"content_type": attributes.content_type}
    if digests.crc32 is not None:
        doc["crc32"] = digests.crc32
    doc |= {"crc64nvme": digests.crc64nvme, "sha256": digests.sha256, "owner": attributes.owner}
    for name in OPTIONAL_FIELDS:
        if value := getattr(attributes, name):
            doc[name] = value
    if digests.checksums:
        doc["checksums"] = digests.checksums
    if copied_from:
        doc["copied_from"] = copied_from
    return orjson.dumps(doc).decode()


def digests_of(version: Version) -> Digests:
    """The checksums in a version's doc. `md5` is the ETag, where that is one."""
    doc = orjson.loads(version.doc)
    return Digests(
        version.etag, doc.get("crc64nvme", ""), doc.get("sha256"), doc.get("checksums", {}), doc.get("crc32")
    )


OPTIONAL_FIELDS = (
    "metadata",
    "tags",
    "cache_control",
    "content_disposition",
    "content_encoding",
    "content_language",
    "expires",
    "website_redirect",
    "acl",
    "lock",
)
MARKER_DOC = "{}"


def compose(version: Version, bucket_uuid: str) -> str:
    """The whole sidecar of a version but for its checksum. Text is joined, not parsed: the commit does this."""
    text = (
        f'{{"format":{FORMAT},"key":{orjson.dumps(version.key).decode()},"bucket_id":"{bucket_uuid}",'
        f'"version_id":"{version.version_id}","file_id":"{version.file_id}","size":{version.size},'
        f'"etag":"{version.etag}","at_ms":{version.at_ms},"mtime_ns":{_number(version.mtime_ns)},'
        f'"expires_ms":{_number(version.expires_ms)},"sequence":{version.sequence},'
        f'"meta_sequence":{version.meta_sequence},"null_version":{"true" if version.is_null else "false"},'
        f'"delete_marker":{"true" if version.is_marker else "false"},"lock":{_lock(version.doc)},"encryption":null,'
    )
    if version.gone_sequence is not None:
        text += (
            f'"removed_sequence":{version.gone_sequence},"removed_at_ms":{version.gone_ms},'
            f'"removed_due_ms":{version.due_ms},'
        )
    return f'{text}"doc":{version.doc}}}'


def _lock(doc: str) -> str:
    """As JSON. Nearly no version has one: those are not parsed."""
    return "null" if '"lock":{' not in doc else orjson.dumps(orjson.loads(doc).get("lock")).decode()


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


def checksum_of(record: dict[str, Any]) -> str:
    """CRC64NVME, base64, of the canonical form: sorted keys, no spaces, without the checksum itself."""
    plain = {name: value for name, value in record.items() if name != CHECKSUM}
    return b64encode(crc64nvme(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).to_bytes(8, "big")).decode()


def render_file(text: str | bytes) -> bytes:
    """The bytes of a sidecar file: indented, with its checksum last."""
    record = orjson.loads(text)
    record[CHECKSUM] = checksum_of(record)
    return orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def parse_file(data: bytes) -> dict[str, Any]:
    """The record in a sidecar file.

    Raises:
        DamagedObject: not JSON, a wrong checksum, or a newer format than this service knows.
    """
    try:
        record = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise DamagedObject("Sidecar is not JSON") from None
    if not isinstance(record, dict) or record.get(CHECKSUM) != checksum_of(record):
        raise DamagedObject("Sidecar does not match its checksum")
    if not isinstance(record.get("format"), int) or record["format"] > FORMAT:
        raise DamagedObject("Sidecar has a newer format than this service knows")
    return record


def version_of(record: dict[str, Any], bucket: int) -> Version:
    """The catalog's row from a sidecar: the inverse of `compose`. `bucket` is the catalog's number.

    Raises:
        DamagedObject: a field is missing or of the wrong kind.
    """
    try:
        return Version(
            bucket=bucket,
            key=str(record["key"]),
            version_id=str(record["version_id"]),
            file_id=str(record["file_id"]),
            size=int(record["size"]),
            etag=str(record.get("etag", "")),
            at_ms=int(record["at_ms"]),
            mtime_ns=record.get("mtime_ns"),
            flags=NULL_VERSION * bool(record["null_version"]) | DELETE_MARKER * bool(record["delete_marker"]),
            doc=orjson.dumps(record["doc"]).decode(),
            sequence=int(record["sequence"]),
            meta_sequence=int(record["meta_sequence"]),
            expires_ms=record.get("expires_ms"),
            gone_ms=record.get("removed_at_ms"),
            gone_sequence=record.get("removed_sequence"),
            due_ms=record.get("removed_due_ms"),
        )
    except (KeyError, TypeError, ValueError):
        raise DamagedObject("Sidecar lacks a field") from None


OPTION_NAMES = tuple(BucketOptions.__dataclass_fields__)


def render_options(options: BucketOptions) -> dict[str, Any]:
    record = {name: getattr(options, name) for name in OPTION_NAMES}
    record["allowed_types"] = list(options.allowed_types)
    record["config"] = dict(options.config)
    return record


def parse_options(record: dict[str, Any]) -> BucketOptions:
    known = {name: record[name] for name in OPTION_NAMES if name in record}
    known["allowed_types"] = tuple(known.get("allowed_types", ()))
    return BucketOptions(**known)


def render_bucket(bucket: Bucket, sequence: int, removed_at_ms: int | None = None) -> str:
    """`.bucket.json`, but for its checksum."""
    record: dict[str, Any] = {
        "format": FORMAT,
        "id": bucket.uuid,
        "number": bucket.id,
        "name": bucket.name,
        "owner": bucket.owner,
        "generation": bucket.generation,
        "created_ms": bucket.created_ms,
        "updated_ms": bucket.updated_ms,
        "sequence": sequence,
        "options": render_options(bucket.options),
    }
    if removed_at_ms is not None:
        record["removed_at_ms"] = removed_at_ms
    return orjson.dumps(record).decode()


def bucket_of(record: dict[str, Any]) -> Bucket:
    """The bucket in a `.bucket.json`.

    Raises:
        DamagedObject: a field is missing or of the wrong kind.
    """
    try:
        return Bucket(
            id=int(record["number"]),
            uuid=str(record["id"]),
            name=str(record["name"]),
            owner=str(record["owner"]),
            generation=int(record["generation"]),
            created_ms=int(record["created_ms"]),
            updated_ms=int(record["updated_ms"]),
            options=parse_options(record["options"]),
        )
    except (KeyError, TypeError, ValueError):
        raise DamagedObject("Bucket sidecar lacks a field") from None
