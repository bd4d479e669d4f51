"""A real Chromium."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.tools import require_tool

PATIENCE_MS = 60_000  # a condition comes within milliseconds, on a slow and shared machine within seconds


@contextmanager
def chromium() -> Iterator[Browser]:
    """End it with the module: while its driver runs, no test of this process may have an event loop of its own."""
    program = require_tool("chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=[*arguments, "--disable-dev-shm-usage"])
        try:
            yield found
        finally:
            found.close()
