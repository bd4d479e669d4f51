"""What a request's address names: a bucket and a key, in the path or, for hosts we were told of, in the host."""

from typing import NamedTuple

from storage_service.app.core.errors import InvalidKey, InvalidURI, KeyTooLong
from storage_service.app.core.objects import MAX_KEY_BYTES
from storage_service.app.edge.request import decode_path

SAFE_CHARS = MAX_KEY_BYTES // 4  # no character takes more bytes


class Target(NamedTuple):
    """Decoded. Both empty: the service; `key` empty: the bucket. `hosted`: the bucket stood in the host."""

    bucket: str
    key: str = ""
    hosted: bool = False


def parse_target(raw_path: bytes, host: str, domains: tuple[str, ...]) -> Target:
    """Split before it is decoded: an encoded slash never ends a bucket's name.

    Raises: InvalidURI if not UTF-8, KeyTooLong.
    """
    bucket = bucket_in_host(host, domains) if domains else ""
    name, _, key = (b"", b"", raw_path[1:]) if bucket else raw_path[1:].partition(b"/")
    try:
        target = Target(bucket or decode_path(name), decode_path(key), hosted=bool(bucket))
    except InvalidKey:
        raise InvalidURI("The path is not valid UTF-8") from None
    check_length(target.key)
    return target


def check_length(key: str) -> str:
    """The key itself. Raises: KeyTooLong, of which S3 has a code of its own."""
    if len(key) > SAFE_CHARS and len(key.encode()) > MAX_KEY_BYTES:
        raise KeyTooLong("Your key is too long", key=key[:SAFE_CHARS])
    return key


def bucket_in_host(host: str, domains: tuple[str, ...]) -> str:
    """`photos` of `photos.s3.example.org:8001` under the domain `s3.example.org`; empty where there is none."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.lower().rstrip(".")
    for domain in domains:
        if name.endswith("." + domain):
            return name[: -len(domain) - 1]
    return ""


def is_hosted(host: str, domains: tuple[str, ...]) -> bool:
    """Whether the host is one of these domains or lies under one."""
    if not domains:
        return False
    name = (host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host).lower().rstrip(".")
    return any(name == domain or name.endswith("." + domain) for domain in domains)
