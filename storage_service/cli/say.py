"""How commands speak: results on stdout, everything else on stderr, one line for what is refused."""

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import typer

FOUND = 1  # problems, or nothing where something was asked for
REFUSED = 3


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn what a command may not do into its one line and exit code."""
    from storage_service.app.process.admin import Refused

    try:
        yield
    except Refused as error:
        refuse(str(error))


def refuse(message: str) -> NoReturn:
    typer.echo(f"storage: {'; '.join(message.splitlines())}", err=True)
    raise typer.Exit(REFUSED)


def found(message: str) -> NoReturn:
    """End with the code that says: not as it should be."""
    if message:
        typer.echo(message, err=True)
    raise typer.Exit(FOUND)


def as_json(record: Any) -> None:
    typer.echo(json.dumps(record, indent=2, ensure_ascii=False))


def as_json_list(records: Iterable[Any]) -> None:
    """An array, a record on each line, as they come: a list may be long."""
    before = "[\n"
    for record in records:
        typer.echo(f"{before}{json.dumps(record, ensure_ascii=False)}", nl=False)
        before = ",\n"
    typer.echo("[]" if before == "[\n" else "\n]")


class Progress:
    """A line on a terminal that is written over; nothing elsewhere."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def say(self, text: str) -> None:
        if self._shown:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def end(self) -> None:
        self.say("")
