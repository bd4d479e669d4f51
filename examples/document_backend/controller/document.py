"""Documents in, documents out. An upload is all there (object, local file, row) or nothing of it is."""

import io
import logging
import tempfile
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO, NamedTuple, TypeVar

from sqlalchemy.orm import Session

from core.config import get_settings
from models.document import Attachment, AttachmentStaging, DocumentColumns
from services.object_storage_service import DocumentStorageService, get_storage_service
from storage_service.providers import LocalStorageProvider, ProviderError, StorageProvider
from storage_service.providers.documents.service import About, object_name

log = logging.getLogger(__name__)

STAGING = "staging-"  # before the ids of staged documents: both tables count from 1
CHUNK_BYTES = 1024 * 1024
IN_MEMORY_BYTES = 8 * 1024 * 1024  # of a zip; a larger one goes to a temporary file

Row = TypeVar("Row", bound=DocumentColumns)


class Upload(NamedTuple):
    """A file as it comes in; `file` can rewind."""

    filename: str
    content_type: str
    file: BinaryIO


class BadUpload(ValueError):
    """What was sent is no file."""


class DocumentNotFound(LookupError):
    """No such document of this user."""


# ---------------------------------------------------------------------------------------- in
def upload_staged_file(session: Session, upload: Upload, user_id: int | None) -> AttachmentStaging:
    """Store one file to be attached later. Raises: ProviderError."""
    return _store_all(session, AttachmentStaging, [upload], user_id)[0]


def upload_staged_base(
    session: Session, data: str, filename: str, content_type: str, user_id: int | None
) -> AttachmentStaging:
    """The same of a file in base64, with or without `data:...;base64,` before it. Raises: BadUpload, ProviderError."""
    try:
        content = b64decode(data.partition(";base64,")[2] or data, validate=True)
    except ValueError:
        raise BadUpload("the content is not base64") from None
    return upload_staged_file(session, Upload(filename, content_type, io.BytesIO(content)), user_id)


def upload_files(session: Session, uploads: Sequence[Upload], user_id: int | None) -> list[Attachment]:
    """Attach files: all, or none of them. Raises: ProviderError."""
    return _store_all(session, Attachment, uploads, user_id)


def _store_all(session: Session, model: type[Row], uploads: Sequence[Upload], user_id: int | None) -> list[Row]:
    """In one transaction. Whatever fails, at whatever step, what was done before is undone, last first."""
    with ExitStack() as undo:
        undo.callback(session.rollback)
        rows = [_store(session, model, upload, user_id, undo) for upload in uploads]
        session.commit()
        undo.pop_all()
    return rows


def _store(session: Session, model: type[Row], upload: Upload, user_id: int | None, undo: ExitStack) -> Row:
    row = model(user_id=user_id, filename=upload.filename, content_type=upload.content_type)
    session.add(row)
    session.flush()  # its id is part of the object's name
    about = _about(row)
    name = object_name(about)
    service = get_storage_service()
    # Before each step, not behind it: a step that failed may still have stored something.
    undo.callback(_forget, service.provider, name)
    row.storage_path = service.store_encrypted_document(upload.file, *about)
    row.storage_type = service.provider.type_of(row.storage_path)
    row.filepath = _keep_local(service, about, upload.file, undo)
    session.flush()
    return row


def _keep_local(service: DocumentStorageService, about: About, file: BinaryIO, undo: ExitStack) -> str:
    """The encrypted document as a local file, where programs of old look for it; its path."""
    local = LocalStorageProvider(get_settings().LOCAL_STORAGE_PATH)
    name = object_name(about)
    if service.provider.owns(local.get_storage_path(name)):
        return local.get_storage_path(name)
    undo.callback(_forget, local, name)
    file.seek(0)
    return local.upload_file(name, service.sealed(file, about))


def _forget(provider: StorageProvider, name: str) -> None:
    """Undo an upload. What cannot be undone is told: the error that made it necessary goes on."""
    try:
        provider.delete_file(name)
    except ProviderError:
        log.exception("%s is left over in %s", name, provider.root)


def _about(row: DocumentColumns) -> About:
    prefix = STAGING if isinstance(row, AttachmentStaging) else ""
    return About(f"{prefix}{row.id}", row.filename, row.user_id, row.content_type, row.created_at)


# --------------------------------------------------------------------------------------- out
def download_attachment_by_id(
    session: Session, attachment_id: int, user_id: int | None, *, staged: bool = False, as_json: bool = False
) -> dict[str, Any]:
    """A document: with its content in base64 (`as_json`), else with `chunks` to stream.

    Read from object storage; where that fails, from the local file.
    Raises: DocumentNotFound, ProviderError if neither can be read.
    """
    row = _row(session, attachment_id, user_id, staged=staged)
    about = {"id": row.id, "filename": row.filename, "content_type": row.content_type}
    if not as_json:
        return about | {"chunks": _read(row)}
    content = b"".join(_read(row))
    return about | {"size": len(content), "content": b64encode(content).decode()}


def download_file_attachments_by_id(session: Session, ids: Sequence[int], user_id: int | None) -> Iterator[bytes]:
    """A zip of documents, in chunks. Those that cannot be read are named in its `missing.txt`.

    Raises: DocumentNotFound for ids that are not there, ProviderError if none can be read.
    """
    rows = [_row(session, attachment_id, user_id) for attachment_id in dict.fromkeys(ids)]
    file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - closed by what reads it
    missing: list[str] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for row in rows:
            try:
                _add(archive, row)
            except ProviderError as error:
                log.warning("document %s is not in the zip: %s", row.id, error)
                missing.append(f"{row.id} {row.filename}")
        if missing:
            archive.writestr("missing.txt", "\n".join(missing) + "\n")
    if len(missing) == len(rows):
        file.close()
        raise ProviderError("none of these documents can be read")
    return _from_start(file)


def _add(archive: zipfile.ZipFile, row: DocumentColumns) -> None:
    chunks = _read(row)  # before there is an entry: one that cannot be read leaves none
    name = row.filename.replace("\\", "_").replace("/", "_")
    unique = name if name not in archive.namelist() else f"{row.id}_{name}"
    with archive.open(unique, "w", force_zip64=True) as entry:
        for chunk in chunks:
            entry.write(chunk)


def _from_start(file: Any) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _read(row: DocumentColumns) -> Iterator[bytes]:
    """The content, which was checked before the first chunk. Raises: ProviderError."""
    service = get_storage_service()
    if row.storage_path:
        try:
            return service.open_document(row.storage_path)[1]
        except ProviderError as error:
            if not row.filepath:
                raise
            log.warning("%s: %s; reading %s", row.storage_path, error, row.filepath)
    return _read_local(service, row.filepath or "")


def _read_local(service: DocumentStorageService, filepath: str) -> Iterator[bytes]:
    local = LocalStorageProvider(get_settings().LOCAL_STORAGE_PATH)
    for _ in service.unsealed(local.open_file(filepath))[1]:
        pass
    return service.unsealed(local.open_file(filepath))[1]


def _row(session: Session, attachment_id: int, user_id: int | None, *, staged: bool = False) -> DocumentColumns:
    model: type[DocumentColumns] = AttachmentStaging if staged else Attachment
    row = session.get(model, attachment_id)
    if row is None or row.user_id != user_id:
        raise DocumentNotFound(f"there is no document {attachment_id}")
    return row


def delete_document(session: Session, attachment_id: int, user_id: int | None, *, staged: bool = False) -> None:
    """Object, local file and row. If one of the first two fails the row stays, and it can be tried again.

    Raises: DocumentNotFound, ProviderError.
    """
    row = _row(session, attachment_id, user_id, staged=staged)
    if row.storage_path and row.storage_path != row.filepath:
        get_storage_service().delete_document(row.storage_path)
    if row.filepath:
        LocalStorageProvider(get_settings().LOCAL_STORAGE_PATH).delete_file(row.filepath)
    session.delete(row)
    session.commit()
