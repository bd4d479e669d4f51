"""A PostgreSQL of the test run's own: a fresh cluster, a private socket, no port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.tools import require_tool

USER = "postgres"


@contextmanager
def postgres() -> Iterator[str]:
    """Its SQLAlchemy URL. As root it runs as the user of Debian's package: it refuses to run as root."""
    initdb, pg_ctl = require_tool("initdb"), require_tool("pg_ctl")
    # Short, as the path of a socket must be, and reachable for the other user.
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = USER if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(home, user)
    data = home / "data"

    def run(*command: str) -> None:
        subprocess.run(command, cwd=home, user=user, check=True, stdout=subprocess.DEVNULL, timeout=120)

    try:
        run(initdb, "-D", str(data), "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories='{home}' -c fsync=off"
        run(pg_ctl, "-D", str(data), "-l", str(home / "log"), "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://{USER}@/postgres?host={home}"
        finally:
            run(pg_ctl, "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
