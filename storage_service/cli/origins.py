"""`storage origin`: buckets that take what is missing from an old server, until they are cut off."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storage_service.cli.parameters import MOVING, expanded
from storage_service.cli.say import FOUND, as_json, refusals, refuse

if TYPE_CHECKING:
    from storage_service.client import Client
    from storage_service.moving.filling import Filler

Bucket = Annotated[str, typer.Argument(metavar="BUCKET", help="The bucket here.")]
Url = Annotated[str | None, typer.Option(help="This service, if it is not the one at PORT.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

origin_app = typer.Typer(no_args_is_help=True, help="Read-through move-in: buckets that still take from an old server.")


def register(app: typer.Typer) -> None:
    app.add_typer(origin_app, name="origin", rich_help_panel=MOVING)
    origin_app.command("set")(expanded(set_))


@dataclass(frozen=True, slots=True)
class Old:
    """The old server, as whom, and what of it."""

    place: Annotated[
        str, typer.Option("--from", metavar="BUCKET[/PREFIX]", help="There; the same bucket if left out.")
    ] = ""
    access_key: Annotated[str, typer.Option(envvar="SOURCE_ACCESS_KEY", help="Of the old server.")] = ""
    secret_key: Annotated[str, typer.Option(envvar="SOURCE_SECRET_KEY", help="Of it; kept encrypted.")] = ""
    region: Annotated[str, typer.Option(envvar="SOURCE_REGION", help="Of the old server.")] = "us-east-1"


def set_(
    bucket: Bucket,
    address: Annotated[str, typer.Argument(metavar="URL", help="The old server's S3 address.")],
    url: Url = None,
    *,
    old: Old,
) -> None:
    """From now on, what is not in the bucket is fetched from the old server when it is asked for, and kept."""
    there, _, prefix = old.place.partition("/")
    keys = {"access_key": old.access_key, "secret_key": old.secret_key}
    with _service(url) as (api, _):
        found = api.buckets.set_origin(
            bucket, address, bucket=there or bucket, prefix=prefix, region=old.region, **keys
        )
    as_json(found)


@origin_app.command()
def show(bucket: Bucket, url: Url = None) -> None:
    """A bucket's origin, without its secret."""
    with _service(url) as (api, _):
        as_json(api.buckets.get_origin(bucket))


@origin_app.command("cut-over")
def cut_over(
    bucket: Bucket,
    force: Annotated[bool, typer.Option("--force", help="Even if something did not arrive.")] = False,
    url: Url = None,
    json: AsJson = False,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Objects on their way at once.")] = 16,
) -> None:
    """Fetch what is still missing, report, and cut the bucket off from the old server if nothing is left there."""
    record = fill(bucket, url, json=json, at_once=at_once, last=True)
    if record["failed"] and not force:
        raise typer.Exit(FOUND)
    with _service(url) as (api, _):
        ended = api.buckets.end_origin(bucket)
    typer.echo(f"{bucket} is cut off from {ended['url']} since {ended['ended_at']}.", err=json)


def fill(bucket: str, url: str | None, *, json: bool, at_once: int, last: bool = False) -> dict[str, Any]:
    """What is missing arrives now: `storage import --origin`. The report, which is printed too."""
    with _service(url) as (_, filler):
        made = filler(bucket, at_once)
        record = _run(made)
    if json:
        as_json(record)
    else:
        from storage_service.moving.report import report_lines

        for line in report_lines(made.tally, dry_run=False):
            typer.echo(line)
    if record["failed"] and not last:
        raise typer.Exit(FOUND)
    return record


def _run(filler: "Filler") -> dict[str, Any]:
    import sys

    from storage_service.cli.moving_bar import bar

    if not sys.stderr.isatty():
        return filler.run().record()
    with bar(filler.tally):
        return filler.run().record()


@contextmanager
def _service(url: str | None) -> "Iterator[tuple[Client, Any]]":
    """A client with the service's own key, and what makes a run. What the service refuses is one line."""
    from storage_service.client import Client, ClientError
    from storage_service.moving.filling import Filler
    from storage_service.remote import Endpoint, S3Server

    with refusals():
        from storage_service.app.process.own_service import own_service

        own = own_service(url)
    if own.api_key is None:
        refuse("STORAGE_SERVICE_API_KEY of the service is needed")
    server = S3Server(Endpoint(own.url, own.access_key, own.secret_key, own.region))
    with Client(own.url, api_key=own.api_key) as api:
        try:
            yield api, lambda bucket, at_once: Filler(server, api, bucket, at_once)
        except ClientError as error:
            refuse(str(error))
