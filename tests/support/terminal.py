"""What a program shows to somebody at a terminal."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple


class Seen(NamedTuple):
    """`shown`: what standard error had, a terminal; `printed`: standard output, a pipe."""

    code: int
    shown: str
    printed: str


def at_a_terminal(**process: Any) -> Seen:
    """Run it to its end; arguments as `subprocess.Popen` takes them."""
    master, slave = os.openpty()
    with subprocess.Popen(**process, stdout=subprocess.PIPE, stderr=slave) as running:
        os.close(slave)
        shown = "".join(_read_all(master))
        assert running.stdout is not None
        printed = running.stdout.read()
    os.close(master)
    return Seen(running.returncode, shown, printed)


def _read_all(terminal: int) -> Iterator[str]:
    """Until whoever writes to it has ended: then Linux says EIO."""
    with contextlib.suppress(OSError):
        while chunk := os.read(terminal, 10_000):
            yield chunk.decode(errors="replace")
