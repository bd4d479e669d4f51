"""`storage`: one word for each thing an operator does."""

import os
import sys

import typer

app = typer.Typer(no_args_is_help=True, add_completion=True, help="SelfDB Storage Service")


@app.callback()
def main() -> None:
    """Settings come from the environment and from `.env` in this directory."""


@app.command()
def serve() -> None:
    """Serve STORAGE_PATH on HOST:PORT with WORKERS workers until SIGTERM."""
    # A fresh interpreter: the supervisor need not carry the command line's memory.
    os.execv(sys.executable, [sys.executable, "-m", "storage_service.app.process.supervisor"])  # noqa: S606


if __name__ == "__main__":
    app()
