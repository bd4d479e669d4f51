"""`storage doctor`: what is amiss, and what helps."""

from typing import Annotated

import typer

from storage_service.cli.say import as_json, refusals


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for each answer.")] = 5.0,
) -> None:
    """Look at keys, directory, disk, clock, service, public address and proxy. Exit code 1 when something is amiss."""
    with refusals():
        from storage_service.app.process.doctor import examine

        found = examine(timeout)
    if json:
        as_json({"ok": not found, "faults": [fault._asdict() for fault in found]})
    else:
        for fault in found:
            typer.echo(f"{fault.code}: {fault.detail}\n  fix: {fault.fix}")
        typer.echo(f"{len(found)} faults" if found else "All is well.")
    if found:
        raise typer.Exit(1)
