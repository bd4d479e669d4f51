"""Which peers are proxies of ours, and what their word is good for: who the client is, by which scheme it came, which
names it used, and that they can send files themselves.

Asked once, before anything else reads the scope: afterwards the peer's address has given way to the client's.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from storage_service.app.edge.accel import ANNOUNCED, LOCATION, PLACE
from storage_service.app.edge.request import Scope

BELIEVED = "storage.believed"  # of the scope: what X-Forwarded headers say is a trusted proxy's word
SCHEMES = {b"http": "http", b"https": "https"}
MAPPED = re.compile(r"::ffff:([0-9.]+)", re.IGNORECASE)  # IPv4 on an IPv6 socket. Source: RFC 4291 §2.5.5.2
WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


class Proxies:
    """Of the networks in TRUSTED_PROXIES."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        self._networks = tuple(networks)
        self._includes = lru_cache(maxsize=1024)(self._is_one)

    def admit(self, scope: Scope) -> None:
        """Note in the scope what a proxy of ours says; of any other peer nothing is believed."""
        peer: Sequence[Any] | None = scope.get("client")
        if not peer or not self._includes(str(peer[0])):
            return
        scope[BELIEVED] = True
        forwarded = []
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                forwarded.append(value.decode("latin-1"))
            elif name == b"x-forwarded-proto":
                scope["scheme"] = SCHEMES.get(value.strip(), scope.get("scheme"))
            elif name == ANNOUNCED and value == LOCATION:
                scope[PLACE] = value
        if client := self._client_of(",".join(forwarded)):
            scope["client"] = (client, 0)

    def _client_of(self, forwarded: str) -> str:
        """Whom X-Forwarded-For names: the last who is no proxy of ours, since only ours append the truth."""
        named = [_without_port(part.strip()) for part in forwarded.split(",")]
        return next((host for host in reversed(named) if not self._includes(host)), named[0])

    def _is_one(self, host: str) -> bool:
        try:
            address = ip_address(unmapped(host))
        except ValueError:  # a Unix socket has no address
            return False
        return any(address in network for network in self._networks)


def unmapped(host: str) -> str:
    """An IPv4 address as such, where an IPv6 socket wrote it its own way."""
    mapped = MAPPED.fullmatch(host)
    return mapped[1] if mapped else host


def _without_port(host: str) -> str:
    found = WITH_PORT.fullmatch(host)
    return (found[1] or found[2]) if found else host
