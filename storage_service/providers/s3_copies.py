"""Copies of objects in a bucket of AWS or any S3 endpoint, with what is said of them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from storage_service.providers.documents.s3 import Joined
from storage_service.providers.errors import FileMissing
from storage_service.providers.s3_client import S3Config, make_client, own_errors

# What travels as a header name and value without encoding; the rest stays in the manifest.
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
TEXT = re.compile(r"[ -~]{0,1024}", re.ASCII)
VERSION = "storage-version-id"
HEADERS = {
    "cache_control": "CacheControl",
    "content_disposition": "ContentDisposition",
    "content_encoding": "ContentEncoding",
    "content_language": "ContentLanguage",
}


@dataclass(frozen=True, slots=True)
class About:
    """What is said of one object. `version_id` tells later whether a copy is still that of the source."""

    version_id: str
    content_type: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """As boto3 takes them with an upload."""
        said = {name: value if isinstance(value, str) else json.dumps(value) for name, value in self.metadata.items()}
        metadata = {name: value for name, value in said.items() if NAME.fullmatch(name) and TEXT.fullmatch(value)}
        found: dict[str, Any] = {"ContentType": self.content_type, "Metadata": metadata | {VERSION: self.version_id}}
        if self.tags:
            found["Tagging"] = urlencode(self.tags)
        return found | {HEADERS[name]: value for name, value in self.headers.items() if value}


class S3Copies:
    """A bucket that copies go to."""

    def __init__(self, config: S3Config) -> None:
        self.bucket = config.bucket
        self._client = make_client(config)

    def check(self) -> None:
        """Raises: FileMissing if there is no such bucket, ProviderUnavailable, ProviderError."""
        with own_errors(f"bucket {self.bucket}"):
            self._client.head_bucket(Bucket=self.bucket)

    def holds(self, key: str, size: int, version_id: str) -> bool:
        """Whether this very version is there already. Raises: ProviderUnavailable, ProviderError."""
        try:
            with own_errors(key):
                found = self._client.head_object(Bucket=self.bucket, Key=key)
        except FileMissing:
            return False
        return bool(found["ContentLength"] == size and found["Metadata"].get(VERSION) == version_id)

    def put(self, key: str, chunks: Iterator[bytes], about: About) -> None:
        """Whole, or not at all: large ones go in parts, which become an object with the last of them.

        Raises: ProviderUnavailable, ProviderError, and whatever the chunks raise.
        """
        with own_errors(key):
            self._client.upload_fileobj(Joined(chunks), self.bucket, key, ExtraArgs=about.arguments())
