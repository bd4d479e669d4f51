"""The credential of a version 4 signature: an access key and what its signing key is made for. Pure."""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

DAY = re.compile(r"[0-9]{8}", re.ASCII)
REGION = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
MOST_CHARS = 512
KEPT = 1024  # parsed ones; of short texts alone, since anybody may send long ones and fill the memory with them


class Credential(NamedTuple):
    """`AKIA…/20130524/us-east-1/s3/aws4_request`."""

    access_key: str
    day: bytes
    region: bytes
    scope: bytes  # all behind the access key


def parse_credential(text: str) -> Credential | None:
    """None if it is none, or one of another service. The access key may hold slashes."""
    return _parse(text) if len(text) <= MOST_CHARS else None


def parse_quoted(text: bytes) -> Credential | None:
    """The same of one in a URL, percent-encoded ASCII."""
    return _parse_quoted(text) if len(text) <= 3 * MOST_CHARS else None


@lru_cache(KEPT)
def _parse_quoted(text: bytes) -> Credential | None:
    return parse_credential(unquote(text.decode()))


@lru_cache(KEPT)
def _parse(text: str) -> Credential | None:
    parts = text.rsplit("/", 4)
    if len(parts) != 5:  # noqa: PLR2004 (as the docstring shows)
        return None
    access_key, day, region, service, terminator = parts
    if not access_key or not access_key.isprintable() or (service, terminator) != ("s3", "aws4_request"):
        return None
    if not DAY.fullmatch(day) or not REGION.fullmatch(region):
        return None
    return Credential(access_key, day.encode(), region.encode(), text[len(access_key) + 1 :].encode())
