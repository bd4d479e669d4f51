"""`storage rm`: objects to the trash."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from storage_service.cli.connect import connected
from storage_service.cli.objects import Objects, Recursive
from storage_service.cli.parameters import OBJECTS, Access, AsJson, expanded
from storage_service.cli.places import Stored
from storage_service.cli.say import as_json
from storage_service.cli.show import plain

if TYPE_CHECKING:
    from storage_service.client import Bucket, Client

BATCH = 1000  # keys of one bulk request


@dataclass(frozen=True, slots=True)
class Caution:
    """How much of it is done, and how finally."""

    purge: Annotated[bool, typer.Option("--purge", help="Skip the trash.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted.")] = False
    yes: Annotated[bool, typer.Option("--yes", help="Needed to delete all that a bucket holds.")] = False


@dataclass(slots=True)
class Outcome:
    """Objects as BUCKET/KEY."""

    deleted: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=OBJECTS)(expanded(rm))


def rm(
    places: Objects, recursive: Recursive = False, json: AsJson = False, *, caution: Caution, access: Access
) -> None:
    """Delete objects; they stay in the trash for a while. With -r all below a prefix."""
    for place in places:
        if not recursive and place.is_prefix:
            raise typer.BadParameter(f"{place} is no object; -r deletes all below it")
        if not (place.key or caution.yes or caution.dry_run):
            raise typer.BadParameter(f"this deletes all that {place.bucket} holds: say --yes")
    outcome = Outcome()
    with connected(access) as client:
        for place in places:
            _remove(client, place, caution, outcome, recursive=recursive)
    if json:
        as_json({"deleted": outcome.deleted, "failed": outcome.failed, "dry_run": caution.dry_run})
    else:
        for name in outcome.deleted:
            typer.echo(f"{'would delete' if caution.dry_run else 'deleted'} {plain(name)}")
        for name, why in outcome.failed.items():
            typer.echo(f"failed: {plain(name)}: {plain(why)}", err=True)
    if outcome.failed:
        raise typer.Exit(1)


def _remove(client: "Client", place: Stored, caution: Caution, outcome: Outcome, *, recursive: bool) -> None:
    bucket = client.bucket(place.bucket)
    keys = _below(bucket, place) if recursive else [key for key in (place.key,) if bucket.exists(key)]
    if not keys:
        outcome.failed[str(place)] = "there is nothing"
    for start in range(0, len(keys), BATCH):
        some = keys[start : start + BATCH]
        failed = {} if caution.dry_run else _delete(bucket, some, purge=caution.purge)
        outcome.deleted += [f"{place.bucket}/{key}" for key in some if key not in failed]
        outcome.failed |= {f"{place.bucket}/{key}": why for key, why in failed.items()}


def _delete(bucket: "Bucket", keys: Sequence[str], *, purge: bool) -> dict[str, str]:
    """Why each that is still there is still there."""
    from storage_service.client import NotFound, PartialFailure, PermissionDenied

    try:
        bucket.delete(*keys, purge=purge)
    except (NotFound, PermissionDenied) as error:  # of the only one
        return {keys[0]: str(error)}
    except PartialFailure as error:
        return {key: str(failure) for key, failure in error.failures.items()}
    return {}


def _below(bucket: "Bucket", place: Stored) -> list[str]:
    """The keys below a prefix, and the object of just this name."""
    below = [info.key for info in bucket.list(place.directory)]
    return [place.key, *below] if not place.is_prefix and bucket.exists(place.key) else below
