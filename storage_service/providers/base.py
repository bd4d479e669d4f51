"""The interface all storages of `get_storage()` have."""

from abc import ABC, abstractmethod


class StorageInterface(ABC):
    """Files by path. Paths are relative, with slashes; `photos/avatar.jpg`.

    >>> storage = get_storage()
    >>> storage.ensure_directories("photos")
    >>> storage.save_file(b"picture", "photos/avatar.jpg", "image/jpeg")
    '/static/uploads/photos/avatar.jpg'
    >>> storage.file_exists("photos/avatar.jpg"), storage.get_file("photos/avatar.jpg")
    (True, b'picture')
    >>> storage.list_files("photos/")
    ['photos/avatar.jpg']
    >>> storage.delete_file("photos/avatar.jpg"), storage.delete_file("photos/avatar.jpg")
    (True, False)
    """

    @abstractmethod
    def ensure_directories(self, *paths: str) -> None:
        """Make directories, where the storage has any. Raises: InvalidPath."""

    @abstractmethod
    def save_file(self, content: bytes, path: str, content_type: str | None = None) -> str:
        """Store a file, whole or not at all; the URL it is read from. Raises: InvalidPath, ProviderError."""

    @abstractmethod
    def get_file(self, path: str) -> bytes:
        """A file's content. Raises: FileMissing (a FileNotFoundError), ProviderError."""

    @abstractmethod
    def file_exists(self, path: str) -> bool:
        """Whether there is such a file. Raises: ProviderError."""

    @abstractmethod
    def delete_file(self, path: str) -> bool:
        """Whether there was one; now there is none. Raises: ProviderError."""

    @abstractmethod
    def list_files(self, prefix: str = "") -> list[str]:
        """Paths that begin so, in order. Raises: ProviderError."""

    @abstractmethod
    def get_file_url(self, path: str) -> str:
        """Where browsers read it."""
