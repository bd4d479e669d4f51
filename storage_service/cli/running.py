"""Commands about a running service: is it well, has it written everything down."""

from typing import Annotated, Any

import typer

from storage_service.cli.say import found, refusals


def register(app: typer.Typer) -> None:
    app.command()(health)
    app.command()(settle)


def health(
    strict: Annotated[bool, typer.Option(help="Exit 1 for problems too, not only when it is not ready.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.")] = 5.0,
) -> None:
    """Whether the service at PORT is ready; its problems, if it has any."""
    with refusals():
        from storage_service.app.process.probe import health as ask

        record = ask(timeout)
    state = "ready" if record["ready"] else "not ready"
    typer.echo(f"{record['status']}, {state} ({record['url']})")
    for problem in record["problems"]:
        typer.echo(f"  {problem}")
    if not record["ready"] or (strict and record["problems"]):
        raise typer.Exit(1)


def settle(
    wait: Annotated[bool, typer.Option("--wait", help="Wait for a running service to have done it.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds to wait at most.")] = None,
) -> None:
    """Have everything that was acknowledged until now stand in plain files.

    A running service does this by itself; without one, this command does it.
    """
    with refusals():
        from storage_service.app.process import admin

        debt: dict[str, Any] = admin.settle(timeout, wait=wait)
    if debt["parked"]:
        found(f"storage: {debt['parked']} changes could not be written to files; see `storage check`")
    if debt["waiting"]:
        found(f"storage: {debt['waiting']} changes are not written to files yet")
    typer.echo("Everything is settled.")
