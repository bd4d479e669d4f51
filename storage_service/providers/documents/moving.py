"""Documents of local files to the storage that the settings name, or a look whether they are all there."""

from collections.abc import Mapping

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import sessionmaker

from storage_service.providers.documents.migration import (
    DocumentMigrationService,
    MigrationOptions,
    MigrationStatistics,
)
from storage_service.providers.documents.service import init_storage_service
from storage_service.providers.documents.tables import Attachment, AttachmentStaging, engine_of
from storage_service.providers.errors import ConfigurationError, ProviderUnavailable


def migrate_documents_to_storage(
    settings: Mapping[str, str], options: MigrationOptions, *, verify: bool = False
) -> MigrationStatistics:
    """Counts of files. `settings` by their names in the environment: DATABASE_URL, and those of `init_storage_service`.

    Raises: ConfigurationError, ProviderUnavailable if the database is not reached.
    """
    url = settings.get("DATABASE_URL")
    if not url:
        raise ConfigurationError("DATABASE_URL names no database")
    service = init_storage_service(settings)
    try:
        engine = engine_of(url)
        try:
            sessions = sessionmaker(engine, expire_on_commit=False)
            migration = DocumentMigrationService(sessions, service, (Attachment, AttachmentStaging), options)
            return migration.verify_migration() if verify else migration.migrate_all_attachments()
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError) as error:  # not reached, no such table; no driver for it
        raise ProviderUnavailable(f"the database: {str(error).splitlines()[0]}") from error
