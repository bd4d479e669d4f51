"""`storage`: one word for each thing an operator does.

Exit codes: 0 done or well, 1 problems were found, 2 wrong usage, 3 refused. What is refused is one line on stderr.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from storage_service.cli import (
    adopt,
    backup,
    buckets,
    copying,
    credentials,
    demo,
    doctor,
    documents,
    exporting,
    finding,
    links,
    moving,
    objects,
    origins,
    removing,
    repair,
    running,
    usage,
    watching,
)

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
watching.register(app)
running.register(app)
repair.register(app)
adopt.register(app)
backup.register(app)
doctor.register(app)
credentials.register(app)
for commands in (
    buckets,
    objects,
    finding,
    copying,
    removing,
    exporting,
    links,
    usage,
    demo,
    documents,
    moving,
    origins,
):
    commands.register(app)


@app.callback()
def main() -> None:
    """Self-hosted object storage whose files stay files.

    Settings come from the environment and from `.env` in this directory. `storage demo` makes something to look at.
    """


@app.command()
def serve(
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file: certificate and chain (TLS_CERT).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file: its key (TLS_KEY).")] = None,
) -> None:
    """Serve STORAGE_PATH on HOST:PORT with WORKERS workers until SIGTERM; with a certificate by HTTPS."""
    for name, path in (("TLS_CERT", tls_cert), ("TLS_KEY", tls_key)):
        if path is not None:
            os.environ[name] = os.fspath(path)
    # A fresh interpreter: the service need not carry the memory of the command line.
    os.execv(sys.executable, [sys.executable, "-m", "storage_service.app.process.launch"])  # noqa: S606


if __name__ == "__main__":
    app()
