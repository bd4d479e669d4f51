"""What can be asked of an S3 server."""

import base64
import hashlib
import http.client
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from storage_service.remote.body import TRIES, Body, pause
from storage_service.remote.connection import TIMEOUT_SECONDS, Connection, Payload, headers_of
from storage_service.remote.endpoint import Endpoint
from storage_service.remote.errors import Refused, RemoteError, Unreachable, parse_xml, refused
from storage_service.remote.listing import Listed, Page, parse_objects, parse_versions, text_of

NOTHING: Mapping[str, str] = {}
NOT_FOUND = 404
FORBIDDEN = frozenset({401, 403})

Result = TypeVar("Result")


class S3Server:
    """A server, for any number of threads: each has a connection of its own, kept between its requests.

    What may be repeated is: five times, with growing pauses, when the server does not answer or says 5xx.
    """

    def __init__(self, endpoint: Endpoint, timeout_seconds: float = TIMEOUT_SECONDS, tries: int = TRIES) -> None:
        self.endpoint = endpoint
        self._timeout = timeout_seconds
        self._tries = tries
        self._local = threading.local()
        self._all: list[Connection] = []
        self._idle: deque[Connection] = deque()

    # Objects ----------------------------------------------------------------------------------------------------

    def open(self, bucket: str, key: str, version_id: str | None = None, etag: str | None = None) -> Body:
        """An object to read, with its headers; with `etag`, that version only. Raises: Refused, Unreachable."""
        query = {"versionId": version_id} if version_id else NOTHING
        headers = {"x-amz-checksum-mode": "ENABLED"}
        if etag:
            headers["if-match"] = f'"{etag}"'

        def ask(more: Mapping[str, str]) -> http.client.HTTPResponse:
            return self._connection.send("GET", f"/{bucket}/{key}", query, {**headers, **more})

        return self._again(lambda: Body(self._connection, ask))

    def lone(self, bucket: str, key: str) -> Body:
        """As `open`, on a connection of its own: any thread may read it, whatever the others do meanwhile. Close it."""
        connection = self._idle.pop() if self._idle else self._connect()

        def ask(more: Mapping[str, str]) -> http.client.HTTPResponse:
            return connection.send("GET", f"/{bucket}/{key}", NOTHING, more)

        try:
            return self._again(lambda: Body(connection, ask, self._idle.append))
        except Refused:
            self._idle.append(connection)
            raise

    def head(self, bucket: str, key: str, query: Mapping[str, str] = NOTHING) -> dict[str, str]:
        """The headers, in lower case. Raises: Refused, Unreachable."""
        return self._again(partial(self._head, f"/{bucket}/{key}", query))

    def put(
        self, bucket: str, key: str, headers: Mapping[str, str], payload: Payload, size: int | None = None
    ) -> dict[str, str]:
        """Store it, once: whoever makes the payload repeats it. The answer's headers. Raises: Refused, Unreachable."""
        return self._done(self._connection.send("PUT", f"/{bucket}/{key}", NOTHING, headers, payload, size))

    def delete(self, bucket: str, key: str, query: Mapping[str, str] = NOTHING) -> dict[str, str]:
        """Raises: Refused, Unreachable."""
        return self._done(self._connection.send("DELETE", f"/{bucket}/{key}", query, NOTHING))

    # Multipart --------------------------------------------------------------------------------------------------

    def begin(self, bucket: str, key: str, headers: Mapping[str, str]) -> str:
        """The id of a new upload in parts."""
        return text_of(parse_xml(self.ask("POST", bucket, key, {"uploads": ""}, headers)), "UploadId")

    def put_part(self, place: tuple[str, str, str], number: int, pieces: Iterable[bytes], size: int) -> str:
        """Of (bucket, key, upload id). The part's ETag."""
        bucket, key, upload = place
        query = {"partNumber": str(number), "uploadId": upload}
        found = self._done(self._connection.send("PUT", f"/{bucket}/{key}", query, NOTHING, pieces, size))
        return found.get("etag", "").strip('"')

    def complete(
        self, place: tuple[str, str, str], etags: list[str], headers: Mapping[str, str] = NOTHING
    ) -> dict[str, str]:
        """The answer's headers, and its ETag. Raises: Refused, Unreachable."""
        bucket, key, upload = place
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>"
            for number, etag in enumerate(etags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        answer = self._connection.send("POST", f"/{bucket}/{key}", {"uploadId": upload}, headers, body)
        found = headers_of(answer)
        text = _read(self._connection, answer)
        root = parse_xml(text)
        if root.tag == "Error":  # S3 may say 200 first, and why not afterwards
            raise refused(http.client.INTERNAL_SERVER_ERROR, text)
        return {**found, "etag": text_of(root, "ETag").strip('"')}

    def abort(self, place: tuple[str, str, str]) -> None:
        bucket, key, upload = place
        self.delete(bucket, key, {"uploadId": upload})

    # Lists ------------------------------------------------------------------------------------------------------

    def list_buckets(self) -> list[str]:
        root = parse_xml(self.ask("GET", ""))
        return [text_of(node, "Name") for node in root.iter("Bucket")]

    def list(self, bucket: str, prefix: str = "", after: str = "") -> Iterator[Listed]:
        """Current objects in the byte order of keys."""
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix}
        if after:
            query["start-after"] = after
        for page in self.pages(bucket, query):
            yield from page.entries

    def list_versions(self, bucket: str, prefix: str = "") -> Iterator[Listed]:
        """All versions and markers, by key and from the newest to the oldest."""
        query = {"versions": "", "encoding-type": "url", "prefix": prefix}
        for page in self.pages(bucket, query):
            yield from page.entries

    def pages(self, bucket: str, query: Mapping[str, str]) -> Iterator[Page]:
        """Page after page of a list."""
        after: dict[str, str] = {}
        parse = parse_versions if "versions" in query else parse_objects
        while True:
            page = parse(parse_xml(self.ask("GET", bucket, "", {**query, **after})))
            yield page
            if not page.after or page.after == after:
                return
            after = page.after

    # Settings ---------------------------------------------------------------------------------------------------

    def sub_resource(self, bucket: str, name: str) -> bytes | None:
        """A bucket's setting as the server writes it; None where it is not set, or not known there.

        Raises: Refused where it may not be seen, Unreachable.
        """
        try:
            return self.ask("GET", bucket, "", {name: ""})
        except Refused as error:
            if error.passing or error.status in FORBIDDEN:
                raise
            return None

    def put_sub_resource(self, bucket: str, name: str, document: bytes) -> None:
        """Raises: Refused, Unreachable."""
        md5 = base64.b64encode(hashlib.md5(document, usedforsecurity=False).digest()).decode()
        self.ask("PUT", bucket, "", {name: ""}, {"content-md5": md5}, document)

    def create_bucket(self, bucket: str, headers: Mapping[str, str] = NOTHING) -> None:
        self.ask("PUT", bucket, "", NOTHING, headers, b"")

    def has_bucket(self, bucket: str) -> bool:
        """Raises: Refused where it may not be seen."""
        try:
            self._again(partial(self._head, f"/{bucket}", NOTHING))
        except RemoteError as error:
            if getattr(error, "status", None) == NOT_FOUND:
                return False
            raise
        return True

    # ------------------------------------------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        bucket: str,
        key: str = "",
        query: Mapping[str, str] = NOTHING,
        headers: Mapping[str, str] = NOTHING,
        payload: bytes | None = None,
    ) -> bytes:
        """The body of a good answer, read whole; asked again while the server is only briefly away."""
        path = f"/{bucket}/{key}" if key else f"/{bucket}"

        def once() -> bytes:
            return _read(self._connection, self._connection.send(method, path, query, headers, payload))

        return self._again(once)

    @property
    def _connection(self) -> Connection:
        found: Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self._connect()
        return found

    def _connect(self) -> Connection:
        connection = Connection(self.endpoint, self._timeout)
        self._all.append(connection)
        return connection

    def close(self) -> None:
        """Every thread's connection. A later request opens another."""
        for connection in self._all:
            connection.close()

    def _head(self, path: str, query: Mapping[str, str]) -> dict[str, str]:
        return self._done(self._connection.send("HEAD", path, query, NOTHING))

    def _done(self, answer: http.client.HTTPResponse) -> dict[str, str]:
        _read(self._connection, answer)
        return headers_of(answer)

    def _again(self, call: Callable[[], Result]) -> Result:
        attempt = 0
        while True:
            try:
                return call()
            except RemoteError as error:
                attempt += 1
                if not error.passing or attempt == self._tries:
                    raise
            pause(attempt)


def _read(connection: Connection, answer: http.client.HTTPResponse) -> bytes:
    """Raises: Unreachable where it ends early."""
    try:
        return answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise Unreachable(f"the answer breaks off: {type(error).__name__}") from None
