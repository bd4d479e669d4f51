"""Commands about tokens and keys."""

from pathlib import Path
from typing import Annotated

import typer

from storage_service.cli import access_keys
from storage_service.cli.say import refusals, refuse

DAY_SECONDS = 86_400

keys_app = typer.Typer(invoke_without_command=True, help="The keys in effect; S3 access keys.")


def register(app: typer.Typer) -> None:
    app.command()(token)
    app.add_typer(keys_app, name="keys")
    access_keys.register(keys_app)


def token(
    subject: Annotated[str, typer.Argument(help="The user's id or e-mail address: the claim `sub`.")],
    days: Annotated[float, typer.Option(min=0, help="How long it holds.")] = 1.0,
    ttl: Annotated[int | None, typer.Option(min=1, help="The same in seconds; wins over --days.")] = None,
    claim: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A further claim.")] = None,
) -> None:
    """Print a login token, signed with SECRET_KEY."""
    claims = dict(_claim(text) for text in claim or [])
    with refusals():
        from storage_service.app.process.credentials import mint

        typer.echo(mint(subject, ttl if ttl is not None else int(days * DAY_SECONDS), claims))


def _claim(text: str) -> tuple[str, str | int | bool]:
    """`true`, `false` and whole numbers become what they look like; everything else is text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
    if name in {"sub", "iat", "exp"}:
        raise typer.BadParameter(f"{name} is set by the argument and by --days or --ttl")
    if value in {"true", "false"}:
        return name, value == "true"
    return name, int(value) if value.isascii() and value.isdigit() else value


@keys_app.callback()
def keys(
    context: typer.Context,
    reveal: Annotated[bool, typer.Option("--reveal", help="Print the secrets themselves.")] = False,
) -> None:
    """Which keys are in effect; secrets are masked."""
    if context.invoked_subcommand is not None:
        return
    with refusals():
        from rich.console import Console
        from rich.table import Table

        from storage_service.app.process.credentials import credentials

        found = credentials()
    if reveal:  # as in a .env, so that it can be piped
        for credential in found:
            typer.echo(f"{credential.name}={credential.value or ''}")
        return
    table = Table("name", "value", "use", box=None, pad_edge=False)
    for credential in found:
        table.add_row(credential.name, credential.masked, credential.use)
    Console(soft_wrap=True).print(table)


@keys_app.command()
def generate(
    env: Annotated[Path, typer.Option(help="The file to add them to.")] = Path(".env"),
) -> None:
    """Add strong random secrets that neither the environment nor the file has; what is there stays."""
    import os

    from storage_service.cli.local_env import add_secrets, present

    try:
        added = add_secrets(env, present(env, os.environ))
    except OSError as error:
        refuse(f"Cannot write {env}: {error.strerror}")
    typer.echo(f"{env}: added {', '.join(added)}" if added else f"{env}: nothing is missing")
