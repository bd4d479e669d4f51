"""`storage watch`: what changes, as it changes."""

import json as jsons
from typing import TYPE_CHECKING, Annotated

import typer

from storage_service.cli.completion import complete_stored
from storage_service.cli.connect import connected
from storage_service.cli.objects import BEGIN
from storage_service.cli.parameters import OBJECTS, Access, AsJson, expanded
from storage_service.cli.places import Stored, parse_stored
from storage_service.cli.show import plain, size_of, time_of

if TYPE_CHECKING:
    from storage_service.client import Event

PATIENCE = 1_000_000  # failures in a row: whoever watches ends it himself


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=OBJECTS)(expanded(watch))


def watch(
    place: Annotated[
        Stored | None,
        typer.Argument(parser=parse_stored, metavar="[BUCKET[/PREFIX]]", help=BEGIN, autocompletion=complete_stored),
    ] = None,
    after: Annotated[int | None, typer.Option(min=0, help="First what came after this id; 0 = all there is.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many.")] = None,
    json: AsJson = False,
    *,
    access: Access,
) -> None:
    """Print changes of all you may list, or of a bucket or prefix, until Ctrl-C. With --json a line for each.

    A broken connection is taken up again, and nothing is missed.
    """
    bucket, prefix = (place.bucket, place.key) if place is not None else (None, "")
    with connected(access) as client:
        client.health()  # an address where nobody answers is told at once
    with connected(access, retries=PATIENCE) as client:
        for number, event in enumerate(client.follow(after=after, bucket=bucket, prefix=prefix), 1):
            typer.echo(jsons.dumps(event.record, ensure_ascii=False) if json else _line(event))
            if number == count:
                return


def _line(event: "Event") -> str:
    at = "" if event.at is None else time_of(event.at)
    where = event.bucket if event.key is None else f"{event.bucket}/{event.key}"
    size = "" if event.size is None else size_of(event.size)
    return f"{at:20}  {event.event:<16}  {size:>10}  {plain(where)}".rstrip()
