"""A backend that keeps its users' documents encrypted in object storage: `uvicorn main:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from controller.document import BadUpload, DocumentNotFound
from core.config import get_settings
from routers.document import router
from services.object_storage_service import init_storage_service
from storage_service.providers import FileMissing, ProviderError


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    init_storage_service(get_settings().model_dump())
    yield


app = FastAPI(title="Document backend", lifespan=lifespan)
app.include_router(router)


@app.exception_handler(DocumentNotFound)
@app.exception_handler(FileMissing)
def not_found(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "There is no such document"}, 404)


@app.exception_handler(BadUpload)
def bad_upload(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422)


@app.exception_handler(ProviderError)
def no_storage(_: Request, error: Exception) -> JSONResponse:
    """Without the reason: it names buckets and paths, and stands in the log."""
    return JSONResponse({"detail": "The document storage does not answer"}, 503)
