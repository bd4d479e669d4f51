"""`storage export`: all that a bucket holds, out of here."""

import json as jsons
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storage_service.cli.connect import connected
from storage_service.cli.objects import Where
from storage_service.cli.parameters import AT_ONCE, OBJECTS, Access, AsJson, examples, expanded
from storage_service.cli.places import Local, parse_place
from storage_service.cli.reporting import tell
from storage_service.cli.say import refuse

if TYPE_CHECKING:
    from storage_service.cli.transfer.run import Report
    from storage_service.cli.transfer.steps import Step
    from storage_service.client import BucketInfo, Client, FileInfo
    from storage_service.providers.s3_copies import S3Copies

S3 = "s3://"
NEEDS_EXTRA = "this needs boto3: pip install 'storage-service[providers]'"


def register(app: typer.Typer) -> None:
    out = examples(
        "storage export photos ./photos-export", "storage export photos s3://their-bucket/prefix --endpoint URL"
    )
    app.command(rich_help_panel=OBJECTS, epilog=out)(expanded(export))


def export(
    place: Where,
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A local directory, s3://BUCKET or s3://BUCKET/PREFIX.")
    ],
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="Of another object store; AWS without it.")
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Files on their way at once.")] = AT_ONCE,
    json: AsJson = False,
    *,
    access: Access,
) -> None:
    """Copy current objects out, with metadata and tags: into a directory with a manifest, or to any S3 endpoint.

    An interrupted export is repeated: what has arrived is not copied again. The manifest comes last, when nothing
    failed. Credentials of the other store are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    """
    root = None if target.startswith(S3) else _directory(target)
    with connected(access) as client:
        bucket = client.buckets.get(place.bucket)
        infos = list(client.bucket(place.bucket).list(place.key))
        if root is None:
            report = _to_bucket(client, infos, _copies(target, endpoint), at_once)
        else:
            report = _to_directory(client, (bucket, infos), root, at_once)
    tell(report, json=json)


def _directory(text: str) -> Path:
    place = parse_place(text)
    if not isinstance(place, Local):
        raise typer.BadParameter(f"{text!r} is neither a local directory such as ./{text} nor s3://BUCKET")
    return place.path


def _to_directory(
    client: "Client", found: tuple["BucketInfo", Sequence["FileInfo"]], root: Path, at_once: int
) -> "Report":
    from storage_service.cli.transfer.export import (
        MANIFEST,
        SETTINGS,
        manifest_line,
        paths_of,
        to_directory,
        write_whole,
    )

    bucket, infos = found
    root.mkdir(parents=True, exist_ok=True)
    paths = paths_of([info.key for info in infos])
    report = _run(to_directory(client, infos, paths, root), at_once)
    if not report.failed:
        lines = (f"{manifest_line(info, paths[info.key])}\n" for info in infos)
        write_whole(root / MANIFEST, lambda file: file.writelines(lines))
        write_whole(root / SETTINGS, lambda file: jsons.dump(dict(bucket.record), file, indent=2))
    return report


def _to_bucket(client: "Client", infos: Sequence["FileInfo"], target: tuple["S3Copies", str], at_once: int) -> "Report":
    from storage_service.cli.transfer.export import to_bucket

    copies, prefix = target
    return _run(to_bucket(client, infos, {info.key: f"{prefix}{info.key}" for info in infos}, copies), at_once)


def _copies(target: str, endpoint: str | None) -> tuple["S3Copies", str]:
    """The other bucket, and what keys begin with there."""
    bucket, _, prefix = target.removeprefix(S3).partition("/")
    if not bucket:
        raise typer.BadParameter(f"{target!r} names no bucket; it is s3://BUCKET[/PREFIX]")
    try:
        from storage_service.providers.errors import FileMissing, ProviderError
        from storage_service.providers.s3_client import S3Config
        from storage_service.providers.s3_copies import S3Copies
    except ImportError:
        refuse(NEEDS_EXTRA)
    config = S3Config(bucket, region=os.environ.get("AWS_REGION"), endpoint_url=endpoint)  # boto3 finds the keys
    copies = S3Copies(config)
    try:
        copies.check()
    except FileMissing:
        refuse(f"there is no bucket {bucket} at {endpoint or 'AWS'}; make it there first")
    except ProviderError as error:
        refuse(str(error))
    return copies, prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def _run(steps: Sequence["Step"], at_once: int) -> "Report":
    from storage_service.cli.transfer.meter import Meter
    from storage_service.cli.transfer.run import Run

    with Meter(sum(step.size for step in steps)) as meter:
        run = Run(at_once, meter)
        run.copy(steps)
    return run.report
