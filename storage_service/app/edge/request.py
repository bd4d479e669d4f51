"""One ASGI request, read lazily: a hot route looks at four headers and must not pay for twenty."""

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from storage_service.app.core.errors import InvalidArgument, InvalidKey
from storage_service.app.core.objects import random_hex

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
LENGTH = re.compile(rb"[0-9]{1,19}")  # int() would also take "+1", "1_0" and other digits
MAX_QUERY_FIELDS = 1000


class Request:
    """Scope, receive and send of one HTTP request.

    Header names are lower-case bytes, as ASGI has them.
    """

    __slots__ = ("_headers", "_path", "_query", "_request_id", "bytes_in", "method", "receive", "scope", "send")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self._headers: dict[bytes, bytes] | None = None
        self._path: str | None = None
        self._query: dict[str, str] | None = None
        self._request_id: str | None = None
        self.bytes_in = 0  # of the body, read so far

    @property
    def raw_path(self) -> bytes:
        """The path as it was sent, without the query; percent-encoding untouched."""
        raw: bytes | None = self.scope.get("raw_path")
        if raw is None:  # optional in ASGI
            return quote(self.scope["path"]).encode()
        return raw.partition(b"?")[0]

    @property
    def path(self) -> str:
        """The path decoded once: `%2F` is `/`, `+` stays `+`, a `%` without two hex digits stays.

        The last because some SDKs send names unencoded, `100%.txt` too. Raises: InvalidKey if not
        UTF-8.
        """
        if self._path is None:
            self._path = decode_path(self.raw_path)
        return self._path

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The first value of each header."""
        if self._headers is None:
            self._headers = dict(reversed(self.scope["headers"]))
        return self._headers

    @property
    def repeats_headers(self) -> bool:
        """Whether some header stands twice: rare, and only then is it worth while to look which."""
        return len(self.headers) != len(self.scope["headers"])

    def add_headers(self, more: Iterable[tuple[bytes, bytes]]) -> None:
        """Headers that stood elsewhere, as in a presigned URL; one that was sent stands."""
        self.scope["headers"] = [*self.scope["headers"], *more]
        self._headers = None

    def header(self, name: bytes) -> str | None:
        """The first value of the header, as Latin-1. None if it does not stand."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def headers_all(self, name: bytes) -> list[str]:
        """Every value of the header in the order sent."""
        return [value.decode("latin-1") for key, value in self.scope["headers"] if key == name]

    @property
    def query(self) -> dict[str, str]:
        """The query's fields, decoded; of duplicates the last.

        Raises: InvalidArgument if not UTF-8 or too many.
        """
        if self._query is None:
            self._query = parse_query(self.scope.get("query_string", b""))
        return self._query

    @property
    def request_id(self) -> str:
        """X-Request-ID if it is 1 to 128 of A-Z a-z 0-9 .

        _ -, else a new one; the same for the whole request.
        """
        if self._request_id is None:
            sent = self.header(b"x-request-id")
            self._request_id = sent if sent and REQUEST_ID.fullmatch(sent) else random_hex()
        return self._request_id

    @property
    def holds_body_back(self) -> bool:
        """Whether the client still waits to be told to send its body. Answered now, it may send the body or not: the
        connection must end, or the server takes the next request for it. Source: RFC 9110 §10.1.1."""
        return b"expect" in self.headers and not self.bytes_in

    @property
    def content_length(self) -> int | None:
        """Bytes the client announced.

        Raises: InvalidArgument if bad or contradictory. Source: RFC 9110 §8.6.
        """
        sent = self.headers.get(b"content-length")
        if sent is None:
            return None
        if not LENGTH.fullmatch(sent) or (self.repeats_headers and len(set(self.headers_all(b"content-length"))) > 1):
            raise InvalidArgument("Content-Length is not one number of bytes")
        return int(sent)


def decode_path(raw: bytes) -> str:
    """Percent-decoded UTF-8 of a raw path. Raises: InvalidKey."""
    try:
        return (unquote_to_bytes(raw) if b"%" in raw else raw).decode()
    except UnicodeDecodeError:
        raise InvalidKey("The path is not valid UTF-8") from None


def parse_query(raw: bytes) -> dict[str, str]:
    """Fields of an `application/x-www-form-urlencoded` query. Raises: InvalidArgument."""
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:  # UnicodeDecodeError is one
        raise InvalidArgument("The query is not valid UTF-8 or has too many fields") from None
    return dict(pairs)
