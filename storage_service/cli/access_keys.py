"""Commands about S3 access keys: `storage keys create | list | revoke`."""

from typing import Annotated, Any

import typer

from storage_service.cli.say import as_json, refusals

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(keys_app: typer.Typer) -> None:
    keys_app.command()(create)
    keys_app.command("list")(list_keys)
    keys_app.command()(revoke)


def create(
    owner: Annotated[str, typer.Option(help="Id of the user whose key it is.")] = "@service",
    bucket: Annotated[
        list[str] | None, typer.Option(metavar="BUCKET[/PREFIX]", help="Where it may act; all if left out.")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(metavar="ACTION", help="read, write, delete or list; all if left out.")
    ] = None,
    days: Annotated[
        float | None, typer.Option(min=0.001, max=36_500, help="How long it holds; for ever if left out.")
    ] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    json: AsJson = False,
) -> None:
    """Make an S3 access key. Its secret is printed now and never again."""
    with refusals():
        from storage_service.app.process.access_keys import Wanted
        from storage_service.app.process.access_keys import create as make

        record = make(Wanted(owner, bucket or (), allow or (), days, description))
    if json:
        as_json(record)
        return
    typer.echo(f"AWS_ACCESS_KEY_ID={record['access_key']}")
    typer.echo(f"AWS_SECRET_ACCESS_KEY={record['secret_key']}")


def list_keys(
    every: Annotated[bool, typer.Option("--all", help="Revoked ones, too.")] = False,
    json: AsJson = False,
) -> None:
    """The S3 access keys of the store, without their secrets; the root pair is in the settings."""
    with refusals():
        from storage_service.app.process.access_keys import list_all

        records = list_all(with_revoked=every)
    if json:
        as_json(records)
        return
    _print(records)


def _print(records: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "access key", "owner", "where", "may", "expires", "last used", "description", box=None, pad_edge=False
    )
    for record in records:
        ends = f"revoked {record['revoked_at']}" if record["revoked_at"] else record["expires_at"] or "never"
        table.add_row(
            record["access_key"],
            record["owner"],
            ", ".join(record["buckets"]) or "everywhere",
            ", ".join(record["actions"]),
            ends,
            record["last_used_at"] or "never",
            record["description"],
        )
    Console(soft_wrap=True).print(table)


def revoke(
    access_key: Annotated[str, typer.Argument(metavar="ACCESS_KEY", help="Its id, as `storage keys list` has it.")],
) -> None:
    """Refuse this key from the next request on. What it wrote stays."""
    with refusals():
        from storage_service.app.process.access_keys import revoke as end

        end(access_key)
    typer.echo(f"{access_key} is revoked.")
