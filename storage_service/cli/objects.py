"""Commands that look at objects: `ls`, `cat`, `du`."""

import sys
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storage_service.cli.completion import complete_stored
from storage_service.cli.connect import connected
from storage_service.cli.parameters import OBJECTS, Access, AsJson, examples, expanded
from storage_service.cli.places import Stored, parse_object, parse_stored
from storage_service.cli.say import as_json_list, found
from storage_service.cli.show import plain, size_of, time_of

if TYPE_CHECKING:
    from storage_service.client import Bucket, FileInfo, Prefix

BEGIN = "A bucket, or of it what begins so: photos/2026/."
Where = Annotated[
    Stored,
    typer.Argument(parser=parse_stored, metavar="BUCKET[/PREFIX]", help=BEGIN, autocompletion=complete_stored),
]
Objects = Annotated[
    list[Stored],
    typer.Argument(
        parser=parse_stored,
        metavar="BUCKET/KEY...",
        help="Objects; with -r what their keys begin with.",
        autocompletion=complete_stored,
    ),
]
OneObject = Annotated[
    Stored,
    typer.Argument(parser=parse_object, metavar="BUCKET/KEY", help="An object.", autocompletion=complete_stored),
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="All below it, too.")]


def register(app: typer.Typer) -> None:
    listing = examples("storage ls", "storage ls photos/2026/", "storage ls -r photos --json")
    app.command(rich_help_panel=OBJECTS, epilog=listing)(expanded(ls))
    app.command(rich_help_panel=OBJECTS)(expanded(cat))
    app.command(rich_help_panel=OBJECTS)(expanded(du))


def ls(
    place: Annotated[
        Stored | None,
        typer.Argument(parser=parse_stored, metavar="[BUCKET[/PREFIX]]", help=BEGIN, autocompletion=complete_stored),
    ] = None,
    recursive: Recursive = False,
    json: AsJson = False,
    *,
    access: Access,
) -> None:
    """The buckets, or what a bucket holds: one level, like a directory. Exit code 1 when nothing is there."""
    with connected(access) as client:
        if place is None:
            buckets = client.buckets.list()
            _print((bucket.record for bucket in buckets), (bucket_line(bucket) for bucket in buckets), json)
            return
        bucket = client.bucket(place.bucket)
        entries = bucket.list(place.key) if recursive else bucket.list(place.key, delimiter="/")
        first = next(entries, None)
        if first is None:
            client.buckets.get(place.bucket)  # says so if it is the bucket that is missing
            if place.key:
                found(f"storage: there is nothing at {plain(str(place))}")
        listed = entries if first is None else chain([first], entries)
        if json:
            as_json_list(_record(entry) for entry in listed)
            return
        for entry in listed:
            typer.echo(_line(entry))


def bucket_line(bucket: Any) -> str:
    access = "public" if bucket.public else "private"
    count = f"{bucket.file_count} files"
    return f"{time_of(bucket.created_at)}  {size_of(bucket.total_bytes):>10}  {count:>12}  {access:<7}  {bucket.name}"


def _print(records: Iterator[Any], lines: Iterator[str], json: bool) -> None:
    if json:
        as_json_list(records)
        return
    for line in lines:
        typer.echo(line)


def _record(entry: "FileInfo | Prefix") -> dict[str, Any]:
    from storage_service.client import Prefix

    return {"prefix": entry.name} if isinstance(entry, Prefix) else dict(entry.record)


def _line(entry: "FileInfo | Prefix") -> str:
    from storage_service.client import Prefix

    if isinstance(entry, Prefix):
        return f"{'':20}  {'':>10}  {plain(entry.name)}"
    return f"{time_of(entry.updated_at)}  {size_of(entry.size):>10}  {plain(entry.key)}"


def cat(
    places: Annotated[
        list[Stored],
        typer.Argument(parser=parse_object, metavar="BUCKET/KEY...", help="Objects.", autocompletion=complete_stored),
    ],
    *,
    access: Access,
) -> None:
    """Write what objects hold to standard output, one after the other."""
    with connected(access) as client:
        for place in places:
            with client.bucket(place.bucket).get(place.key) as content:
                for chunk in content.iter_bytes():
                    sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def du(
    place: Where,
    depth: Annotated[int, typer.Option(min=0, help="Levels to tell apart.")] = 1,
    json: AsJson = False,
    *,
    access: Access,
) -> None:
    """How much lies in a bucket or below a prefix, in all and by level."""
    with connected(access) as client:
        totals = _totals(client.bucket(place.bucket), place.directory, depth)
    if json:
        as_json_list({"prefix": name, "files": files, "bytes": size} for name, (files, size) in totals.items())
        return
    for name, (files, size) in totals.items():
        typer.echo(f"{size_of(size):>10}  {files:>9} files  {plain(f'{place.bucket}/{name}')}")


def _totals(bucket: "Bucket", top: str, depth: int) -> dict[str, tuple[int, int]]:
    """(files, bytes) by prefix, down to `depth` levels; the whole of it last."""
    counted: dict[str, tuple[int, int]] = {}
    for info in bucket.list(top):
        levels = info.key[len(top) :].split("/")[:-1][:depth]
        names = [top + "".join(f"{level}/" for level in levels[: end + 1]) for end in range(len(levels))]
        for name in {*names, top}:
            files, size = counted.get(name, (0, 0))
            counted[name] = files + 1, size + info.size
    whole = counted.pop(top, (0, 0))
    return {**dict(sorted(counted.items())), top: whole}
