"""Faults on the way from a client to the service: public address, certificate, and the proxy in front."""

import http.client
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from storage_service.app.core.config import Settings
from storage_service.app.process.doctor.fault import Fault
from storage_service.app.wiring import make_verifier

PROXY = "see docs/nginx.md; nginx/ has files that work"
LARGE_BYTES = 64 << 20  # announced and never sent: more than any proxy lets through by default
CLOCK_SECONDS = 60
# Nobody's bucket: the path comes back in the error, as the service was asked for it.
STRANGE_PATH = "/files/download/doctor/a%2Fb//c%20d"
TOKEN_SECONDS = 60


def faults(settings: Settings, timeout_seconds: float) -> Iterator[Fault]:
    """The first thing that is wrong with the address; if it leads here, all that is wrong with the way."""
    url = settings.storage_service_public_url
    # trust_env: a client's way is meant, not this machine's way out
    with httpx.Client(timeout=timeout_seconds, trust_env=False, verify=ssl.create_default_context()) as client:
        try:
            answer = client.get(f"{url}/health")
        except httpx.TransportError as error:
            yield _unreachable(url, error)
            return
        if (fault := _foreign(url, answer)) is not None:
            yield fault
            return
        yield from _clock(url, answer)
        yield from _same_secret(settings, client, url)
        yield from _paths(client, url)
    yield from _uploads(url, timeout_seconds)


def _unreachable(url: str, error: httpx.TransportError) -> Fault:
    cause = error.__cause__
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        detail = f"clients cannot trust the certificate of {url}: {cause.verify_message}"
        return Fault("public_certificate", detail, "install one for that name, with its chain, from a known authority")
    detail = f"STORAGE_SERVICE_PUBLIC_URL {url} cannot be reached from here: {error or type(error).__name__}"
    return Fault("public_unreachable", detail, "correct it, or look at DNS, firewall and proxy")


def _foreign(url: str, answer: httpx.Response) -> Fault | None:
    if answer.is_redirect:
        target = answer.headers.get("location", "").removesuffix("/health")
        detail = f"STORAGE_SERVICE_PUBLIC_URL {url} redirects to {target}: signed links and uploads do not survive that"
        return Fault("public_redirects", detail, f"set STORAGE_SERVICE_PUBLIC_URL={target}")
    try:
        if answer.json()["service"] == "storage":
            return None
    except (ValueError, KeyError, TypeError):
        pass
    detail = f"what answers at {url}/health ({answer.status_code}) is not this service"
    return Fault("public_foreign", detail, f"correct STORAGE_SERVICE_PUBLIC_URL, its path too, or the proxy: {PROXY}")


def _clock(url: str, answer: httpx.Response) -> Iterator[Fault]:
    try:
        there = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return
    differs = int(time.time() - there)
    if abs(differs) > CLOCK_SECONDS:
        detail = (
            f"this machine's clock and that of {url} differ by {abs(differs)} s: links and tokens end at the wrong time"
        )
        yield Fault("clock_differs", detail, "set both clocks (NTP)")


def _same_secret(settings: Settings, client: httpx.Client, url: str) -> Iterator[Fault]:
    token = make_verifier(settings).mint("doctor", TOKEN_SECONDS)
    answer = client.get(f"{url}/buckets", headers={"authorization": f"Bearer {token}"})
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        detail = f"{url} refuses tokens that are signed here: it has another SECRET_KEY, or the proxy takes the header"
        fix = f"restart the service with the new key, or pass Authorization on: {PROXY}"
        yield Fault("public_other_secret", detail, fix)


def _paths(client: httpx.Client, url: str) -> Iterator[Fault]:
    answer = client.get(httpx.URL(f"{url}{STRANGE_PATH}"))
    try:
        arrived = answer.json()["instance"]
    except (ValueError, KeyError, TypeError):
        arrived = f"an answer of somebody else, {answer.status_code}"
    if arrived != STRANGE_PATH:
        detail = f"asked for {STRANGE_PATH}, the service saw {arrived}: the proxy changes paths, so keys go wrong"
        yield Fault("proxy_paths", detail, f"pass paths on as they were sent: {PROXY}")


def _uploads(url: str, timeout_seconds: float) -> Iterator[Fault]:
    """Announce a large upload without a credential: the service says no at once, whoever else answers is in its way."""
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=timeout_seconds)
    try:
        connection.putrequest("PUT", f"{parts.path}/files/upload-direct/doctor/a")
        connection.putheader("Content-Length", str(LARGE_BYTES))
        connection.endheaders()
        answer = connection.getresponse()
    except TimeoutError:
        detail = f"{url} keeps uploads back until they are complete"
        yield Fault("proxy_buffers", detail, f"nginx: proxy_request_buffering off; {PROXY}")
        return
    except OSError as error:
        yield Fault("proxy_uploads", f"{url} breaks uploads off: {error or type(error).__name__}", PROXY)
        return
    finally:
        connection.close()
    if answer.status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        detail = f"{url} refuses uploads of {LARGE_BYTES >> 20} MiB"
        yield Fault("proxy_size", detail, f"nginx: client_max_body_size 0; {PROXY}")
