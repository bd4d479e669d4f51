"""`storage link`: an address to hand out, for one object."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from storage_service.cli.connect import connected
from storage_service.cli.objects import OneObject
from storage_service.cli.parameters import OBJECTS, Access, AsJson, examples, expanded
from storage_service.cli.say import as_json
from storage_service.cli.show import parse_age, parse_bytes, time_of

if TYPE_CHECKING:
    from storage_service.client import SignedLink

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a signed link allows, and how long."""

    expires: Annotated[
        timedelta | None, typer.Option(parser=parse_age, metavar="TIME", help="How long it holds: 10m, 7d; else 1h.")
    ] = None
    inline: Annotated[bool, typer.Option("--inline", help="Browsers show the object instead of saving it.")] = False
    max_size: Annotated[
        int | None, typer.Option(parser=parse_bytes, metavar="SIZE", help="Of an upload: at most so much.")
    ] = None
    kind: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Of an upload: only this type.")] = None
    once: Annotated[bool, typer.Option("--once", help="Of an upload: the link holds for a single one.")] = False


def register(app: typer.Typer) -> None:
    some = examples(
        "storage link photos/cat.jpg --expires 7d", "storage link photos/new.jpg --upload --max-size 5M --once"
    )
    app.command(rich_help_panel=OBJECTS, epilog=some)(expanded(link))


def link(
    place: OneObject,
    upload: Annotated[bool, typer.Option("--upload", help="To upload this key by PUT.")] = False,
    permanent: Annotated[
        bool, typer.Option("--permanent", help="Without end; it reads for everybody where the bucket is public.")
    ] = False,
    json: AsJson = False,
    *,
    terms: Terms,
    access: Access,
) -> None:
    """Print a link to an object that needs no login: to download it, for an hour unless you say otherwise."""
    only_upload = terms.max_size is not None or terms.kind is not None or terms.once
    if upload and (permanent or terms.inline):
        raise typer.BadParameter("--upload goes neither with --permanent nor with --inline")
    if only_upload and not upload:
        raise typer.BadParameter("--max-size, --type and --once are of uploads: say --upload")
    if permanent:
        _permanent(place, access, json)
        return
    from storage_service.client import UploadPolicy

    expires = terms.expires or HOUR
    with connected(access) as client:
        bucket = client.bucket(place.bucket)
        if upload:
            policy = UploadPolicy(expires, terms.max_size, terms.kind, terms.once)
            _print(bucket.sign_upload(place.key, policy), json)
            return
        bucket.head(place.key)  # a link to nothing helps nobody
        _print(bucket.sign(place.key, expires=expires, inline=terms.inline), json)


def _print(made: "SignedLink", json: bool) -> None:
    if json:
        as_json({"url": made.url, "method": made.method, "expires_at": made.expires_at.isoformat()})
        return
    typer.echo(made.url)
    typer.echo(f"{made.method} until {time_of(made.expires_at)}", err=True)


def _permanent(place: OneObject, access: Access, json: bool) -> None:
    with connected(access) as client:
        url = client.bucket(place.bucket).head(place.key).url
        public = client.buckets.get(place.bucket).public
    if json:
        as_json({"url": url, "method": "GET", "expires_at": None, "public": public})
        return
    typer.echo(url)
    if not public:
        typer.echo(f"{place.bucket} is private: only who may read it can open this", err=True)
