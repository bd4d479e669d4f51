"""Request bodies under a memory budget: small ones whole, large ones in chunks for the disk."""

from collections.abc import Awaitable, Callable

from storage_service.app.core.errors import EntityTooLarge, IncompleteBody, InvalidArgument
from storage_service.app.edge.request import Request

MAX_CHUNK_BYTES = 1024 * 1024  # of one write to disk; larger ones gained nothing (design §2)
TIGHT_CHUNK_BYTES = 128 * 1024  # once half of the budget is taken
FLOOR_CHUNK_BYTES = 16 * 1024  # once all of it is: stalled uploads must not make the others' writes tiny
HEAD_BYTES = 8 * 1024  # what type detection looks at


class Budget:
    """Bytes all bodies of a worker may hold together.

    Passed by at most FLOOR_CHUNK_BYTES and one ASGI chunk a body.
    """

    __slots__ = ("taken", "total")

    def __init__(self, total_bytes: int = 64 * 1024 * 1024) -> None:
        self.total = total_bytes
        self.taken = 0

    def is_full(self) -> bool:
        """Whether no connection should read ahead of what its body is done with."""
        return self.taken >= self.total

    def flush_at(self) -> int:
        """Bytes from which a body should be handed on rather than joined further."""
        if self.taken < self.total // 2:
            return MAX_CHUNK_BYTES
        return TIGHT_CHUNK_BYTES if self.taken < self.total else FLOOR_CHUNK_BYTES


SHARED = Budget()


class Intake:
    """The body as ASGI hands it out, checked against Content-Length."""

    __slots__ = ("_done", "_expected", "_receive", "_request")

    def __init__(self, request: Request, expected: int | None) -> None:
        self._request = request
        self._receive = request.receive
        self._expected = expected
        self._done = False

    async def next(self) -> bytes:
        """The next bytes; empty at the end and ever after.

        Raises: IncompleteBody, after all that came; InvalidArgument for more than was announced.
        """
        while not self._done:  # asked after the end, receive would wait for the client to leave
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise IncompleteBody("The client left before the body's end")
            chunk: bytes = message.get("body", b"")
            self._done = not message.get("more_body", False)
            received = self._request.bytes_in = self._request.bytes_in + len(chunk)
            if self._expected is not None and received > self._expected:
                raise InvalidArgument("The body is longer than its Content-Length")
            if chunk:
                return chunk
        if self._expected is not None and self._request.bytes_in < self._expected:
            raise IncompleteBody("The body is shorter than its Content-Length")
        return b""


class Body:
    """Async iterator over a body's bytes in chunks of at most 1 MiB.

    The chunk handed out counts against the budget until the next is handed out, the end, `close`, or
    the body is dropped: it may still wait for the disk. With `keep_broken` a client that leaves ends the
    body quietly; `broken` then holds the error. Raises: IncompleteBody, EntityTooLarge.
    """

    __slots__ = (
        "_budget",
        "_ended",
        "_handed",
        "_held",
        "_keep_broken",
        "_max",
        "_pieces",
        "_source",
        "_waiting",
        "broken",
        "size",
    )

    def __init__(
        self,
        source: Callable[[], Awaitable[bytes]],
        *,
        max_bytes: int | None = None,
        budget: Budget = SHARED,
        keep_broken: bool = False,
    ) -> None:
        self._held = 0  # first: __del__ needs these two even if the rest fails
        self._budget = budget
        self._source = source
        self._max = max_bytes
        self._keep_broken = keep_broken
        self._pieces: list[bytes | bytearray] = []
        self._waiting = 0  # bytes in them
        self._handed = 0  # bytes of the last chunk handed out
        self._ended = False
        self.broken: IncompleteBody | None = None
        self.size = 0  # bytes received so far

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes:
        if not self._waiting and not self._ended:
            chunk = await self._pull()
            following = await self._pull() if len(chunk) < FLOOR_CHUNK_BYTES else chunk
            if not following:  # the whole body in one piece: nothing to join
                self._hold(len(chunk))
                if not chunk:
                    raise StopAsyncIteration
                return chunk
            self._add(chunk)
            if following is not chunk:
                self._add(following)
            del chunk, following  # a stalled upload keeps this frame
        self._hold(self._waiting + self._handed)
        while not self._ended and self._waiting < self._budget.flush_at():
            self._add(await self._pull())
            self._hold(self._waiting + self._handed)
        self._hold(self._waiting)
        if not self._waiting:
            raise StopAsyncIteration
        chunk = self._take(MAX_CHUNK_BYTES)
        self._handed = len(chunk)
        return chunk

    async def read_small(self, limit: int) -> bytes | None:
        """The whole body if it has at most `limit` bytes; else None: iterating then gives it."""
        first = await self._pull()
        if len(first) <= limit:
            second = await self._pull()
            if not second:
                return first
            self._add(first)
            first = second
        self._add(first)
        while self._waiting <= limit:
            chunk = await self._pull()
            if not chunk:
                return self._take(limit)
            self._add(chunk)
        return None

    @property
    def head(self) -> bytes:
        """After `read_small` answered None: the first bytes, up to 8 KiB of those that came."""
        head = bytearray()
        for piece in self._pieces:
            head += memoryview(piece)[: HEAD_BYTES - len(head)]
        return bytes(head)

    def close(self) -> None:
        """Gives memory and budget back; the body is over."""
        self._ended = True
        self._pieces, self._waiting, self._handed = [], 0, 0
        self._hold(0)

    def __del__(self) -> None:
        self._hold(0)

    def _add(self, chunk: bytes) -> None:
        """Small chunks in a row become one piece: a list of two-byte chunks takes 40 times their size."""
        if len(chunk) >= FLOOR_CHUNK_BYTES:
            self._pieces.append(chunk)
        elif self._pieces and isinstance(last := self._pieces[-1], bytearray):
            last += chunk
        elif chunk:
            self._pieces.append(bytearray(chunk))
        self._waiting += len(chunk)

    def _take(self, most: int) -> bytes:
        """The first pieces, as many as fit; of a piece larger than `most`, its beginning.

        Pieces are not cut to fill a chunk: that copied a fifth of a large body twice.
        """
        first = self._pieces.pop(0)
        if len(first) > most:
            self._pieces.insert(0, first[most:])
            first = first[:most]
        taken, left = [first], most - len(first)
        while self._pieces and len(self._pieces[0]) <= left:
            left -= len(self._pieces[0])
            taken.append(self._pieces.pop(0))
        self._waiting = sum(map(len, self._pieces))
        return bytes(first) if len(taken) == 1 else b"".join(taken)

    def _hold(self, size: int) -> None:
        self._budget.taken += size - self._held
        self._held = size

    async def _pull(self) -> bytes:
        if self._ended:
            return b""
        try:
            chunk = await self._source()
        except IncompleteBody as error:
            if not self._keep_broken:
                raise
            self.broken = error
            chunk = b""
        self._ended = not chunk
        self.size += len(chunk)
        check_size(self.size, self._max)
        return chunk


def check_size(size: int | None, max_bytes: int | None) -> None:
    """Raises: EntityTooLarge if the size is known and over the limit (both in bytes)."""
    if size is not None and max_bytes is not None and size > max_bytes:
        raise EntityTooLarge(f"The body is larger than {max_bytes} bytes")


def body_of(
    request: Request,
    max_bytes: int | None = None,
    *,
    budget: Budget = SHARED,
    keep_broken: bool = False,
) -> Body:
    """The request's body; too large a Content-Length is refused before a byte is read.

    Raises: EntityTooLarge.
    """
    expected = request.content_length
    check_size(expected, max_bytes)
    intake = Intake(request, expected)
    return Body(intake.next, max_bytes=max_bytes, budget=budget, keep_broken=keep_broken)


async def read_whole(request: Request, max_bytes: int) -> bytes:
    """The whole body in memory, for JSON and the like. Raises: EntityTooLarge, IncompleteBody."""
    return await body_of(request, max_bytes).read_small(max_bytes) or b""
