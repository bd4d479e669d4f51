"""Two storages that stand in for each other."""

import logging
from collections.abc import Iterator

from storage_service.providers.documents.provider import DAY_SECONDS, OCTET_STREAM, Content, StorageProvider
from storage_service.providers.errors import FileMissing, ProviderUnavailable

log = logging.getLogger(__name__)


class FailoverStorageProvider(StorageProvider):
    """Writes to the first, and to the second while the first is not to be reached; reads where it is.

    Storage paths name the storage that has it. What was written to the second stays there.
    """

    def __init__(self, primary: StorageProvider, secondary: StorageProvider) -> None:
        self.primary = primary
        self.secondary = secondary
        self.storage_type = primary.storage_type

    @property
    def root(self) -> str:
        return self.primary.root

    def owns(self, storage_path: str) -> bool:
        return self.primary.owns(storage_path) or self.secondary.owns(storage_path)

    def type_of(self, storage_path: str) -> str:
        side = self.secondary if self.secondary.owns(storage_path) else self.primary
        return side.type_of(storage_path)

    def name_of(self, path: str) -> str:
        side = self.secondary if self.secondary.owns(path) else self.primary
        return side.name_of(path)

    def upload_file(self, path: str, content: Content, content_type: str = OCTET_STREAM) -> str:
        """Chunks that come once cannot be sent twice: of those a failure is told."""
        name = self.name_of(path)
        try:
            return self.primary.upload_file(name, content, content_type)
        except ProviderUnavailable:
            if not isinstance(content, bytes):
                raise
            log.warning("%s goes to %s: %s is not to be reached", name, self.secondary.root, self.primary.root)
            return self.secondary.upload_file(name, content, content_type)

    def open_file(self, path: str) -> Iterator[bytes]:
        first, second = self._order(path)
        name = self.name_of(path)
        try:
            return first.open_file(name)
        except (FileMissing, ProviderUnavailable) as error:
            try:
                return second.open_file(name)
            except FileMissing:
                raise error from None

    def delete_file(self, path: str) -> bool:
        """From both. Raises: ProviderUnavailable while one of them cannot be asked: it may be there."""
        name = self.name_of(path)
        found = [side.delete_file(name) for side in (self.primary, self.secondary)]
        return any(found)

    def file_exists(self, path: str) -> bool:
        name = self.name_of(path)
        first, second = self._order(path)
        try:
            if first.file_exists(name):
                return True
        except ProviderUnavailable:
            if second.file_exists(name):
                return True
            raise
        return second.file_exists(name)

    def list_files(self, prefix: str = "") -> Iterator[str]:
        yield from sorted({*self.primary.list_files(prefix), *self.secondary.list_files(prefix)})

    def get_presigned_url(self, path: str, expires_seconds: int = DAY_SECONDS) -> str | None:
        first, second = self._order(path)
        name = self.name_of(path)
        try:
            side = first if first.file_exists(name) or not second.file_exists(name) else second
        except ProviderUnavailable:
            side = second
        return side.get_presigned_url(name, expires_seconds)

    def _order(self, path: str) -> tuple[StorageProvider, StorageProvider]:
        """The storage the path names first."""
        if self.secondary.owns(path):
            return self.secondary, self.primary
        return self.primary, self.secondary
