"""Streaming multipart/form-data: events in the order of the stream, file bytes never spooled."""

from python_multipart.multipart import parse_options_header

from storage_service.app.core.errors import IncompleteBody, InvalidArgument
from storage_service.app.edge.body import SHARED, Body, Budget, Intake
from storage_service.app.edge.form_reader import (
    LIMITS,
    Event,
    Field,
    FileChunk,
    FileEnd,
    FileStart,
    FormLimits,
    FormReader,
)
from storage_service.app.edge.request import Request

__all__ = [
    "Event",
    "Field",
    "FileChunk",
    "FileEnd",
    "FileStart",
    "Form",
    "FormLimits",
    "boundary_of",
    "is_form",
]

MAX_BOUNDARY = 200  # bytes; RFC 2046 has 70


def boundary_of(content_type: str | None) -> bytes:
    """The boundary a Content-Type names.

    Raises: InvalidArgument if it is no multipart/form-data or names none.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data":
        raise InvalidArgument("Content-Type is not multipart/form-data")
    if not 1 <= len(boundary) <= MAX_BOUNDARY:
        raise InvalidArgument("The form's boundary is missing or too long")
    return boundary


def is_form(request: Request) -> bool:
    return request.headers.get(b"content-type", b"").lower().startswith(b"multipart/form-data")


class Form:
    """Async iterator over the events of a request's form, to the end of the body.

    Raises: InvalidArgument; IncompleteBody if the body ends before the form does.
    """

    def __init__(self, request: Request, limits: FormLimits = LIMITS) -> None:
        self._reader = FormReader(boundary_of(request.header(b"content-type")), limits)
        self._intake = Intake(request, request.content_length)

    def __aiter__(self) -> "Form":
        return self

    async def __anext__(self) -> Event:
        events = self._reader.events
        while not events:
            chunk = await self._intake.next()
            if not chunk:
                self._check_end()
                raise StopAsyncIteration
            self._reader.feed(chunk)
        return events.popleft()

    def file(self, max_bytes: int | None = None, budget: Budget = SHARED) -> Body:
        """After a FileStart: the file's bytes, up to and with its FileEnd, joined like any body."""
        return Body(self._file_chunk, max_bytes=max_bytes, budget=budget)

    async def _file_chunk(self) -> bytes:
        event = await anext(self)
        return event.data if isinstance(event, FileChunk) else b""

    def _check_end(self) -> None:
        if self._reader.ended():
            return
        if self._reader.begun():
            raise IncompleteBody("The form ends before its last boundary")
        raise InvalidArgument("The body does not hold the form's boundary")
