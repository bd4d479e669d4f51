"""From the bytes of a multipart form to its events, no I/O. Source: RFC 7578, RFC 2046 §5.1."""

import logging
import re
from collections import deque
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from storage_service.app.core.errors import InvalidArgument

# The parser warns of every malformed form; the client is told, the log need not be.
logging.getLogger("python_multipart").setLevel(logging.ERROR)

QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
# Not allowed in forms (RFC 7578 §4.2), and yet what urllib3 1.x sends for names that are not ASCII.
STARRED = re.compile(r";\s*filename\*=utf-8''([^\s;]+)", re.IGNORECASE)
# Bytes. python-multipart takes time quadratic in the quotes of a disposition: 2 ms for 8 KiB.
MAX_DISPOSITION = 4 * 1024
PLAIN_ENCODINGS = frozenset({b"", b"binary", b"7bit", b"8bit"})


class FormLimits(NamedTuple):
    """Bytes, unless named otherwise. File bytes are limited by `Form.file`."""

    parts: int = 100  # count
    headers: int = 16  # count, of one part
    header_bytes: int = 8 * 1024  # of one part
    field_bytes: int = 64 * 1024
    fields_bytes: int = 1024 * 1024  # of all fields together
    margin_bytes: int = 64 * 1024  # preamble, and epilogue


LIMITS = FormLimits()


class Field(NamedTuple):
    name: str
    value: str


class FileStart(NamedTuple):
    """A part with a file name, which may be empty (a browser's unused file input)."""

    name: str
    filename: str
    content_type: str | None


class FileChunk(NamedTuple):
    data: bytes


class FileEnd(NamedTuple):
    """The file is whole. The form is not: fields may follow."""


Event = Field | FileStart | FileChunk | FileEnd


class FormReader:
    """Turns a form's bytes into events, without I/O.

    Raises: InvalidArgument past a limit or when malformed.
    """

    def __init__(self, boundary: bytes, limits: FormLimits = LIMITS) -> None:
        self.events: deque[Event] = deque()
        self._ended = False
        self._limits = limits
        self._boundary = boundary
        self._preamble: bytearray | None = bytearray()  # None once the first boundary was seen
        self._epilogue = 0
        self._parts = self._fields_bytes = self._mark = 0
        self._begin_part()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part,
                "on_header_field": self._on_header_name,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
            max_header_count=limits.headers,
            max_header_size=limits.header_bytes,
        )

    def begun(self) -> bool:
        """Whether the first boundary was seen."""
        return self._preamble is None

    def ended(self) -> bool:
        """Whether the last boundary was seen."""
        return self._ended

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body and appends to `events`."""
        if self._preamble is not None:
            data = self._after_preamble(self._preamble, data)
        if self.ended():
            self._count_epilogue(len(data))
            return
        self._mark = 0
        try:
            self._parser.write(data)
        except FormParserError:
            raise InvalidArgument("The form is malformed or a part has too many headers") from None
        if self.ended():
            self._count_epilogue(len(data) - self._mark - len(self._boundary) - 8)

    def _after_preamble(self, preamble: bytearray, data: bytes) -> bytes:
        """What stands from the first boundary on; the parser itself would refuse text before it."""
        delimiter = b"--" + self._boundary
        searched = max(len(preamble) - len(delimiter) - 2, 0)
        preamble += data
        if preamble.startswith(delimiter):
            at = 0
        else:
            line = preamble.find(b"\r\n" + delimiter, searched)
            at = line + 2 if line >= 0 else len(preamble)
        if at > self._limits.margin_bytes:
            raise InvalidArgument("The form's preamble is too long")
        if at == len(preamble):
            return b""
        self._preamble = None
        return bytes(preamble[at:])

    def _count_epilogue(self, size: int) -> None:
        self._epilogue += max(size, 0)
        if self._epilogue > self._limits.margin_bytes:
            raise InvalidArgument("The form's epilogue is too long")

    def _begin_part(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._header_bytes = 0
        self._name = bytearray()
        self._value = bytearray()
        self._field: str | None = None  # the field being read; None within a file
        self._data = bytearray()

    def _on_part(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts:
            raise InvalidArgument("The form has too many parts")
        self._begin_part()

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end, end - start)
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end, end - start)
        self._value += data[start:end]

    def _count_header(self, end: int, size: int) -> None:
        self._mark = end
        self._header_bytes += size
        if self._header_bytes > self._limits.header_bytes:
            raise InvalidArgument("A part's headers are too long")

    def _on_header_end(self) -> None:
        self._headers.setdefault(bytes(self._name).lower(), bytes(self._value).strip())
        self._name, self._value = bytearray(), bytearray()

    def _on_headers(self) -> None:
        if self._headers.get(b"content-transfer-encoding", b"").lower() not in PLAIN_ENCODINGS:
            raise InvalidArgument("Parts of a form must not be transfer-encoded (RFC 7578 §4.7)")
        name, filename = disposition(self._headers.get(b"content-disposition", b""))
        if filename is None:
            self._field = name
            return
        content_type = self._headers.get(b"content-type")
        declared = None if content_type is None else content_type.decode("latin-1")
        self.events.append(FileStart(name, filename, declared))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._mark = end
        if self._field is None:
            self.events.append(FileChunk(data[start:end]))
            return
        self._data += data[start:end]
        self._fields_bytes += end - start
        too_long = len(self._data) > self._limits.field_bytes
        if too_long or self._fields_bytes > self._limits.fields_bytes:
            raise InvalidArgument("A field of the form, or all of them together, is too long")

    def _on_part_end(self) -> None:
        if self._field is None:
            self.events.append(FileEnd())
        else:
            self.events.append(Field(self._field, _utf8(bytes(self._data))))

    def _on_end(self) -> None:
        self._ended = True


def disposition(header: bytes) -> tuple[str, str | None]:
    """Name and file name of a part's Content-Disposition; None = a plain field.

    Raises: InvalidArgument.
    """
    if len(header) > MAX_DISPOSITION:
        raise InvalidArgument("A part's Content-Disposition is too long")
    kind, options = parse_options_header(header.decode("latin-1"))
    if kind != b"form-data" or b"name" not in options:
        raise InvalidArgument("A part of the form has no name")
    filename = options.get(b"filename")
    if filename is None:
        starred = STARRED.search(QUOTED.sub('""', header.decode("latin-1")))
        filename = unquote_to_bytes(starred[1]) if starred else None
    return _utf8(options[b"name"]), None if filename is None else _utf8(filename)


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidArgument("The form holds a name or value that is not UTF-8") from None
