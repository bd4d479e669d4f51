"""Documents from local files to a storage: in batches, in threads, again and again until all are there."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from storage_service.providers.disk import CHUNK_BYTES
from storage_service.providers.documents.envelope import FORMAT_START, is_envelope
from storage_service.providers.documents.service import About, DocumentStorageService
from storage_service.providers.errors import ProviderError

log = logging.getLogger(__name__)

BATCH_SIZE = 10
Outcome = Literal["migrated", "skipped"]
STAGING = "staging-"  # before the ids of staged rows: both tables count from 1


@dataclass(slots=True)
class MigrationStatistics:
    """Counts of files. `errors` has a sentence for each that failed."""

    total_files: int = 0
    successful_migrations: int = 0
    failed_migrations: int = 0
    skipped_files: int = 0
    errors: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        counts = (
            f"total: {self.total_files}",
            f"successful: {self.successful_migrations}",
            f"failed: {self.failed_migrations}",
            f"skipped: {self.skipped_files}",
        )
        return [", ".join(counts), *(f"error: {error}" for error in self.errors)]


@dataclass(frozen=True, slots=True)
class MigrationOptions:
    """`progress` is told after each batch. `delete_local`: of files verified in this very run."""

    batch_size: int = BATCH_SIZE
    workers: int = 1
    delete_local: bool = False
    progress: Callable[[MigrationStatistics], None] | None = None


class DocumentMigrationService:
    """Over two models with `ObjectStorageColumns`, `id`, `filename`, `filepath`, `user_id`, `content_type`,
    `created_at`. Object names follow from rows, so a run that was killed is just run again.
    """

    def __init__(
        self,
        sessions: Callable[[], Session],
        service: DocumentStorageService,
        models: tuple[type[Any], type[Any]],
        options: MigrationOptions | None = None,
    ) -> None:
        self._sessions = sessions
        self._service = service
        self._attachment, self._staging = models
        self._options = options or MigrationOptions()

    def migrate_attachment(self, attachment_id: int) -> Outcome:
        """Store one attachment's file and say so in its row. Raises: ProviderError, OSError, SQLAlchemyError."""
        return self._migrate(self._attachment, "", attachment_id)

    def migrate_attachment_staging(self, attachment_id: int) -> Outcome:
        """The same for a staged attachment."""
        return self._migrate(self._staging, STAGING, attachment_id)

    def migrate_all_attachments(self) -> MigrationStatistics:
        """Both tables, batch by batch. A row that fails is counted and told; the others go on."""
        statistics = MigrationStatistics()
        self._over(self._attachment, self.migrate_attachment, statistics)
        self._over(self._staging, self.migrate_attachment_staging, statistics)
        return statistics

    def verify_migration(self) -> MigrationStatistics:
        """Decrypt every stored document, and compare it with its local file where that is still there.

        Rows that are not in the storage yet count as skipped. Nothing is changed.
        """
        statistics = MigrationStatistics()
        for model in (self._attachment, self._staging):
            self._over(model, partial(self._verify, model), statistics)
        return statistics

    # ------------------------------------------------------------------------------ one row
    def _migrate(self, model: type[Any], prefix: str, row_id: int) -> Outcome:
        with self._sessions() as session:
            row = session.get_one(model, row_id)
            outcome: Outcome = "skipped"
            if not self._is_stored(row):
                storage_path = self._store(row, prefix)
                row.storage_path, row.storage_type = storage_path, self._service.provider.type_of(storage_path)
                session.commit()
                outcome = "migrated"
            if self._options.delete_local:
                self._delete_local(row)
        return outcome

    def _is_stored(self, row: Any) -> bool:
        return bool(row.storage_path) and self._service.provider.owns(row.storage_path)

    def _store(self, row: Any, prefix: str) -> str:
        """Its file; one that is encrypted already goes as it is. Raises: FileNotFoundError, DecryptionFailed."""
        about = About(f"{prefix}{row.id}", row.filename, row.user_id, row.content_type, row.created_at)
        with Path(row.filepath or "").open("rb") as file:
            if not _is_encrypted(file):
                return self._service.store_encrypted_document(file, *about)
            for _ in self._service.unsealed(_chunks(file))[1]:  # never store what cannot be read back
                pass
            file.seek(0)
            return self._service.store_sealed_document(_chunks(file), about)

    def _verify(self, model: type[Any], row_id: int) -> Outcome:
        with self._sessions() as session:
            row = session.get_one(model, row_id)
            if not self._is_stored(row):
                return "skipped"
            self._compare(row)
            return "migrated"

    def _compare(self, row: Any) -> None:
        """Raises: ProviderError if the stored document is not readable, or not what the local file holds."""
        stored = _digest(self._service.open_document(row.storage_path, verify=False)[1])
        if row.filepath and Path(row.filepath).is_file() and stored != self._local_digest(Path(row.filepath)):
            raise ProviderError(f"{row.storage_path} differs from {row.filepath}")

    def _local_digest(self, path: Path) -> str:
        with path.open("rb") as file:
            return _digest(self._service.unsealed(_chunks(file))[1] if _is_encrypted(file) else _chunks(file))

    def _delete_local(self, row: Any) -> None:
        """Only after the stored document was read and compared."""
        path = Path(row.filepath) if row.filepath else None
        if path is not None and path.is_file() and str(path.absolute()) != row.storage_path:
            self._compare(row)
            path.unlink()
            log.info("deleted %s: verified at %s", path, row.storage_path)

    # ------------------------------------------------------------------------------ many rows
    def _over(self, model: type[Any], work: Callable[[int], Outcome], statistics: MigrationStatistics) -> None:
        with ThreadPoolExecutor(self._options.workers) as pool:
            for ids in self._batches(model):
                futures = {row_id: pool.submit(work, row_id) for row_id in ids}
                for row_id, future in futures.items():
                    _count(statistics, future.result, f"{model.__tablename__} {row_id}")
                if self._options.progress is not None:
                    self._options.progress(statistics)

    def _batches(self, model: type[Any]) -> Iterator[list[int]]:
        """Ids in order; rows that come in meanwhile are met, too."""
        last = None
        while True:
            query = select(model.id).order_by(model.id).limit(self._options.batch_size)
            with self._sessions() as session:
                ids = list(session.scalars(query if last is None else query.where(model.id > last)))
            if not ids:
                return
            yield ids
            last = ids[-1]


def _count(statistics: MigrationStatistics, result: Callable[[], Outcome], what: str) -> None:
    statistics.total_files += 1
    try:
        outcome = result()
    except (ProviderError, OSError, SQLAlchemyError) as error:
        statistics.failed_migrations += 1
        statistics.errors.append(f"{what}: {error}")
        log.error("%s failed: %s", what, error)
    else:
        if outcome == "migrated":
            statistics.successful_migrations += 1
        else:
            statistics.skipped_files += 1


def _is_encrypted(file: BinaryIO) -> bool:
    start = file.read(len(FORMAT_START))
    file.seek(0)
    return is_envelope(start)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _digest(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
