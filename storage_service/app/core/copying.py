"""What a copy or move is asked for, and the version it makes of its source."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from storage_service.app.core import sidecar
from storage_service.app.core.backend import Blobs, Staged
from storage_service.app.core.objects import (
    ANY_WRITE,
    Attributes,
    BlobName,
    Bucket,
    Version,
    WriteConditions,
    new_id,
    now_ms,
)


@dataclass(frozen=True, slots=True)
class Copying:
    """A copy or move. `attributes` None = the source's own; a copy keeps the source's expiry only with them."""

    source: Bucket
    source_key: str
    target: Bucket
    target_key: str
    version_id: str | None = None
    attributes: Attributes | None = None
    owner: str = ""
    conditions: WriteConditions = ANY_WRITE
    move: bool = False
    checksums: Mapping[str, str] | None = None  # other ones than the source has


def attributes_of(version: Version) -> Attributes:
    """What the version's sidecar says besides its bytes."""
    doc = orjson.loads(version.doc)
    return Attributes(
        content_type=doc.get("content_type", "application/octet-stream"),
        expires_ms=version.expires_ms,
        owner=doc.get("owner", ""),
        metadata=doc.get("metadata", {}),
        tags=doc.get("tags", {}),
        cache_control=doc.get("cache_control"),
        content_disposition=doc.get("content_disposition"),
        content_encoding=doc.get("content_encoding"),
        content_language=doc.get("content_language"),
        expires=doc.get("expires"),
        website_redirect=doc.get("website_redirect"),
        acl=doc.get("acl", ()),
    )


def content_type_of(version: Version) -> str:
    return str(orjson.loads(version.doc).get("content_type", "application/octet-stream"))


def copy_draft(copying: Copying, source: Version) -> Version:
    """The version to be: the source's bytes under another name and id."""
    doc = orjson.loads(source.doc)
    attributes = copying.attributes or attributes_of(source)._replace(owner=copying.owner or doc.get("owner", ""))
    at_ms = now_ms()
    digests = sidecar.digests_of(source)
    if copying.checksums is not None:
        digests = digests._replace(checksums=copying.checksums)
    text = orjson.loads(sidecar.render_doc(attributes, digests))
    if "parts" in doc and not copying.checksums:
        text["parts"] = doc["parts"]
    text["copied_from"] = f"{copying.source.uuid}/{source.version_id}"
    return Version(
        copying.target.id,
        copying.target_key,
        new_id(),
        source.file_id if copying.move else new_id(),
        source.size,
        source.etag,
        at_ms,
        source.mtime_ns,
        0,
        orjson.dumps(text).decode(),
        expires_ms=attributes.expires_ms,
    )


def link(blobs: Blobs, source: BlobName, target: BlobName, bucket: int) -> Staged | None:
    """The source's blob under the target's name; None while the source's body is still in the journal."""
    try:
        return blobs.copy(source, target, bucket)
    except FileNotFoundError:
        return None
