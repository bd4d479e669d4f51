"""The one file of an upload form, as a body that ends only when the whole form did."""

from collections.abc import Callable, MutableMapping

from storage_service.app.core.errors import InvalidArgument, ValidationFailed
from storage_service.app.edge.forms import Field, FileStart, Form
from storage_service.app.edge.request import Request

FILE = "file"
MISSING = {"loc": ["body", FILE], "msg": "Field required", "type": "missing"}
# At most this many bytes of a form are not its file: the rest can be measured before it is read.
MARGIN_BYTES = 2 * 1024 * 1024


class FormFile:
    """Async iterator over the file's bytes.

    Its end waits for the form's: fields may follow the file, and a form cut short must not be
    stored. `fields` holds those read so far. Raises: InvalidArgument, IncompleteBody,
    EntityTooLarge.
    """

    __slots__ = ("_body", "_form", "_late", "fields", "start")

    def __init__(
        self,
        form: Form,
        start: FileStart,
        fields: MutableMapping[str, str],
        max_bytes: int | None = None,
    ) -> None:
        self._form = form
        self._body = form.file(max_bytes)
        self._late: Callable[[Field], None] | None = None
        self.start = start
        self.fields = fields

    def __aiter__(self) -> "FormFile":
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._body)
        except StopAsyncIteration:
            await self._read_rest()
            raise

    def close(self) -> None:
        self._body.close()

    def refuse_late(self, check: Callable[[Field], None]) -> None:
        """Have every field behind the file checked by `check`, which raises for one that comes too late."""
        self._late = check

    async def _read_rest(self) -> None:
        async for event in self._form:
            if isinstance(event, Field):
                if self._late is not None:
                    self._late(event)
                self.fields[event.name] = event.value
            elif isinstance(event, FileStart) and event.name == FILE:
                raise InvalidArgument("The form holds more than one file")


async def open_file(request: Request, max_bytes: int | None = None) -> FormFile:
    """The form's field `file`, at its first byte; fields before it are read.

    Raises: ValidationFailed if there is none, InvalidArgument, IncompleteBody.
    """
    form = Form(request)
    fields: dict[str, str] = {}
    async for event in form:
        if isinstance(event, Field):
            fields[event.name] = event.value
        elif isinstance(event, FileStart) and event.name == FILE:
            return FormFile(form, event, fields, max_bytes)
    raise no_file()


def no_file() -> ValidationFailed:
    return ValidationFailed("The form has no field 'file' with a file", [dict(MISSING)])


def least_size(request: Request) -> int:
    """Bytes the file must have, judged by the form's length; 0 if that is not known."""
    return max((request.content_length or 0) - MARGIN_BYTES, 0)
