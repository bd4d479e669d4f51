"""Uploads in pieces that survive a broken connection: the headers of tus 1.0. Pure.

Source: tus.io/protocols/resumable-upload, version 1.0.0; docs/resumable.md of the service.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from storage_service.client.errors import (
    ClientError,
    ConnectionFailed,
    RateLimited,
    ServiceUnavailable,
)
from storage_service.client.options import PutOptions
from storage_service.client.source import Source
from storage_service.client.wire import path_of, quoted_tag

PATH = path_of("files", "resumable")
RESUMABLE_BYTES = 64 * 1024 * 1024  # from here on sending again would cost more than a few requests
PIECE_BYTES = 32 * 1024 * 1024  # what is lost at worst; each piece is one request and one checksum
VERSION = {"tus-resumable": "1.0.0"}
PIECE = {**VERSION, "content-type": "application/offset+octet-stream"}
LOCKED = 423
OFFSET_MISMATCH = "offset_mismatch"
# What may be said of an upload only in one request. Plain PUT takes it.
ONLY_PLAIN = (
    "tags",
    "expires_at",
    "content_disposition",
    "content_encoding",
    "content_language",
    "if_none_match",
)
# What a beginning tells for good: an upload that began with other words is not gone on with.
TOLD: Sequence[Literal["content_type", "cache_control", "metadata"]] = ("content_type", "cache_control", "metadata")


class Reached(NamedTuple):
    """How far an upload is. `version_id` is empty until the last byte has made the object."""

    offset: int
    version_id: str


def is_resumable(source: Source, options: PutOptions) -> bool:
    """Whether to upload it in pieces. Of unknown size, or read only once, it cannot be."""
    if not source.rewindable or not source.size:
        return False
    possible = not any(options.get(name) for name in ONLY_PLAIN)
    return possible and options.get("resumable", source.size >= RESUMABLE_BYTES)


def beginning(bucket: str, key: str, size: int, options: PutOptions) -> dict[str, str]:
    """Headers of the request that begins an upload."""
    said = {"bucket": bucket, "key": key, "contentType": options.get("content_type")}
    said["cacheControl"] = options.get("cache_control")
    said["metadata"] = json.dumps(options["metadata"]) if options.get("metadata") else None
    said["overwrite"] = "true" if options.get("upsert") else None
    pairs = (f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items() if value)
    condition = {"if-match": quoted_tag(options["if_match"])} if options.get("if_match") else {}
    return {**VERSION, **condition, "upload-length": str(size), "upload-metadata": ",".join(pairs)}


def piece_headers(offset: int, piece: Source) -> dict[str, str]:
    """Headers of one piece, with its SHA-256: what differs is not kept."""
    digest = hashlib.sha256()
    for chunk in piece.chunks():
        digest.update(chunk)
    checksum = f"sha256 {base64.b64encode(digest.digest()).decode()}"
    return {**PIECE, "upload-offset": str(offset), "upload-checksum": checksum}


def upload_path(location: str) -> str:
    """Of a Location, whatever name of the service it begins with."""
    return f"{PATH}/{location.rstrip('/').rpartition('/')[2]}"


def reached(headers: Mapping[str, str]) -> Reached:
    return Reached(int(headers.get("upload-offset", "0")), headers.get("x-version-id", ""))


def may_go_on(error: ClientError) -> bool:
    """Whether a look at the offset, and going on from there, may help."""
    if isinstance(error, ConnectionFailed | ServiceUnavailable | RateLimited):
        return True
    return error.status == LOCKED or error.code == OFFSET_MISMATCH


def fingerprint(url: str, bucket: str, key: str, source: Source, options: PutOptions | None = None) -> str:
    """The same for the same file on its way to the same place, with the same said of it; empty where a source has no
    name of its own."""
    identity = source.identity()
    told = {name: options[name] for name in TOLD if options.get(name)} if options else {}
    words = (url, bucket, key, identity, *([json.dumps(told, sort_keys=True)] if told else []))
    return hashlib.sha256("\0".join(words).encode()).hexdigest() if identity else ""
