"""Asking the running service how it is, over HTTP: what `storage health` prints. Needs no curl in an image."""

from typing import Any

import httpx

from storage_service.app.core.config import BadSettings, Settings, load
from storage_service.app.process.admin import UNUSED_SECRET, Refused

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # nosec B104 # noqa: S104 (an address to ask, not to listen on)


def health(timeout_seconds: float) -> dict[str, Any]:
    """`url`, `ready`, `status` and `problems` of the service at PORT; `status` is `down` when nothing answers.

    By HTTPS, too, where no certificate is set: its command line may have named one (`--tls-cert`, MinIO's
    `--certs-dir`), which whoever asks for its health is not told.
    """
    try:
        settings = load(secret_key=UNUSED_SECRET)
    except BadSettings as error:
        raise Refused(str(error)) from None
    url = url_of(settings)
    found = _ask(url, timeout_seconds)
    if found["status"] != "down" or settings.tls_pair:
        return found
    by_https = _ask(url.replace("http://", "https://", 1), timeout_seconds)
    return found if by_https["status"] == "down" else by_https


def _ask(url: str, timeout_seconds: float) -> dict[str, Any]:
    try:
        # trust_env: a proxy of the environment has no business between a service and its own machine.
        # verify: it is our own port, asked by an address that no certificate names.
        with httpx.Client(base_url=url, timeout=timeout_seconds, trust_env=False, verify=False) as client:  # noqa: S501 # nosec B501
            ready = client.get("/readyz").status_code == httpx.codes.OK
            record = client.get("/health").json()
    except (httpx.HTTPError, ValueError) as error:
        detail = f"nothing answers at {url}: {error or type(error).__name__}"
        return {"url": url, "ready": False, "status": "down", "problems": [detail]}
    return {
        "url": url,
        "ready": ready,
        "status": str(record.get("status", "unknown")),
        "problems": list(record.get("problems", ())),
    }


def reached_at(settings: Settings) -> str:
    """By which clients on this machine reach it. Of HTTPS the public one: certificates are made for that name."""
    return settings.storage_service_public_url if settings.tls_pair else url_of(settings)


def url_of(settings: Settings) -> str:
    """The address by which this machine reaches the service."""
    host = EVERYWHERE.get(settings.host, settings.host)
    scheme = "https" if settings.tls_pair else "http"
    return f"{scheme}://[{host}]:{settings.port}" if ":" in host else f"{scheme}://{host}:{settings.port}"
