"""`storage buckets`: list, create, info, set, delete."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from storage_service.cli.completion import complete_bucket
from storage_service.cli.connect import connected
from storage_service.cli.objects import bucket_line
from storage_service.cli.parameters import OBJECTS, Access, AsJson, expanded, read_as
from storage_service.cli.say import as_json, as_json_list
from storage_service.cli.show import parse_bytes, size_of, time_of

NO_LIMIT = "none"

buckets_app = typer.Typer(no_args_is_help=True, help="Buckets: make, list, change and delete them.")

Name = Annotated[str, typer.Argument(metavar="BUCKET", help="Name or id.", autocompletion=complete_bucket)]


@read_as("size")
def parse_limit(text: str) -> int:
    """Bytes, or -1 for `none`. Raises: BadParameter."""
    return -1 if text == NO_LIMIT else parse_bytes(text)


@dataclass(frozen=True, slots=True)
class Choices:
    """What an owner may say of a bucket; what is not said stays."""

    public: Annotated[bool | None, typer.Option("--public/--private", help="Whether anyone may read it.")] = None
    versioning: Annotated[
        Literal["on", "off", "suspended"] | None, typer.Option(help="Keep every version; once on it can be suspended.")
    ] = None
    quota: Annotated[
        int | None, typer.Option(parser=parse_limit, metavar="SIZE|none", help="All versions together.")
    ] = None
    max_object: Annotated[int | None, typer.Option(parser=parse_limit, metavar="SIZE|none", help="Largest object.")] = (
        None
    )
    allow_type: Annotated[
        list[str] | None, typer.Option(metavar="TYPE|none", help="As image/png or image/*. May be repeated.")
    ] = None
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None

    def options(self) -> dict[str, Any]:
        """Those that were said, by their wire names."""
        types = None if self.allow_type is None else [one for one in self.allow_type if one != NO_LIMIT]
        said = {
            "is_public": self.public,
            "versioning": self.versioning,
            "quota_bytes": self.quota,
            "max_object_bytes": self.max_object,
            "allowed_mime_types": types,
            "description": self.description,
        }
        chosen = {name: value for name, value in said.items() if value is not None}
        return {name: None if value in (-1, []) else value for name, value in chosen.items()}


def register(app: typer.Typer) -> None:
    app.add_typer(buckets_app, name="buckets", rich_help_panel=OBJECTS)
    buckets_app.command("list")(expanded(list_buckets))
    buckets_app.command()(expanded(create))
    buckets_app.command()(expanded(info))
    buckets_app.command("set")(expanded(change))
    buckets_app.command()(expanded(delete))


def list_buckets(
    search: Annotated[str, typer.Option(help="A part of the name.")] = "", json: AsJson = False, *, access: Access
) -> None:
    """All you may see: your own and public ones."""
    with connected(access) as client:
        buckets = client.buckets.list(search=search)
    if json:
        as_json_list(bucket.record for bucket in buckets)
        return
    for bucket in buckets:
        typer.echo(bucket_line(bucket))


def create(name: Name, json: AsJson = False, *, choices: Choices, access: Access) -> None:
    """Make a bucket; it is yours. Without --public only you read it."""
    options = choices.options()
    with connected(access) as client:
        made = client.buckets.create(name, public=bool(options.pop("is_public", False)), **options)
    if json:
        as_json(made.record)
        return
    typer.echo(f"{made.name} is made, {'public' if made.public else 'private'}.")


def info(name: Name, json: AsJson = False, *, access: Access) -> None:
    """What is set for a bucket, and what it holds."""
    with connected(access) as client:
        found = client.buckets.get(name)
    if json:
        as_json(found.record)
        return
    for label, value in _lines(found.record):
        typer.echo(f"{label:<12} {value}")
    typer.echo(f"{'made':<12} {time_of(found.created_at)}")


def _lines(record: Any) -> list[tuple[str, str]]:
    def limit(name: str) -> str:
        return "none" if record[name] is None else size_of(record[name])

    return [
        ("name", record["name"]),
        ("id", record["id"]),
        ("owner", record["owner_id"]),
        ("access", "public" if record["is_public"] else "private"),
        ("versioning", record["versioning"]),
        ("quota", limit("quota_bytes")),
        ("max object", limit("max_object_bytes")),
        ("types", ", ".join(record["allowed_mime_types"] or ["any"])),
        ("files", f"{record['file_count']}, {size_of(record['total_size'])}"),
        ("old versions", f"{record['noncurrent_count']}, {size_of(record['noncurrent_size'])}"),
        ("trash", f"{record['trash_count']}, {size_of(record['trash_size'])}"),
        ("description", record["description"] or ""),
    ]


def change(name: Name, json: AsJson = False, *, choices: Choices, access: Access) -> None:
    """Change what is set for a bucket; what you do not name stays."""
    options = choices.options()
    if not options:
        raise typer.BadParameter("say what to change; see `storage buckets set --help`")
    with connected(access) as client:
        made = client.buckets.update(name, **options)
    if json:
        as_json(made.record)
        return
    typer.echo(f"{made.name}: {', '.join(sorted(options))} set.")


def delete(
    name: Name,
    force: Annotated[bool, typer.Option("--force", help="With all it holds, which goes to the trash.")] = False,
    *,
    access: Access,
) -> None:
    """Delete a bucket. Refused while it holds files, unless --force says otherwise."""
    with connected(access) as client:
        client.buckets.delete(name, force=force)
    typer.echo(f"{name} is deleted.")
