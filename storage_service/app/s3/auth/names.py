"""The names a client may have signed for: as the request came, as a trusted proxy says, and as the operator declared.

Pure. A wrong guess costs one canonical request and two hashes.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from storage_service.app.edge.proxies import BELIEVED
from storage_service.app.edge.request import Request

DEFAULT_PORTS = {"http": 80, "https": 443}


class Name(NamedTuple):
    """Host as in a Host header, and what stands before a path of ours, without a slash at the end."""

    host: bytes
    prefix: bytes = b""


class PublicNames:
    """What the service is called from outside."""

    def __init__(self, urls: Iterable[str]) -> None:
        self.declared: tuple[Name, ...] = tuple(dict.fromkeys(name_of(url) for url in urls))

    def others(self, request: Request) -> Iterator[Name]:
        """Every name but the one the request came under, most likely first, each once."""
        came = Name(request.headers.get(b"host", b""))
        seen = {came}
        for name in (*_forwarded(request, came), *self.declared):
            if name not in seen:
                seen.add(name)
                yield name


def _forwarded(request: Request, came: Name) -> list[Name]:
    """Under which names a trusted proxy was called."""
    if BELIEVED not in request.scope:
        return []
    headers = request.headers
    host = headers.get(b"x-forwarded-host", b"").partition(b",")[0].strip() or came.host
    prefix = headers.get(b"x-forwarded-prefix", b"").partition(b",")[0].strip().rstrip(b"/")
    return [Name(host, prefix), Name(host), Name(came.host, prefix)]


def name_of(url: str) -> Name:
    """Of a public URL. A port that is the scheme's own does not stand in a Host header."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    if parts.port is not None and parts.port != DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{parts.port}"
    return Name(host.encode(), parts.path.rstrip("/").encode())
