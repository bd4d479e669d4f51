"""POST /file/add, POST /file/get, POST /file/download, DELETE /file/delete. Plain functions: they run in threads."""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, File, Form, Header, HTTPException, UploadFile
from fastapi.responses import StreamingResponse
from jose import JWTError, jwt
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from controller import document
from core.config import get_settings
from db.session import session_of_request
from models.document import DocumentColumns

OCTET_STREAM = "application/octet-stream"

router = APIRouter(prefix="/file", tags=["file"])


def current_user(authorization: Annotated[str, Header()] = "") -> int:
    """The user of a login token. Raises: HTTPException 401."""
    token = authorization.removeprefix("Bearer ")
    try:
        claims = jwt.decode(token, get_settings().SECRET_KEY, ["HS256"], options={"require_exp": True})
        return int(claims["sub"])
    except (JWTError, KeyError, ValueError):
        raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": "Bearer"}) from None


User = Annotated[int, Depends(current_user)]
Database = Annotated[Session, Depends(session_of_request)]


class OneFile(BaseModel):
    """`staged`: of those that wait to be attached."""

    id: int
    staged: bool = False


class ManyFiles(BaseModel):
    ids: list[int] = Field(min_length=1, max_length=100)


@router.post("/add", status_code=201)
def add(
    user: User,
    session: Database,
    files: Annotated[list[UploadFile] | None, File()] = None,
    content_base64: Annotated[str, Form()] = "",
    filename: Annotated[str, Form()] = "",
    staged: Annotated[bool, Form()] = False,
) -> list[dict[str, Any]]:
    """Files of a form, or one in base64 with its `filename`, which is always staged."""
    rows: Sequence[DocumentColumns]
    if content_base64:
        rows = [document.upload_staged_base(session, content_base64, filename or "file", OCTET_STREAM, user)]
    elif not files:
        raise HTTPException(422, "Send `files`, or `content_base64` with `filename`")
    elif staged:
        rows = [document.upload_staged_file(session, _upload(file), user) for file in files]
    else:
        rows = document.upload_files(session, [_upload(file) for file in files], user)
    return [{"id": row.id, "filename": row.filename, "storage_path": row.storage_path} for row in rows]


def _upload(file: UploadFile) -> document.Upload:
    kind = file.content_type or OCTET_STREAM
    return document.Upload(file.filename or "file", kind, file.file)


@router.post("/get")
def get(user: User, session: Database, wanted: OneFile) -> dict[str, Any]:
    """As JSON, the content in base64."""
    return document.download_attachment_by_id(session, wanted.id, user, staged=wanted.staged, as_json=True)


@router.post("/download")
def download(user: User, session: Database, wanted: OneFile | ManyFiles) -> StreamingResponse:
    """As a file, or several as a zip."""
    if isinstance(wanted, ManyFiles):
        chunks = document.download_file_attachments_by_id(session, wanted.ids, user)
        return StreamingResponse(chunks, media_type="application/zip", headers=_attachment("documents.zip"))
    found = document.download_attachment_by_id(session, wanted.id, user, staged=wanted.staged)
    headers = _attachment(found["filename"])
    return StreamingResponse(found["chunks"], media_type=found["content_type"], headers=headers)


@router.delete("/delete", status_code=204)
def delete(user: User, session: Database, wanted: OneFile) -> None:
    document.delete_document(session, wanted.id, user, staged=wanted.staged)


def _attachment(filename: str) -> dict[str, str]:
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }
