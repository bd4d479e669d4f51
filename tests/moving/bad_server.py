"""An S3 server that fails in chosen ways, a thread a connection, on loopback."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

# Told of the object and how often it was asked for before: what is done instead of an answer; None = answer well.
Fault = Callable[["Handler", bytes, int], bool]


class BadServer(ThreadingHTTPServer):
    """One bucket, `old`. `objects` by key; `faults` by key, `every` for the others; `headers` of all objects.

    `backwards`: each page lists its keys from the last to the first.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.faults: dict[str, Fault] = {}
        self.asked: Counter[str] = Counter()
        self.every: Fault = lambda *_: False
        self.headers: dict[str, str] = {}
        self.backwards = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left is no news."""


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BadServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).removeprefix("/").partition("/")
        query = parse_qs(parts.query, keep_blank_values=True)
        if not bucket:
            return self.answer(200, b"<R><Buckets><Bucket><Name>old</Name></Bucket></Buckets></R>")
        if not key:
            return self.answer(200, self.listing(query)) if "list-type" in query else self.answer(404, b"")
        body = self.server.objects.get(key)
        count = self.server.asked[key]
        self.server.asked[key] += 1
        if body is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        if self.server.faults.get(key, self.server.every)(self, body, count):
            return None
        return self.give(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def listing(self, query: dict[str, list[str]]) -> bytes:
        most, after = int(query.get("max-keys", ["1000"])[0]), query.get("start-after", [""])[0]
        after = query.get("continuation-token", [after])[0]
        found = [pair for pair in sorted(self.server.objects.items()) if pair[0] > after]
        rows = "".join(
            f"<Contents><Key>{quote(key)}</Key><Size>{len(body)}</Size><ETag>{md5(body)}</ETag></Contents>"
            for key, body in (reversed(found[:most]) if self.server.backwards else found[:most])
        )
        cut = str(len(found) > most).lower()
        token = f"<NextContinuationToken>{found[most - 1][0]}</NextContinuationToken>" if len(found) > most else ""
        return f"<R><EncodingType>url</EncodingType><IsTruncated>{cut}</IsTruncated>{token}{rows}</R>".encode()

    def give(self, body: bytes, cut: int | None = None, *, length: int | None = None, etag: str = "") -> None:
        """The object, or what Range asks of it; `cut` ends the connection after so many bytes."""
        span, status, etag = self.headers.get("Range"), 200, etag or md5(body)
        if self.headers.get("If-Match", f'"{etag}"') != f'"{etag}"':
            return self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        if span:
            first, last = span.removeprefix("bytes=").split("-")
            body, status = body[int(first) : int(last) + 1], 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("ETag", f'"{etag}"')
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None or length is not None:
            self.close_connection = True
        return None

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def bad_server() -> Iterator[BadServer]:
    server = BadServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
