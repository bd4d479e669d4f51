"""Waiting for a service that something else has started."""

import time

import httpx


def wait_until_ready(url: str, seconds: float = 60.0, path: str = "/readyz") -> None:
    """Until `path` answers 200. Raises: TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}{path}").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"{url} does not become ready")
