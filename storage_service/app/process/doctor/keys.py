"""Faults of secrets, certificates and whom the service believes."""

import ssl
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from storage_service.app.core.config import Settings, check_secret
from storage_service.app.process.doctor.fault import Fault
from storage_service.app.process.tls import BadCertificate, make_context

ENV_FILE = Path(".env")
SOON_DAYS = 14  # certificates that renew themselves do so a month before the end
DAY_SECONDS = 86_400


def faults(settings: Settings) -> Iterator[Fault]:
    if weakness := check_secret(settings, "localhost"):
        yield Fault(
            "secret_weak", weakness.partition(". ")[0], "make a new one: openssl rand -base64 48; see docs/keys.md"
        )
    if len(set(settings.secrets)) < len(settings.secrets):
        detail = "SECRET_KEY_PREVIOUS is the same as SECRET_KEY: the key was not changed"
        yield Fault("secret_unchanged", detail, "set a new SECRET_KEY, or take SECRET_KEY_PREVIOUS out")
    if ENV_FILE.is_file() and stat.S_IMODE(ENV_FILE.stat().st_mode) & 0o077:
        yield Fault("env_file_open", f"{ENV_FILE.absolute()} can be read by other users", f"chmod 600 {ENV_FILE}")
    for network in settings.trusted_proxies:
        if network.prefixlen == 0:
            detail = f"TRUSTED_PROXIES {network} is everybody: any client may say who it is"
            yield Fault("proxies_everybody", detail, "name the addresses of your proxies alone")
    if settings.tls_pair is not None:
        yield from _certificate(*settings.tls_pair, settings.storage_service_public_url)


def _certificate(cert: Path, key: Path, public_url: str) -> Iterator[Fault]:
    try:
        server = make_context(cert, key)
    except BadCertificate as error:
        yield Fault("tls_pair", str(error), "put a certificate and its own key there; docs/production.md shows how")
        return
    if stat.S_IMODE(key.stat().st_mode) & 0o007:
        yield Fault("tls_key_open", f"TLS_KEY {key} can be read by everybody", f"chmod o= {key}")
    public = urlsplit(public_url)
    if public.scheme != "https":
        detail = f"the service speaks HTTPS, and STORAGE_SERVICE_PUBLIC_URL is {public_url}"
        yield Fault("public_url_scheme", detail, "begin it with https://")
    try:
        ends = _end_of(server, cert)
    except ssl.SSLCertVerificationError as error:
        yield Fault("tls_certificate", f"TLS_CERT {cert}: {error.verify_message}", "renew it")
        return
    if ends - time.time() < SOON_DAYS * DAY_SECONDS:
        days = int((ends - time.time()) / DAY_SECONDS)
        yield Fault(
            "tls_ends_soon", f"TLS_CERT {cert} ends in {days} days", "renew it; it is taken up without a restart"
        )


def _end_of(server_context: ssl.SSLContext, cert: Path) -> float:
    """Seconds since 1970 when the certificate ends: shown in a handshake that stays in memory.

    Raises: ssl.SSLCertVerificationError if it has ended, or has not begun.
    """
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.load_verify_locations(cert)
    client_context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # its own word is enough: only the dates are asked
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(one, other, server_side=True)
    client = client_context.wrap_bio(other, one)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return ssl.cert_time_to_seconds(str((client.getpeercert() or {})["notAfter"]))
