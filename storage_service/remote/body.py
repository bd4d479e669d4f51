"""An object's bytes from another server, whole or not at all: a dropped connection is taken up where it broke."""

import http.client
import random
import time
from collections.abc import Callable, Iterator, Mapping

from storage_service.remote.connection import PIECE_BYTES, Connection, headers_of
from storage_service.remote.errors import RemoteError, Unreachable

TRIES = 5  # without a byte of progress
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
Ask = Callable[[Mapping[str, str]], http.client.HTTPResponse]  # with further headers


def pause(attempt: int) -> None:
    """Longer each time, and not for all at once."""
    time.sleep(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt) * random.uniform(0.5, 1.0))  # noqa: S311 # nosec B311


class Body:
    """`headers` in lower case, `size` in bytes, `etag` unquoted. Read it to its end, or close it."""

    def __init__(self, connection: Connection, ask: Ask, release: Callable[[Connection], object] | None = None) -> None:
        """`release` is handed the connection at the close."""
        self._connection = connection
        self._release = release
        self._ask = ask
        self._answer = ask({})
        self.headers = headers_of(self._answer)
        length = self.headers.get("content-length", "")
        if not length.isdigit():
            connection.close()
            raise Unreachable("the answer does not say its length")
        self.size = int(length)
        self.etag = self.headers.get("etag", "").strip('"')
        self._at = 0

    def pieces(self) -> Iterator[bytes]:
        """All bytes, of one version, at most 256 KiB each. Raises: RemoteError when they cannot be had."""
        idle = 0
        while self._at < self.size:
            piece = self._read(min(PIECE_BYTES, self.size - self._at))
            if piece:
                self._at, idle = self._at + len(piece), 0
                yield piece
                continue
            idle += 1
            if idle > TRIES:
                raise Unreachable(f"the body ends at {self._at} of {self.size} bytes")
            pause(idle)
            self._resume()
        if not self.size:
            self._answer.read()

    def read_all(self) -> bytes:
        """For small ones."""
        return b"".join(self.pieces())

    def close(self) -> None:
        """Idempotent. A body that was read to its end leaves its connection open."""
        if not self._answer.isclosed():
            self._connection.close()
        release, self._release = self._release, None
        if release is not None:
            release(self._connection)

    def _read(self, size: int) -> bytes:
        try:
            return self._answer.read(size)
        except (OSError, http.client.HTTPException):
            return b""

    def _resume(self) -> None:
        """The rest, of the same version. Raises: RemoteError where that is not to be had any more."""
        self._connection.close()
        try:
            answer = self._ask({"range": f"bytes={self._at}-{self.size - 1}", "if-match": f'"{self.etag}"'})
        except RemoteError as error:
            if not error.passing:
                raise
            return
        if answer.status == http.client.PARTIAL_CONTENT:
            self._answer = answer
        else:  # a server without ranges: the same bytes once more
            self._answer, left = answer, self._at
            while left and (piece := self._read(min(PIECE_BYTES, left))):
                left -= len(piece)
