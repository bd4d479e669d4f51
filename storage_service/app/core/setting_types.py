"""Kinds of settings: how their text is read, and what is said when it cannot be. Pure."""

import json
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from storage_service.app.core.errors import InvalidArgument, InvalidBucketName
from storage_service.app.core.key_making import parse_key
from storage_service.app.core.objects import check_bucket_name

MAX_PORT = 65_535


class Address(NamedTuple):
    """Where to listen. `host` None = the same as HOST."""

    host: str | None
    port: int


class SeedBucket(NamedTuple):
    """A bucket to be there after the first start."""

    name: str
    public: bool


def _items(value: object) -> object:
    """The items of JSON or comma separated text; anything else as it is."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith(("[", "{")):
        try:
            found = json.loads(value)
        except ValueError:
            raise ValueError("is neither JSON nor comma separated") from None
        return found if isinstance(found, list) else [found]
    return [item.strip() for item in value.split(",") if item.strip()]


def _url(value: str) -> str:
    """An http(s) URL without its last slash: paths are appended to it."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL like https://files.example.org")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must be scheme, host and path only")
    return value.rstrip("/")


def _domains(values: tuple[str, ...]) -> tuple[str, ...]:
    """Host names in lower case, without a port."""
    for value in values:
        if "/" in value or ":" in value or value != value.strip(".") or not value.isascii():
            raise ValueError(f"{value} is no host name, as s3.example.org is")
    return tuple(value.lower() for value in values)


def _network(value: object) -> object:
    """One message instead of pydantic's two, one for each kind of address."""
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"{value} is no address or network, as 10.0.0.0/8 or ::1 are") from None


def _address(value: object) -> object:
    """`:9000`, `127.0.0.1:9000` or `[::1]:9000`."""
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) <= MAX_PORT:
        raise ValueError(f"{value} is no address, as :9000 or 127.0.0.1:9000 are")
    return Address(host.strip("[]") or None, int(port))


def _seed_bucket(value: object) -> object:
    """`name`, `name:public`, `name:private` or {"name": …, "public": …}."""
    if isinstance(value, str):
        name, _, access = value.partition(":")
        if access not in ("", "public", "private"):
            raise ValueError(f"bucket {name}: after the colon stands public or private")
        value = {"name": name, "public": access == "public"}
    if isinstance(value, dict):
        if not value.keys() <= {"name", "public"} or not isinstance(value.get("name"), str):
            raise ValueError('a bucket is "name", "name:public" or {"name": …, "public": true}')
        value = SeedBucket(value["name"], value.get("public", False))
    if isinstance(value, SeedBucket):
        try:
            check_bucket_name(value.name)
        except InvalidBucketName as error:
            raise ValueError(f"bucket {value.name}: {error.detail}") from None
    return value


def _seed_key(value: object) -> object:
    try:
        return parse_key(value)
    except InvalidArgument as error:
        raise ValueError(error.detail) from None


Url = Annotated[str, AfterValidator(_url)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_items)]
Urls = Annotated[tuple[Url, ...], NoDecode, BeforeValidator(_items)]
Domains = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_items), AfterValidator(_domains)]
Networks = Annotated[
    tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...],
    NoDecode,
    BeforeValidator(_items),
]
Addresses = Annotated[tuple[Annotated[Address, BeforeValidator(_address)], ...], NoDecode, BeforeValidator(_items)]
SeedBuckets = Annotated[
    tuple[Annotated[SeedBucket, BeforeValidator(_seed_bucket)], ...],
    NoDecode,
    BeforeValidator(_items),
]
SeedKeys = Annotated[tuple[Annotated[Any, BeforeValidator(_seed_key)], ...], NoDecode, BeforeValidator(_items)]
