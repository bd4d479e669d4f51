"""`storage adopt`: plain files become objects."""

from pathlib import Path
from typing import Annotated, Any

import typer

from storage_service.cli.parameters import MOVING
from storage_service.cli.say import Progress, as_json, found, refusals


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=MOVING)(adopt)


def adopt(
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIRECTORY]",
            help="Its directories are buckets, as SelfDB has them. Left out: what lies in STORAGE_PATH.",
        ),
    ] = None,
    bucket: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:public][:OWNER]", help="Only this one, and how to make it; may be given again."),
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Share the bytes instead of copying. I promise that nobody writes into them.")
    ] = False,
    names: Annotated[
        Path | None, typer.Option(help="What the backend knew of the files: a plain pg_dump of its tables, or a CSV.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make objects of plain files: of a SelfDB directory, or of what was dropped into a bucket. Repeatable."""
    with refusals():
        from storage_service.app.process.adopt import NewBucket, Wanted
        from storage_service.app.process.adopt import adopt as take

        line = Progress()
        buckets = [NewBucket(*_parse(text)) for text in bucket or ()]
        wanted = Wanted(directory, buckets, link, dry_run, names)
        record = take(wanted, lambda done: line.say(f"{done} files"))
        line.end()
    if json:
        as_json(record)
    else:
        _print(record)
    if record["left"]:
        found("" if json else "storage: what is named above was left alone")


def _parse(text: str) -> tuple[str, bool, str]:
    """Name, whether it is public, owner."""
    name, *words = text.split(":")
    owners = [word for word in words if word != "public"]
    if not name or len(owners) > 1:
        raise typer.BadParameter(f"{text!r} is not NAME[:public][:OWNER]")
    return name, "public" in words, owners[0] if owners else ""


def _print(record: dict[str, Any]) -> None:
    verb = "would be adopted" if record["dry_run"] else "adopted"
    for name, done in record["buckets"].items():
        kind = ("new, " if done["new"] else "") + ("public" if done["public"] else "private")
        there = f", {done['there']} there already" if done.get("there") else ""
        size = done.get("bytes", 0)
        typer.echo(f"{name} ({kind}, of {done['owner']}): {done.get('adopted', 0)} files {verb} ({size} bytes){there}")
    for left in record["left"]:
        typer.echo(f"left alone: {'/'.join(part for part in (left['bucket'], left['key']) if part)}: {left['reason']}")
