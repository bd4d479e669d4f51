"""Moves documents from local files to object storage.

    python -m scripts.migrate_documents_to_storage s3          move what is not there yet
    python -m scripts.migrate_documents_to_storage --verify    compare what is there with the local files

Safe to run again, after a kill too. Exit code 1 if a document failed.
"""

import argparse
import sys
from collections.abc import Sequence

from core.config import get_settings
from db.session import new_session
from models.document import Attachment, AttachmentStaging
from services.object_storage_service import init_storage_service
from storage_service.providers import DocumentMigrationService, MigrationStatistics
from storage_service.providers.documents.migration import BATCH_SIZE, MigrationOptions


def parsed(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="migrate_documents_to_storage", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", nargs="?", help="s3, minio, local, filesystem ...; STORAGE_TYPE if left out")
    parser.add_argument("--verify", action="store_true", help="decrypt and compare, change nothing")
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, help="documents between two reports")
    parser.add_argument("--workers", type=int, default=1, help="documents at once")
    parser.add_argument("--delete-local", action="store_true", help="delete local files verified in this run")
    return parser.parse_args(words)


def migrate(words: Sequence[str]) -> MigrationStatistics:
    wanted = parsed(words)
    settings = get_settings().model_dump()
    service = init_storage_service(settings | ({"STORAGE_TYPE": wanted.target} if wanted.target else {}))
    options = MigrationOptions(
        wanted.batch_size, wanted.workers, wanted.delete_local, lambda so_far: print(so_far.lines()[0], flush=True)
    )
    migration = DocumentMigrationService(new_session, service, (Attachment, AttachmentStaging), options)
    return migration.verify_migration() if wanted.verify else migration.migrate_all_attachments()


def main() -> int:
    statistics = migrate(sys.argv[1:])
    print("\n".join(["done", *statistics.lines()]))
    return int(bool(statistics.failed_migrations))


if __name__ == "__main__":
    sys.exit(main())
