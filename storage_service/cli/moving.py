"""`storage import`: buckets, objects and settings of another store."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storage_service.cli.moving_keys import import_keys
from storage_service.cli.origins import fill
from storage_service.cli.parameters import MOVING, examples, expanded
from storage_service.cli.say import FOUND, as_json, refusals, refuse

if TYPE_CHECKING:
    from storage_service.moving.mover import Mover, Wanted
    from storage_service.moving.sources.choosing import From

EXAMPLES = examples(
    "storage import http://minio:9000 --dry-run",
    "storage import http://minio:9000 --bucket photos --versions",
    "storage import /old/minio-data",
    "storage import ./pictures --to photos",
    "storage import old-iam-info.zip",
)
ONE_BUCKET = "--to names one bucket: say which with --bucket"
STOPPED = 130  # as a shell says it of Ctrl-C


@dataclass(frozen=True, slots=True)
class Options:
    """What `storage import` is told."""

    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="An S3 server's URL; a directory: plain, SelfDB's or MinIO's; or the zip"
            " of `mc admin cluster iam export`.",
        ),
    ]
    bucket: Annotated[
        list[str] | None, typer.Option("--bucket", metavar="BUCKET", help="Only this one there. May be repeated.")
    ] = None
    to: Annotated[str | None, typer.Option(metavar="BUCKET", help="Its name here; what a directory becomes.")] = None
    prefix: Annotated[str, typer.Option(help="Only keys that begin so.")] = ""
    versions: Annotated[bool, typer.Option("--versions", help="All versions and delete markers.")] = False
    settings: Annotated[bool, typer.Option(help="Policy, CORS, lifecycle, tags … of the buckets, too.")] = True
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what differs here.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look and count; write nothing.")] = False
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Objects on their way at once.")] = 8
    access_key: Annotated[str, typer.Option(envvar="SOURCE_ACCESS_KEY", help="Of the source.")] = ""
    secret_key: Annotated[str, typer.Option(envvar="SOURCE_SECRET_KEY", help="Of the source.")] = ""
    region: Annotated[str, typer.Option(envvar="SOURCE_REGION", help="Of the source.")] = "us-east-1"
    kind: Annotated[str | None, typer.Option(help="s3, directory, selfdb or minio, if its looks deceive.")] = None
    url: Annotated[str | None, typer.Option(help="This service, if it is not the one at PORT.")] = None
    state: Annotated[Path | None, typer.Option(help="Where progress is kept; a file here if left out.")] = None
    report: Annotated[Path | None, typer.Option(help="Write the report there, as JSON.")] = None
    origin: Annotated[
        bool, typer.Option("--origin", help="SOURCE is a bucket here: fetch what its origin still has.")
    ] = False
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False


def register(app: typer.Typer) -> None:
    app.command("import", rich_help_panel=MOVING, epilog=EXAMPLES)(expanded(_import))


def _import(options: Options) -> None:
    """Move in from another store; run it again to go on, or to bring what is new. Exit code 1 if something stayed."""
    if options.to is not None and "://" in options.source and len(options.bucket or ()) != 1:
        raise typer.BadParameter(ONE_BUCKET)
    _check_meant(options)
    if options.origin:
        fill(options.source, options.url, json=options.json, at_once=options.at_once)
        return
    if options.source.endswith(".zip"):
        import_keys(Path(options.source), dry_run=options.dry_run, json=options.json)
        return
    with refusals():
        mover, close = _prepare(options)
    try:
        _run(mover, shown=not options.json and sys.stderr.isatty())
    finally:
        close()
    _tell(mover, options)


def _check_meant(options: Options) -> None:
    """Nothing that was said is passed over: a dry run that writes would be the worst of it. Raises: BadParameter."""
    if options.origin:
        kind, meant = "--origin", {"origin", "url", "json", "at_once"}
    elif options.source.endswith(".zip"):
        kind, meant = "a zip of keys", {"dry_run", "json"}
    else:
        return
    meant |= {"source", "access_key", "secret_key", "region"}  # the last three may come from the environment
    for one in fields(options):
        if one.name not in meant and getattr(options, one.name) != one.default:
            raise typer.BadParameter(f"--{one.name.replace('_', '-')} means nothing with {kind}")


def _prepare(options: Options) -> "tuple[Mover, Callable[[], None]]":
    """A run and what ends it. Raises: Refused."""
    from storage_service.app.process.own_service import own_service
    from storage_service.client import Client
    from storage_service.moving.buckets import BucketMaker
    from storage_service.moving.journal import Journal, StateOfAnother, StateUnusable
    from storage_service.moving.mover import Mover
    from storage_service.moving.sources.choosing import BadSource, source_of
    from storage_service.remote import Endpoint, S3Server

    own = own_service(options.url)
    server = S3Server(Endpoint(own.url, own.access_key, own.secret_key, own.region))
    try:
        source = source_of(_from(options), options.kind)
        if options.to is not None and not options.bucket and "://" not in options.source and len(source.buckets()) != 1:
            raise typer.BadParameter(ONE_BUCKET)
        path = options.state or _state_of(source.name, own.url)
        journal = Journal(Path(":memory:") if options.dry_run else path, source.name, own.url)
    except (BadSource, StateUnusable, StateOfAnother, OSError) as error:
        refuse(str(error))
    api = Client(own.url, api_key=own.api_key) if own.api_key else None

    def close() -> None:
        journal.close()
        if api is not None:
            api.close()

    return Mover(source, server, BucketMaker(server, api), journal, _wanted(options)), close


def _from(options: Options) -> "From":
    from storage_service.moving.sources.choosing import KINDS, From

    if options.kind not in {None, *KINDS}:
        raise typer.BadParameter(f"--kind is one of {', '.join(KINDS)}")
    keys = (options.access_key, options.secret_key, options.region)
    return From(options.source, *keys, options.versions, options.to)


def _wanted(options: Options) -> "Wanted":
    from storage_service.moving.mover import Wanted

    return Wanted(
        buckets=tuple(options.bucket or ()),
        renamed=options.to,
        prefix=options.prefix,
        versions=options.versions,
        settings=options.settings,
        overwrite=options.overwrite,
        dry_run=options.dry_run,
        at_once=options.at_once,
    )


def _state_of(*names: str) -> Path:
    """A file of its own for each source and target: here, or where one may write, as in a container."""
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]
    folder = Path() if os.access(".", os.W_OK) else Path(tempfile.gettempdir())
    return folder / f"storage-import-{digest}.state"


def _run(mover: "Mover", *, shown: bool) -> None:
    """Move, with a bar; Ctrl-C ends it soon, and it can go on later."""
    from storage_service.cli.moving_bar import bar
    from storage_service.moving.mover import NotReady
    from storage_service.remote import RemoteError

    showing: AbstractContextManager[Any] = bar(mover.tally) if shown else nullcontext()
    try:
        with showing:
            mover.run()
    except KeyboardInterrupt:
        mover.stop()
        typer.echo("storage: stopped; the same command goes on where it was", err=True)
        raise typer.Exit(STOPPED) from None
    except (NotReady, RemoteError) as error:
        refuse(str(error))
    except OSError as error:  # of the source, or of the file with the progress
        refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _tell(mover: "Mover", options: Options) -> None:
    import orjson

    from storage_service.moving.report import report_lines

    record = mover.tally.record()
    if options.report is not None:
        options.report.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2))
    if options.json:
        as_json(record)
    else:
        for line in report_lines(mover.tally, dry_run=options.dry_run):
            typer.echo(line)
    if not mover.tally.is_whole:
        raise typer.Exit(FOUND)
