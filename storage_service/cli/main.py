"""`storage`: one word for each thing an operator does.

Exit codes: 0 done or well, 1 problems were found, 2 wrong usage, 3 refused. What is refused is one line on stderr.
"""

import os
import sys

import typer

from storage_service.cli import credentials, repair, running

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Object storage: plain files, a JSON door."
)
running.register(app)
repair.register(app)
credentials.register(app)


@app.callback()
def main() -> None:
    """Settings come from the environment and from `.env` in this directory."""


@app.command()
def serve() -> None:
    """Serve STORAGE_PATH on HOST:PORT with WORKERS workers until SIGTERM."""
    # A fresh interpreter: the service need not carry the memory of the command line.
    os.execv(sys.executable, [sys.executable, "-m", "storage_service.app.process.launch"])  # noqa: S606


if __name__ == "__main__":
    app()
