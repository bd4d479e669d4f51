"""A bucket's origin: the old server from which it still takes what has not arrived. Pure.

It stands in the bucket's options under its name, its secret sealed. Once it was there, deletes leave a marker in every
bucket, versioned or not: a deleted key must not come back from the old server.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from storage_service.app.core.errors import InvalidArgument
from storage_service.app.core.objects import Bucket, check_bucket_name

CONFIG = "origin"
MOST_CHARS = 1024


class Origin(NamedTuple):
    """Where objects are fetched: `prefix` + key in `bucket` at `url`. `secret` is sealed for `bucket_id`."""

    bucket_id: str
    url: str
    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret: str = ""


def origin_of(bucket: Bucket) -> Origin | None:
    """None where there is none, or it was cut off."""
    return bucket.derived(_parsed) if CONFIG in bucket.options.config else None


def remembers_deletes(bucket: Bucket) -> bool:
    """Whether a delete leaves a marker even without versions: for good, once there was an origin."""
    return CONFIG in bucket.options.config


def check_origin(origin: Origin) -> Origin:
    """Raises: InvalidArgument."""
    parts = urlsplit(origin.url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise InvalidArgument("An origin's url is like https://minio.example.org:9000")
    if parts.username is not None:
        raise InvalidArgument("Keys do not stand in an origin's url")
    check_bucket_name(origin.bucket)
    if any(len(text) > MOST_CHARS or not text.isprintable() for text in origin):
        raise InvalidArgument(f"What is said of an origin has at most {MOST_CHARS} printable characters")
    return origin


def render_origin(origin: Origin, since_ms: int) -> dict[str, Any]:
    """For the bucket's options."""
    told = origin._asdict()
    del told["bucket_id"]
    return {**told, "since_ms": since_ms, "ended_ms": None}


def ended(config: Mapping[str, Any], at_ms: int) -> dict[str, Any]:
    """The same after the cut: it is asked no more, and its secret is gone."""
    forgotten = {"access_key": "", "secret": ""}  # nosec B105
    return {**config, **forgotten, "ended_ms": config.get("ended_ms") or at_ms}


def _parsed(bucket: Bucket) -> Origin | None:
    told = bucket.options.config[CONFIG]
    if told.get("ended_ms") is not None:
        return None
    names = ("url", "bucket", "prefix", "region", "access_key", "secret")
    return Origin(bucket.uuid, *(str(told.get(name, "")) for name in names))
