"""The signature doctor: why a request was refused, which line differs, and what to change. Pure; tells no secret.

It signs what may have been meant with the key's own secret; a guess that gives the client's signature is a proof.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple

from storage_service.app.core.errors import StorageError
from storage_service.app.core.keys import Keyring
from storage_service.app.edge.request import Message, Request
from storage_service.app.s3.auth import sigv4
from storage_service.app.s3.auth.advice import ADVICE, OR_ELSE, PROXY_LINES, UNBELIEVED
from storage_service.app.s3.auth.canonical import parse_pairs
from storage_service.app.s3.auth.claim import Claim, parse_authorization, parse_url
from storage_service.app.s3.auth.clock import SKEW_SECONDS, render_stamp
from storage_service.app.s3.auth.failures import FailedRequest
from storage_service.app.s3.auth.guesses import Fault, Surroundings, guesses
from storage_service.app.s3.auth.names import Name, PublicNames
from storage_service.app.s3.auth.signing import signing_key

# What tells that a proxy stands between.
PROXIED = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-server", b"x-real-ip"}
)
X_FORWARDED = frozenset({b"x-forwarded-host", b"x-forwarded-prefix"})  # what names are believed by
NAMED: frozenset[Fault] = frozenset({"host", "port", "prefix"})
FORWARDED_HOST = re.compile(rb'host="?([^;,"\s]+)', re.IGNORECASE)


class Diagnosis(NamedTuple):
    """`signed` and `arrived`: the line that differs. `proved`: nothing else can be; else it is what is left.

    `canonical` is the canonical request as it arrived, empty where there is none. `unbelieved`: a proxy that nobody
    trusts said what would have made it right.
    """

    fault: Fault
    proved: bool
    line: str
    signed: str
    arrived: str
    canonical: str = ""
    access_key: str = ""
    unbelieved: bool = False

    @property
    def advice(self) -> str:
        more = OR_ELSE if self.fault == "host" and not self.proved else ""
        return ADVICE[self.fault] + more + (UNBELIEVED if self.unbelieved else "")

    @property
    def proxy_line(self) -> str | None:
        """A line for nginx, where the proxy is to blame."""
        line = PROXY_LINES.get(self.fault)
        return line and line.replace("{prefix}", self.signed.removesuffix(self.arrived))


class Doctor(NamedTuple):
    """What a diagnosis takes besides the request."""

    keys: Keyring
    names: PublicNames
    port: int
    region: str | None = None

    def diagnose(self, failed: FailedRequest) -> Diagnosis:
        request = _request_of(failed)
        claim = _claim_of(request)
        if claim is None:
            return _of_version_2(failed, request)
        found = self._before_signature(failed, request, claim) or self._of_signature(request, claim)
        unbelieved = found.fault in NAMED and found.proved and not failed.believed and _is_told(found, request)
        return found._replace(access_key=claim.credential.access_key, unbelieved=unbelieved)

    def _before_signature(self, failed: FailedRequest, request: Request, claim: Claim) -> Diagnosis | None:
        """What was refused before a signature was computed."""
        region = claim.credential.region.decode()
        if self.region is not None and region != self.region:
            return Diagnosis("region", True, "region", region, self.region)
        for name, _ in request.scope["headers"]:
            if name.startswith(sigv4.AMZ) and name not in claim.signed and name not in sigv4.ADDED:
                return Diagnosis("unsigned header", True, name.decode("latin-1"), "", "present")
        if self.keys.find(claim.credential.access_key) is None:
            return Diagnosis("access key", True, "access key", claim.credential.access_key, "unknown or revoked")
        signed = _signed_of(request)
        if signed is None:
            return Diagnosis("malformed", True, "authorization", "", failed.detail)
        return _of_time(signed, failed.at)

    def _of_signature(self, request: Request, claim: Claim) -> Diagnosis:
        signed, found = _signed_of(request), self.keys.find(claim.credential.access_key)
        if signed is None or found is None:
            return Diagnosis("malformed", True, "authorization", "", "")
        canonical = sigv4.canonical_of(signed).decode("utf-8", "replace")
        key = signing_key(found[0].secret, claim.credential.day, claim.credential.region)
        around = Surroundings(self.names.declared, list(_told(request)), self.port, self.region)
        for guess in guesses(signed, around):
            if sigv4.is_signed_with(key, signed, guess.canonical):
                return Diagnosis(guess.fault, True, guess.line, _text(guess.signed), _text(guess.arrived), canonical)
        return self._left_over(request, signed, canonical)

    def _left_over(self, request: Request, signed: sigv4.Signed, canonical: str) -> Diagnosis:
        """No guess fits. A name that no client would use points to a proxy, another one to the secret."""
        missing = [name for name, value in signed.headers if not value and name not in request.headers]
        if missing:
            return Diagnosis("header", False, _text(missing[0]), "present", "absent", canonical)
        host = request.headers.get(b"host", b"")
        if self._is_known(host) or (b"." in host and not PROXIED.intersection(request.headers)):
            return Diagnosis("secret", False, "secret", "another secret", "the secret of this key", canonical)
        return Diagnosis("host", False, "host", "unknown", _text(host), canonical)

    def _is_known(self, host: bytes) -> bool:
        """A declared name, or an address: a proxy's upstream has a name of its own."""
        bare = host.decode("latin-1").rpartition(":")[0] or host.decode("latin-1")
        if bare == "localhost" or any(host == name.host for name in self.names.declared):
            return True
        try:
            ip_address(bare.strip("[]"))
        except ValueError:
            return False
        return True


def _request_of(failed: FailedRequest) -> Request:
    scope = {
        "type": "http",
        "method": failed.method,
        "raw_path": failed.raw_path,
        "query_string": failed.query,
        "headers": list(failed.headers),
    }
    return Request(scope, _no_more, _nobody)


async def _no_more() -> Message:
    raise TypeError("the request is over")


async def _nobody(_: Message) -> None:
    raise TypeError("the request is over")


def _claim_of(request: Request) -> Claim | None:
    """None of version 2, and of what cannot be read."""
    authorization = request.header(b"authorization")
    try:
        if authorization is not None:
            return parse_authorization(authorization)
        return parse_url(parse_pairs(request.scope["query_string"]))[0]
    except StorageError:
        return None


def _signed_of(request: Request) -> sigv4.Signed | None:
    authorization = request.header(b"authorization")
    try:
        return sigv4.read_url(request) if authorization is None else sigv4.read_header(request, authorization)
    except StorageError:
        return None


def _of_time(signed: sigv4.Signed, at: float) -> Diagnosis | None:
    arrived, stamp = _text(render_stamp(at)), _text(signed.stamp)
    lasts = signed.claim.expires_seconds
    if lasts is None and abs(at - signed.at) > SKEW_SECONDS:
        return Diagnosis("clock", True, "x-amz-date", stamp, arrived)
    if lasts is not None and signed.at > at + SKEW_SECONDS:
        return Diagnosis("clock", True, "X-Amz-Date", stamp, arrived)
    if lasts is not None and at >= signed.at + lasts:
        return Diagnosis("expired", True, "X-Amz-Expires", _text(render_stamp(signed.at + lasts)), arrived)
    return None


def _of_version_2(failed: FailedRequest, request: Request) -> Diagnosis:
    """Of a signature that covers no host: what it was told says most. Of one that cannot be read too."""
    if failed.code == "InvalidAccessKeyId":
        return Diagnosis("access key", True, "access key", "", "unknown or revoked")
    if failed.code == "RequestTimeTooSkewed":
        sent = request.headers.get(b"x-amz-date") or request.headers.get(b"date", b"")
        return Diagnosis("clock", True, "date", _text(sent), _text(render_stamp(failed.at)))
    if failed.code == "SignatureDoesNotMatch":
        return Diagnosis("secret", False, "secret", "another secret", "the secret of this key")
    fault: Fault = "expired" if failed.detail == "Request has expired" else "malformed"
    return Diagnosis(fault, True, "authorization", "", failed.detail)


def _told(request: Request) -> Iterator[Name]:
    """What headers of proxies say, believed or not: as evidence it is good enough."""
    headers = request.headers
    prefix = headers.get(b"x-forwarded-prefix", b"").rstrip(b"/")
    hosts = [
        headers[name] for name in (b"x-forwarded-host", b"x-forwarded-server", b"x-original-host") if name in headers
    ]
    hosts += FORWARDED_HOST.findall(headers.get(b"forwarded", b""))
    hosts.append(headers.get(b"host", b""))
    port = headers.get(b"x-forwarded-port", b"")
    for host in hosts:
        first = host.partition(b",")[0].strip()
        yield Name(first, prefix)
        if port.isdigit():
            yield Name(first.partition(b":")[0] + b":" + port, prefix)


def _is_told(found: Diagnosis, request: Request) -> bool:
    """Whether a header of a proxy says the name that was signed."""
    if X_FORWARDED.isdisjoint(request.headers):
        return False
    prefixes, hosts = zip(*((_text(name.prefix), _text(name.host)) for name in _told(request)), strict=True)
    return found.signed in hosts or any(prefix and found.signed.startswith(prefix) for prefix in prefixes)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
