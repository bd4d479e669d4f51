"""TLS for a service without a proxy in front: the pair TLS_CERT and TLS_KEY, read again once it was renewed."""

import logging
import ssl
import threading
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0  # between looks at the files: certificates are renewed weeks before they end


class BadCertificate(Exception):
    """The pair cannot be used; the message is the one line to show."""


def make_context(cert: Path, key: Path) -> ssl.SSLContext:
    """A server's context, TLS 1.2 and newer. Raises: BadCertificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_pair(context, cert, key)
    return context


def load_pair(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    """New connections use this pair; those that are open keep theirs. Raises: BadCertificate."""
    _check_readable("TLS_CERT", cert)
    _check_readable("TLS_KEY", key)
    try:
        context.load_cert_chain(cert, key, password="")  # else OpenSSL asks at the terminal # nosec B106
    except (ssl.SSLError, OSError) as error:
        words = error.strerror or getattr(error, "reason", None) or "not PEM"
        raise BadCertificate(
            f"TLS_CERT {cert} and TLS_KEY {key} are no pair that can be used ({words}):"
            " both must be PEM, belong together, and the key bear no password"
        ) from None


def _check_readable(name: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise BadCertificate(f"{name} {path} cannot be read: {error.strerror}") from None


class Renewal(threading.Thread):
    """Loads the pair again when its files have changed; a bad one is told once, and the old one goes on."""

    def __init__(self, context: ssl.SSLContext, cert: Path, key: Path, look_seconds: float = LOOK_SECONDS) -> None:
        super().__init__(name="tls-renewal", daemon=True)
        self._context = context
        self._pair = (cert, key)
        self._look_seconds = look_seconds
        self._ended = threading.Event()
        self._seen = self._stamps()

    def run(self) -> None:
        while not self._ended.wait(self._look_seconds):
            stamps = self._stamps()
            if stamps != self._seen:
                self._seen = stamps
                self._reload()

    def end(self) -> None:
        self._ended.set()
        self.join()

    def _reload(self) -> None:
        try:
            make_context(*self._pair)  # a context that has taken half a pair would refuse everyone
            load_pair(self._context, *self._pair)
        except BadCertificate as error:
            log.error("the old certificate stays: %s", error)
        else:
            log.warning("the certificate was renewed")

    def _stamps(self) -> list[tuple[int, int] | None]:
        found: list[tuple[int, int] | None] = []
        for path in self._pair:
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_ino, status.st_mtime_ns))
        return found
