"""`storage migrate-documents`: an app's encrypted documents from local files to object storage."""

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from storage_service.cli.local_env import ENV_FILE, present
from storage_service.cli.parameters import OBJECTS, AsJson, expanded
from storage_service.cli.say import Progress, as_json, refuse

if TYPE_CHECKING:
    from storage_service.providers import MigrationStatistics

NEEDS_EXTRA = "this needs a database driver and more: pip install 'storage-service[providers]'"


@dataclass(frozen=True, slots=True)
class How:
    """How it goes about it."""

    batch_size: Annotated[int, typer.Option(min=1, help="Documents between two looks at the database.")] = 10
    workers: Annotated[int, typer.Option(min=1, max=64, help="Documents at once.")] = 1
    delete_local: Annotated[
        bool, typer.Option("--delete-local", help="Delete local files that were read back and compared in this run.")
    ] = False


def register(app: typer.Typer) -> None:
    app.command("migrate-documents", rich_help_panel=OBJECTS)(expanded(migrate_documents))


def migrate_documents(
    target: Annotated[
        str | None, typer.Argument(metavar="[TYPE]", help="s3, minio, local, gcs or azure; else STORAGE_TYPE.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Decrypt and compare; change nothing.")] = False,
    json: AsJson = False,
    *,
    how: How,
) -> None:
    """Encrypt an app's documents and move them to object storage. Safe to run again, after a kill too.

    Settings are the app's own, in the environment or `.env`: DATABASE_URL, STORAGE_TYPE, S3_..., DOCUMENT_KEY_PATH.
    Exit code 1 if a document failed.
    """
    settings = present(ENV_FILE, os.environ) | ({"STORAGE_TYPE": target} if target else {})
    line = Progress()
    statistics = _migrate(settings, how, line, verify=verify)
    line.end()
    if json:
        as_json(asdict(statistics))
    else:
        for one in statistics.lines():
            typer.echo(one)
    if statistics.failed_migrations:
        raise typer.Exit(1)


def _migrate(settings: dict[str, str], how: How, line: Progress, *, verify: bool) -> "MigrationStatistics":
    try:
        from storage_service.providers.documents.migration import MigrationOptions
        from storage_service.providers.documents.moving import migrate_documents_to_storage
        from storage_service.providers.errors import ProviderError
    except ImportError:
        refuse(NEEDS_EXTRA)
    options = MigrationOptions(
        how.batch_size, how.workers, how.delete_local, lambda so_far: line.say(so_far.lines()[0])
    )
    try:
        return migrate_documents_to_storage(settings, options, verify=verify)
    except ProviderError as error:
        refuse(str(error))
