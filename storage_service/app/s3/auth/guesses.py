"""What a client may have signed instead of what arrived: each guess with the fault it would prove. Pure.

In order of likelihood; the doctor computes a signature for each until one fits.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from storage_service.app.s3.auth.canonical import canonical_path, canonical_request
from storage_service.app.s3.auth.names import Name
from storage_service.app.s3.auth.sigv4 import Signed

Fault = Literal[
    "host",
    "port",
    "prefix",
    "clock",
    "expired",
    "encoding",
    "secret",
    "region",
    "unsigned header",
    "header",
    "method",
    "access key",
    "malformed",
]
PORTS = (80, 443, 8000, 8001, 8080, 8443, 9000)
PREFIXES = (b"/s3", b"/storage", b"/minio", b"/files", b"/api", b"/objects")
# Values that SDKs sign and proxies change.
CHANGED = {b"accept-encoding": (b"identity", b"gzip", b""), b"content-type": (b"", b"application/octet-stream")}


class Guess(NamedTuple):
    """A canonical request, the fault, and the line as it was signed and as it arrived."""

    fault: Fault
    line: str
    signed: bytes
    arrived: bytes
    canonical: bytes


class Surroundings(NamedTuple):
    """What is known besides the request: names the operator declared, and those headers of proxies tell."""

    declared: Sequence[Name]
    told: Sequence[Name]
    port: int
    region: str | None


def guesses(signed: Signed, around: Surroundings) -> Iterator[Guess]:
    host = dict(signed.headers).get(b"host", b"")
    yield from _names(signed, host, around)
    yield from _encodings(signed)
    yield from _headers(signed)
    for method in {b"GET", b"HEAD", b"PUT", b"POST"} - {signed.method}:
        canonical = _canonical(signed._replace(method=method))
        yield Guess("method", "method", method, signed.method, canonical)


def _names(signed: Signed, host: bytes, around: Surroundings) -> Iterator[Guess]:
    hosts = list(dict.fromkeys([host, *_hosts(host, around)]))
    known = [name.prefix for name in (*around.told, *around.declared)]
    for prefix in dict.fromkeys([b"", *known, *PREFIXES]):
        path = canonical_path(prefix + signed.raw_path)
        for other in hosts:
            if other == host and not prefix:
                continue
            headers = [(name, other if name == b"host" else value) for name, value in signed.headers]
            canonical = canonical_request(signed.method, path, signed.query, headers, signed.payload_hash)
            if prefix:
                yield Guess("prefix", "path", path, canonical_path(signed.raw_path), canonical)
            else:
                same = _without_port(other) == _without_port(host)
                yield Guess("port" if same else "host", "host", other, host, canonical)


def _hosts(host: bytes, around: Surroundings) -> Iterator[bytes]:
    for name in (*around.told, *around.declared):
        yield name.host
        yield from _with_ports(name.host, around.port)
    yield from _with_ports(host, around.port)


def _with_ports(host: bytes, own: int) -> Iterator[bytes]:
    bare = _without_port(host)
    yield bare
    for port in dict.fromkeys((own, *PORTS)):
        yield b"%s:%d" % (bare, port)


def _without_port(host: bytes) -> bytes:
    name, colon, port = host.rpartition(b":")
    return name if colon and port.isdigit() else host


def _encodings(signed: Signed) -> Iterator[Guess]:
    arrived = canonical_path(signed.raw_path)
    plain = unquote_to_bytes(signed.raw_path)
    spelled = {
        signed.raw_path,
        plain,
        arrived.replace(b"%20", b"+"),
        arrived.replace(b"%20", b"%2B"),
        arrived.replace(b"%2B", b"%20"),
        quote_from_bytes(signed.raw_path, safe="/~").encode(),
        quote_from_bytes(unquote_to_bytes(plain), safe="/~").encode(),
        arrived.rstrip(b"/"),
        arrived + b"/",
    } - {arrived}
    for path in sorted(spelled):
        canonical = canonical_request(signed.method, path, *signed[5:8])
        yield Guess("encoding", "path", path, arrived, canonical)
    query = signed.query
    for other in sorted(
        {query.replace(b"%20", b"%2B"), query.replace(b"%2F", b"/"), unquote_to_bytes(query)} - {query}
    ):
        yield Guess("encoding", "query", other, query, _canonical(signed._replace(query=other)))


def _headers(signed: Signed) -> Iterator[Guess]:
    for place, (name, value) in enumerate(signed.headers):
        for other in CHANGED.get(name, ()):
            if other != value:
                headers = [*signed.headers[:place], (name, other), *signed.headers[place + 1 :]]
                canonical = _canonical(signed._replace(headers=headers))
                yield Guess("header", name.decode("latin-1"), other, value, canonical)


def _canonical(signed: Signed) -> bytes:
    return canonical_request(signed.method, canonical_path(signed.raw_path), *signed[5:8])
