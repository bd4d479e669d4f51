"""Documents in Google Cloud Storage and Azure Blob Storage, through obstore."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import BaseError, GenericError
from obstore.store import AzureStore, GCSStore

from storage_service.providers.documents.provider import (
    DAY_SECONDS,
    OCTET_STREAM,
    Content,
    StorageProvider,
)
from storage_service.providers.errors import FileMissing, ProviderError, ProviderUnavailable


class ObstoreProvider(StorageProvider):
    """What both have in common."""

    scheme: str

    def __init__(self, store: Any, container: str) -> None:
        self._store = store
        self._container = container

    @property
    def root(self) -> str:
        return f"{self.scheme}://{self._container}/"

    def upload_file(self, path: str, content: Content, content_type: str = OCTET_STREAM) -> str:
        name = self.name_of(path)
        with own_errors(name):
            # One request for bytes; of chunks, which may be many, parts that become an object with the last.
            body = content if isinstance(content, bytes) else iter(content)
            obstore.put(self._store, name, body, attributes={"Content-Type": content_type})
        return self.root + name

    def open_file(self, path: str) -> Iterator[bytes]:
        name = self.name_of(path)
        with own_errors(name):
            found = obstore.get(self._store, name)
        return _chunks(name, found)

    def delete_file(self, path: str) -> bool:
        """Stores differ in what they say of a file that is not there: it is asked first."""
        found = self.file_exists(path)
        if found:
            with own_errors(path):
                obstore.delete(self._store, self.name_of(path))
        return found

    def file_exists(self, path: str) -> bool:
        name = self.name_of(path)
        try:
            with own_errors(name):
                obstore.head(self._store, name)
        except FileMissing:
            return False
        return True

    def list_files(self, prefix: str = "") -> Iterator[str]:
        """The stores list whole segments: names that only begin with the last one are found by hand."""
        directory = prefix.rpartition("/")[0]
        with own_errors(prefix):
            pages = obstore.list(self._store, prefix=directory or None)
            names = sorted(entry["path"] for page in pages for entry in page)
        yield from (name for name in names if name.startswith(prefix))

    def get_presigned_url(self, path: str, expires_seconds: int = DAY_SECONDS) -> str | None:
        name = self.name_of(path)
        with own_errors(name):
            return obstore.sign(self._store, "GET", name, timedelta(seconds=expires_seconds))


class GCSStorageProvider(ObstoreProvider):
    """A bucket of Google Cloud Storage. `config` goes to obstore: `service_account_path`, `service_account_key` ..."""

    scheme, storage_type = "gs", "gcs"

    def __init__(self, bucket: str, **config: Any) -> None:
        super().__init__(GCSStore(bucket, **config), bucket)


class AzureStorageProvider(ObstoreProvider):
    """A container of Azure Blob Storage. `config` goes to obstore: `account_name`, `account_key`, `endpoint` ..."""

    scheme, storage_type = "az", "azure"

    def __init__(self, container: str, **config: Any) -> None:
        super().__init__(AzureStore(container, **config), container)


def _chunks(name: str, found: Any) -> Iterator[bytes]:
    with own_errors(name):
        for chunk in found.stream():
            yield bytes(chunk)


@contextmanager
def own_errors(what: str) -> Iterator[None]:
    """Raises: FileMissing, ProviderUnavailable (not reached, 5xx after retries), ProviderError."""
    try:
        yield
    except FileNotFoundError:
        raise FileMissing(what) from None
    except GenericError as error:
        raise ProviderUnavailable(f"{what}: {_first_line(error)}") from error
    except BaseError as error:
        raise ProviderError(f"{what}: {_first_line(error)}") from error


def _first_line(error: BaseError) -> str:
    """Without the page of structures behind it."""
    return str(error).partition("\n")[0]
