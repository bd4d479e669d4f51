"""The demo: uploads kept by `services.storage`, shown under /photos. `uvicorn main:app`."""

import os
from typing import Annotated
from uuid import uuid4

from fastapi import FastAPI, File, HTTPException, UploadFile
from fastapi.staticfiles import StaticFiles

from services.storage import FilesystemStorage, get_storage

MAX_PHOTO_BYTES = 5 * 1024 * 1024
KINDS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

app = FastAPI(title="Photo demo")
storage = get_storage()
storage.ensure_directories("photos", "sample_photos")
if isinstance(storage, FilesystemStorage):
    app.mount("/static/uploads", StaticFiles(directory=os.getenv("UPLOAD_DIR", "static/uploads")))


@app.get("/photos")
def photos() -> list[str]:
    """The URL of every photo."""
    return [storage.get_file_url(path) for path in storage.list_files("photos/")]


@app.post("/photos", status_code=201)
def upload(photo: Annotated[UploadFile, File()]) -> dict[str, str]:
    content = photo.file.read(MAX_PHOTO_BYTES + 1)
    kind = KINDS.get(photo.content_type or "")
    if kind is None or len(content) > MAX_PHOTO_BYTES:
        raise HTTPException(422, "A photo is a PNG, JPEG or WebP of at most 5 MiB")
    return {"url": storage.save_file(content, f"photos/{uuid4()}.{kind}", photo.content_type)}
