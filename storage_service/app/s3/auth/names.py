"""The names a client may have signed for: as the request came, as a trusted proxy says, and as the operator declared.

Pure. A wrong guess costs one canonical request and two hashes.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from storage_service.app.edge.request import Request

Network = IPv4Network | IPv6Network
DEFAULT_PORTS = {"http": 80, "https": 443}


class Name(NamedTuple):
    """Host as in a Host header, and what stands before a path of ours, without a slash at the end."""

    host: bytes
    prefix: bytes = b""


class PublicNames:
    """What the service is called from outside."""

    def __init__(self, urls: Iterable[str], trusted: Sequence[Network] = ()) -> None:
        """`trusted`: the proxies whose X-Forwarded headers are believed."""
        self.declared: tuple[Name, ...] = tuple(dict.fromkeys(name_of(url) for url in urls))
        self._trusted = tuple(trusted)

    def others(self, request: Request) -> Iterator[Name]:
        """Every name but the one the request came under, most likely first, each once."""
        came = Name(request.headers.get(b"host", b""))
        seen = {came}
        for name in (*self._forwarded(request, came), *self.declared):
            if name not in seen:
                seen.add(name)
                yield name

    def _forwarded(self, request: Request, came: Name) -> list[Name]:
        if not self._trusted or not self.trusts(request):
            return []
        headers = request.headers
        host = headers.get(b"x-forwarded-host", b"").partition(b",")[0].strip() or came.host
        prefix = headers.get(b"x-forwarded-prefix", b"").partition(b",")[0].strip().rstrip(b"/")
        return [Name(host, prefix), Name(host), Name(came.host, prefix)]

    def trusts(self, request: Request) -> bool:
        """Whether the request comes from a trusted proxy."""
        client = request.scope.get("client")
        try:
            address = ip_address(client[0]) if client else None
        except ValueError:
            return False
        return address is not None and any(address in network for network in self._trusted)


def name_of(url: str) -> Name:
    """Of a public URL. A port that is the scheme's own does not stand in a Host header."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    if parts.port is not None and parts.port != DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{parts.port}"
    return Name(host.encode(), parts.path.rstrip("/").encode())
