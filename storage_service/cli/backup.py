"""`storage backup` and `storage restore`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from storage_service.cli.say import Progress, as_json, found, refusals

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore)


def backup(
    target: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", help="Where the backups are; made if it is not there.")
    ],
    keep: Annotated[
        int | None, typer.Option(min=1, help="Remove older ones afterwards, so that so many are left.")
    ] = None,
    link: Annotated[
        bool,
        typer.Option("--link", help="On the same disk: share the bytes. I promise that nobody writes into them."),
    ] = False,
    secrets: Annotated[bool, typer.Option(help="Take along what opens the secrets of access keys.")] = True,
    json: AsJson = False,
) -> None:
    """Copy the store as it is at one instant, while it serves. Only what is new since the last backup is copied."""
    with refusals():
        from storage_service.app.process.backup import Wanted
        from storage_service.app.process.backup import backup as make

        line = Progress()
        record = make(Wanted(target, keep, link, secrets), lambda done: line.say(f"{done} versions"))
        line.end()
    if json:
        as_json(record)
    else:
        _print(record, "backed up")
        for name in record["removed"]:
            typer.echo(f"removed {name}")
    _end(record)


def restore(
    source: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where the backups are, or one of them.")],
    name: Annotated[str | None, typer.Option("--at", help="Which one; the newest if left out.")] = None,
    json: AsJson = False,
) -> None:
    """Fill STORAGE_PATH, an empty directory, from a backup. Then start the service."""
    with refusals():
        from storage_service.app.process.backup import restore as bring_back

        line = Progress()
        record = bring_back(source, name, lambda done: line.say(f"{done} versions"))
        line.end()
    if json:
        as_json(record)
    else:
        _print(record, "restored")
    _end(record)


def _print(record: dict[str, Any], done: str) -> None:
    typer.echo(
        f"{record['objects']} objects ({record['bytes']} bytes) {done}: {record['path']}\n"
        f"{record['new']} blobs copied ({record['new_bytes']} bytes), {record['same']} were there already"
    )
    for damaged in record["damaged"]:
        typer.echo(f"damaged: {damaged['bucket']}/{damaged['key']} ({damaged['version_id']}): {damaged['detail']}")


def _end(record: dict[str, Any]) -> None:
    if record["damaged"]:
        found("storage: some objects are damaged; everything else is there")
