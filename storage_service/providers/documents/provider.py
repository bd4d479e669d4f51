"""What a storage must do for documents."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence

from storage_service.providers.disk import checked
from storage_service.providers.documents.bulk import BulkResult, do_all
from storage_service.providers.errors import InvalidPath

DAY_SECONDS = 24 * 3600
AT_ONCE = 8
OCTET_STREAM = "application/octet-stream"

Content = bytes | Iterable[bytes]


class StorageProvider(ABC):
    """Bytes by name, from several threads at once. A name is `a/b/c`, or the storage path an upload gave back."""

    storage_type: str

    @abstractmethod
    def upload_file(self, path: str, content: Content, content_type: str = OCTET_STREAM) -> str:
        """Store bytes, or chunks as they come, whole or not at all; the storage path. Replaces what was there.

        Raises: InvalidPath, ProviderUnavailable, ProviderError.
        """

    @abstractmethod
    def open_file(self, path: str) -> Iterator[bytes]:
        """Chunks. Raises, before the first: FileMissing, ProviderUnavailable, ProviderError."""

    def download_file(self, path: str) -> bytes:
        """All of it. Raises: as `open_file`."""
        return b"".join(self.open_file(path))

    @abstractmethod
    def delete_file(self, path: str) -> bool:
        """Whether it was there; now it is not. Raises: ProviderUnavailable, ProviderError."""

    @abstractmethod
    def file_exists(self, path: str) -> bool:
        """Raises: ProviderUnavailable, ProviderError."""

    @abstractmethod
    def list_files(self, prefix: str = "") -> Iterator[str]:
        """Names that begin so, in order. Raises: ProviderUnavailable, ProviderError."""

    @abstractmethod
    def get_presigned_url(self, path: str, expires_seconds: int = DAY_SECONDS) -> str | None:
        """A link that reads it without a credential for so long; None where the storage has no such links."""

    @property
    @abstractmethod
    def root(self) -> str:
        """What all storage paths begin with, up to the name: `s3://bucket/`."""

    def get_storage_path(self, path: str) -> str:
        """The storage path of a name, whether there is such a file or not. Raises: InvalidPath."""
        return self.root + self.name_of(path)

    def owns(self, storage_path: str) -> bool:
        """Whether this storage path is one of ours."""
        return storage_path.startswith(self.root)

    def type_of(self, storage_path: str) -> str:
        """The type of the storage that has this one of our paths, for the row's `storage_type`."""
        return self.storage_type

    def name_of(self, path: str) -> str:
        """The name in a storage path of ours, or the name itself. Raises: InvalidPath."""
        if self.owns(path):
            path = path.removeprefix(self.root)
        elif "://" in path:
            raise InvalidPath(f"{path} is not in {self.root}")
        return checked(path)

    # Many at once: one failure does not stop the others.
    def upload_files(self, files: Mapping[str, Content], content_type: str = OCTET_STREAM) -> BulkResult[str]:
        """The storage path of each name."""
        return do_all(files, lambda path: self.upload_file(path, files[path], content_type), AT_ONCE)

    def download_files(self, paths: Sequence[str]) -> BulkResult[bytes]:
        return do_all(paths, self.download_file, AT_ONCE)

    def delete_files(self, paths: Sequence[str]) -> BulkResult[bool]:
        """Whether each was there."""
        return do_all(paths, self.delete_file, AT_ONCE)


def chunks_of(content: Content) -> Iterable[bytes]:
    return [content] if isinstance(content, bytes) else content
