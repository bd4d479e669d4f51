"""Documents in a directory."""

import os
from collections.abc import Iterator

from storage_service.providers.disk import Tree
from storage_service.providers.documents.provider import (
    DAY_SECONDS,
    OCTET_STREAM,
    Content,
    StorageProvider,
    chunks_of,
)


class LocalStorageProvider(StorageProvider):
    """For development, and to fall back on. Storage paths are paths on disk."""

    storage_type = "local"

    def __init__(self, base_path: os.PathLike[str] | str) -> None:
        self._tree = Tree(base_path)
        self._tree.root.mkdir(parents=True, exist_ok=True)

    @property
    def root(self) -> str:
        return f"{self._tree.root}/"

    def upload_file(self, path: str, content: Content, content_type: str = OCTET_STREAM) -> str:
        name = self.name_of(path)
        self._tree.write(name, chunks_of(content))
        return self.root + name

    def open_file(self, path: str) -> Iterator[bytes]:
        return self._tree.read(self.name_of(path))

    def delete_file(self, path: str) -> bool:
        return self._tree.delete(self.name_of(path))

    def file_exists(self, path: str) -> bool:
        return self._tree.exists(self.name_of(path))

    def list_files(self, prefix: str = "") -> Iterator[str]:
        return iter(self._tree.list(prefix))

    def get_presigned_url(self, path: str, expires_seconds: int = DAY_SECONDS) -> str | None:
        return None
