"""An app whose users upload straight to the storage service: this backend never touches a byte of their files.

It keeps a record of each file, hands out links that hold for minutes, and tells browsers when a file has arrived.
Run it with `uvicorn main:app`; README.md tells the rest.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

from anyio import from_thread
from fastapi import Depends, FastAPI, Header, HTTPException, WebSocket
from fastapi.responses import FileResponse
from jose import JWTError, jwt
from pydantic import BaseModel, Field

from storage_service.client import Client, NotFound, UploadPolicy

HERE = Path(__file__).parent
DATABASE = os.environ.get("DATABASE", "files.db")
SECRET_KEY = os.environ["SECRET_KEY"]  # the same as the storage service's: one login for both
MAX_BYTES = 100 * 1024 * 1024
LINK_TIME = timedelta(minutes=15)
TABLE = """CREATE TABLE IF NOT EXISTS files(
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, size INT NOT NULL, type TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting')"""

app = FastAPI(title="Uploads")
storage = Client(os.environ["STORAGE_URL"], api_key=os.environ["STORAGE_SERVICE_API_KEY"])
bucket = storage.bucket(os.environ.get("BUCKET", "uploads"))
listening: dict[str, set[WebSocket]] = {}


class NewFile(BaseModel):
    name: str = Field(min_length=1, max_length=255)
    size: int = Field(ge=1, le=MAX_BYTES)
    type: str = Field("application/octet-stream", pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=100)


# Who is asking -------------------------------------------------------------------------------------------------------


def user_of(token: str) -> str:
    try:
        return str(jwt.decode(token, SECRET_KEY, algorithms=["HS256"], options={"require_exp": True})["sub"])
    except (JWTError, KeyError):
        raise HTTPException(401, "Log in first") from None


def current_user(authorization: Annotated[str, Header()] = "") -> str:
    return user_of(authorization.removeprefix("Bearer "))


User = Annotated[str, Depends(current_user)]


# Records -------------------------------------------------------------------------------------------------------------


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(DATABASE)
    connection.row_factory = sqlite3.Row
    try:
        with connection:
            connection.execute(TABLE)
            yield connection
    finally:
        connection.close()


def record_of(file_id: str, user: str) -> dict[str, Any]:
    """404 for files of others, too: that there is one is none of their business."""
    with database() as connection:
        row = connection.execute("SELECT * FROM files WHERE id=? AND owner=?", (file_id, user)).fetchone()
    if row is None:
        raise HTTPException(404, "No such file")
    return dict(row)


def key_of(record: dict[str, Any]) -> str:
    """Nothing of it was chosen by a user."""
    return f"{record['id'][:2]}/{record['id']}"


# Routes --------------------------------------------------------------------------------------------------------------


@app.get("/")
def page() -> FileResponse:
    return FileResponse(HERE / "index.html")


@app.post("/files", status_code=201)
def create(new: NewFile, user: User) -> dict[str, Any]:
    """A record, and a link for the browser: one upload, of this type, no larger than announced."""
    record = {"id": uuid4().hex, "owner": user, **new.model_dump()}
    with database() as connection:
        connection.execute("INSERT INTO files(id,owner,name,size,type) VALUES(:id,:owner,:name,:size,:type)", record)
    policy = UploadPolicy(LINK_TIME, max_bytes=new.size, content_type=new.type, once=True, overwrite=False)
    link = bucket.sign_upload(key_of(record), policy)
    return {"id": record["id"], "upload": {"url": link.url, "method": link.method}}


@app.post("/files/{file_id}/complete")
def complete(file_id: str, user: User) -> dict[str, Any]:
    """The browser says that it is done; the storage service says whether that is true."""
    record = record_of(file_id, user)
    try:
        # Downloads get the name the user knows; the key is nobody's name. Source: RFC 6266, RFC 8187.
        named = f"attachment; filename*=UTF-8''{quote(record['name'], safe='')}"
        stored = bucket.update(key_of(record), content_disposition=named)
    except NotFound:
        raise HTTPException(409, "The file has not arrived") from None
    with database() as connection:
        connection.execute("UPDATE files SET state='ready', size=? WHERE id=?", (stored.size, file_id))
    told = {"event": "ready", "id": file_id, "name": record["name"], "size": stored.size}
    from_thread.run(tell, user, told)
    return told


@app.get("/files")
def files(user: User) -> list[dict[str, Any]]:
    with database() as connection:
        rows = connection.execute("SELECT id,name,size,type,state FROM files WHERE owner=? ORDER BY name", (user,))
        return [dict(row) for row in rows]


@app.get("/files/{file_id}/download")
def download(file_id: str, user: User) -> dict[str, str]:
    """A link the browser follows: it holds for minutes, and for this file alone."""
    record = record_of(file_id, user)
    if record["state"] != "ready":
        raise HTTPException(409, "The file has not arrived")
    return {"url": bucket.sign(key_of(record), expires=LINK_TIME).url}


@app.delete("/files/{file_id}", status_code=204)
def delete(file_id: str, user: User) -> None:
    record = record_of(file_id, user)
    if bucket.exists(key_of(record)):
        bucket.delete(key_of(record))
    with database() as connection:
        connection.execute("DELETE FROM files WHERE id=?", (file_id,))


@app.websocket("/events")
async def events(socket: WebSocket) -> None:
    """Tells a user's browsers what has arrived, whichever of them sent it. The first message is the token."""
    await socket.accept()
    try:
        user = user_of(await socket.receive_text())
    except HTTPException:
        await socket.close(code=4401)
        return
    await socket.send_json({"event": "listening"})
    listening.setdefault(user, set()).add(socket)
    try:
        async for _ in socket.iter_text():
            pass  # nothing is expected; the loop ends when the browser leaves
    finally:
        listening[user].discard(socket)


async def tell(user: str, message: dict[str, Any]) -> None:
    for socket in list(listening.get(user, ())):
        await socket.send_json(message)
