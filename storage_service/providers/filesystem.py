"""Files below a directory, served by the app under a URL."""

from urllib.parse import quote

from storage_service.providers.base import StorageInterface
from storage_service.providers.disk import Tree, checked


class FilesystemStorage(StorageInterface):
    """For development: the app serves the directory `base_path` as static files under `base_url`."""

    def __init__(self, base_path: str = "static/uploads", base_url: str = "/static/uploads") -> None:
        self.base_path = base_path
        self._tree = Tree(base_path)
        self._tree.root.mkdir(parents=True, exist_ok=True)
        self._base_url = base_url.rstrip("/")

    def ensure_directories(self, *paths: str) -> None:
        for path in paths:
            self._tree.place(path).mkdir(parents=True, exist_ok=True)

    def save_file(self, content: bytes, path: str, content_type: str | None = None) -> str:
        self._tree.write(path, [content])
        return self.get_file_url(path)

    def get_file(self, path: str) -> bytes:
        return b"".join(self._tree.read(path))

    def file_exists(self, path: str) -> bool:
        return self._tree.exists(path)

    def delete_file(self, path: str) -> bool:
        return self._tree.delete(path)

    def list_files(self, prefix: str = "") -> list[str]:
        return self._tree.list(prefix)

    def get_file_url(self, path: str) -> str:
        return f"{self._base_url}/{quote(checked(path))}"
