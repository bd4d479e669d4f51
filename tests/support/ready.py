"""Waiting: for what something else does, and for a service that something else has started."""

import time
from collections.abc import Callable

import httpx

LONG_SECONDS = 60.0  # on a slow and shared machine; most of what is waited for takes a moment


def wait_until(holds: Callable[[], bool], seconds: float = LONG_SECONDS, tell: Callable[[], object] = str) -> None:
    """Until it holds. Raises: TimeoutError with what `tell` gives."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(tell())
        time.sleep(0.05)


def wait_until_ready(url: str, seconds: float = LONG_SECONDS, path: str = "/readyz") -> None:
    """Until `path` answers 200. Raises: TimeoutError."""
    wait_until(lambda: _answers(f"{url}{path}"), seconds, lambda: f"{url} does not become ready")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
