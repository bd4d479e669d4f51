"""Documents: stored encrypted, found by their storage path."""

import io
import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

from storage_service.providers.disk import CHUNK_BYTES
from storage_service.providers.documents.cipher import DocumentCipher
from storage_service.providers.documents.envelope import Document, open_envelope, seal, seal_frames
from storage_service.providers.documents.factory import ObjectStorageFactory
from storage_service.providers.documents.failover import FailoverStorageProvider
from storage_service.providers.documents.provider import DAY_SECONDS, OCTET_STREAM, StorageProvider
from storage_service.providers.errors import ConfigurationError

log = logging.getLogger(__name__)

FRAMED_ABOVE_BYTES = 16 * 1024 * 1024
MAX_NAME_BYTES = 150  # of a file name inside an object name: file systems take 255 for id, name, type and .json
UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*#%]+')
EXTENSION = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)


class About(NamedTuple):
    """What is known of a document besides its content. Without a user it is the system's."""

    document_id: int | str
    filename: str
    user_id: int | str | None = None
    content_type: str = OCTET_STREAM
    created_at: datetime | None = None


class DocumentStorageService:
    """Encrypts before anything leaves, decrypts what comes back. `compress`: where a sample gets smaller by it."""

    def __init__(
        self,
        provider: StorageProvider,
        cipher: DocumentCipher,
        *,
        compress: bool = True,
        framed_above_bytes: int = FRAMED_ABOVE_BYTES,
    ) -> None:
        self.provider = provider
        self._cipher = cipher
        self._compress = compress
        self._framed_above_bytes = framed_above_bytes

    def store_encrypted_document(
        self,
        content: bytes | BinaryIO,
        document_id: int | str,
        filename: str,
        user_id: int | str | None = None,
        content_type: str = OCTET_STREAM,
        created_at: datetime | None = None,
    ) -> str:
        """Store it, from memory or from an open file, and give back its storage path; the same call replaces it.

        Raises: ProviderUnavailable, ProviderError.
        """
        about = About(document_id, filename, user_id, content_type, created_at or datetime.now(UTC))
        return self.store_sealed_document(self.sealed(content, about), about)

    def store_sealed_document(self, sealed: bytes | Iterator[bytes], about: About) -> str:
        """The same of what `sealed` made before. Raises: ProviderUnavailable, ProviderError."""
        storage_path = self.provider.upload_file(object_name(about), sealed, "application/json")
        log.info("stored document %s at %s", about.document_id, storage_path)
        return storage_path

    def retrieve_encrypted_document(self, storage_path: str) -> dict[str, Any]:
        """`document_id`, `user_id`, `filename`, `content_type`, `size`, `created_at`, and `content`, decrypted.

        Raises: FileMissing, DecryptionFailed, ProviderUnavailable, ProviderError.
        """
        document, chunks = open_envelope(self.provider.open_file(storage_path), self._cipher)
        content = b"".join(chunks)
        log.info("retrieved document %s from %s", document.id, storage_path)
        return described(document) | {"storage_path": storage_path, "content": content}

    def open_document(self, storage_path: str, *, verify: bool = True) -> tuple[Document, Iterator[bytes]]:
        """The document and its content in chunks. Of an altered one nothing is given out: if framed, it is read twice.

        Without `verify` it is read once; then chunks before the altered one come out before the error does.
        Raises: as `retrieve_encrypted_document`.
        """
        document, chunks = open_envelope(self.provider.open_file(storage_path), self._cipher)
        first = next(chunks, b"")
        if verify and len(first) < document.size:
            for _ in chunks:
                pass
            document, chunks = open_envelope(self.provider.open_file(storage_path), self._cipher)
        else:
            chunks = chain([first], chunks)
        log.info("opened document %s at %s", document.id, storage_path)
        return document, chunks

    def delete_document(self, storage_path: str) -> bool:
        """Whether it was there. Raises: ProviderUnavailable, ProviderError."""
        found = self.provider.delete_file(storage_path)
        log.info("deleted document at %s: %s", storage_path, "done" if found else "was not there")
        return found

    def document_exists(self, storage_path: str) -> bool:
        """Raises: ProviderUnavailable, ProviderError."""
        found = self.provider.file_exists(storage_path)
        log.info("looked for document at %s: %s", storage_path, "there" if found else "not there")
        return found

    def get_download_url(self, storage_path: str, expires_seconds: int = DAY_SECONDS) -> str | None:
        """A link to the encrypted document, for whoever has the key; None where the storage gives no links."""
        url = self.provider.get_presigned_url(storage_path, expires_seconds)
        log.info("%s link to document at %s, for %s s", "gave a" if url else "no", storage_path, expires_seconds)
        return url

    def sealed(self, content: bytes | BinaryIO, about: About) -> bytes | Iterator[bytes]:
        """The encrypted document as it is stored anywhere: whole, or in chunks where it is large."""
        size = len(content) if isinstance(content, bytes) else _size_of(content)
        document = Document(
            id=str(about.document_id),
            user_id=None if about.user_id is None else str(about.user_id),
            filename=about.filename,
            content_type=about.content_type,
            size=size,
            created_at=(about.created_at or datetime.now(UTC)).isoformat(),
        )
        if size > self._framed_above_bytes:
            source = io.BytesIO(content) if isinstance(content, bytes) else content
            return seal_frames(document, _chunks_of(source), self._cipher, compress=self._compress)
        whole = content if isinstance(content, bytes) else content.read()
        return seal(document, whole, self._cipher, compress=self._compress)

    def unsealed(self, chunks: Iterator[bytes]) -> tuple[Document, Iterator[bytes]]:
        """What `sealed` made, wherever it was kept. Raises: DecryptionFailed."""
        return open_envelope(chunks, self._cipher)


def object_name(about: About) -> str:
    """`documents/user_<id>/YYYY/MM/DD/<id>_<filename>_<ext>.json`; `system` where there is no user."""
    owner = "system" if about.user_id is None else f"user_{_safe(str(about.user_id))}"
    day = (about.created_at or datetime.now(UTC)).strftime("%Y/%m/%d")
    suffix = about.filename.rpartition(".")[2] if "." in about.filename else ""
    extension = suffix.lower() if EXTENSION.fullmatch(suffix) else "bin"
    return f"documents/{owner}/{day}/{_safe(str(about.document_id))}_{_safe(about.filename)}_{extension}.json"


def _safe(name: str) -> str:
    """Letters of any script stay; what a URL, a shell or a file system takes for something else does not."""
    cut = UNSAFE.sub("_", name).encode("utf-8", "replace")[:MAX_NAME_BYTES]
    return cut.decode("utf-8", "ignore").strip() or "_"


def described(document: Document) -> dict[str, Any]:
    return {
        "document_id": document.id,
        "user_id": document.user_id,
        "filename": document.filename,
        "content_type": document.content_type,
        "size": document.size,
        "created_at": document.created_at,
    }


def _size_of(file: BinaryIO) -> int:
    start = file.tell()
    size = file.seek(0, io.SEEK_END) - start
    file.seek(start)
    return size


def _chunks_of(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


# ---------------------------------------------------------------------------------- one for the app
_lock = threading.Lock()
_services: list[DocumentStorageService] = []


def init_storage_service(settings: Mapping[str, Any] | None = None) -> DocumentStorageService:
    """Make the app's service from settings, or from the environment, and keep it for `get_storage_service`.

    STORAGE_TYPE and what `ObjectStorageFactory` reads; DOCUMENT_KEY_PATH, a PEM file with an RSA key;
    DOCUMENT_PREVIOUS_KEY_PATHS, older ones separated by `:`; STORAGE_FAILOVER_TYPE, a second storage.
    Raises: ConfigurationError.
    """
    found = os.environ if settings is None else settings
    provider = ObjectStorageFactory.create_provider(str(found.get("STORAGE_TYPE") or "local"), found)
    if second := found.get("STORAGE_FAILOVER_TYPE"):
        provider = FailoverStorageProvider(provider, ObjectStorageFactory.create_provider(str(second), found))
    path = found.get("DOCUMENT_KEY_PATH")
    if not path:
        raise ConfigurationError("DOCUMENT_KEY_PATH names no RSA key: make one with openssl genrsa -out FILE 2048")
    previous = [one for one in str(found.get("DOCUMENT_PREVIOUS_KEY_PATHS") or "").split(":") if one]
    service = DocumentStorageService(provider, DocumentCipher.load(str(path), *previous))
    with _lock:
        _services[:] = [service]
    log.info("documents are stored at %s", provider.root)
    return service


def get_storage_service() -> DocumentStorageService:
    """The app's service; made from the environment if nobody did before. Raises: ConfigurationError."""
    return _services[0] if _services else init_storage_service()
