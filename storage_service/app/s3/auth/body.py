"""The body of an S3 request without its framing: the bytes that the object will hold."""

import asyncio
from collections.abc import Awaitable, Callable

from storage_service.app.core.errors import EntityTooLarge, EntityTooSmall
from storage_service.app.s3.auth.caller import Payload
from storage_service.app.s3.auth.chunks import ChunkReader

Source = Callable[[], Awaitable[bytes]]  # the next bytes; empty at the end
THREAD_BYTES = 256 * 1024  # hashing so much takes longer than the way to a thread and back


class Body:
    """Async iterator over the object's bytes; `next` gives the same, and nothing at the end.

    What came is worth nothing before the end: the last signature stands there. A plain body's SHA-256 is not compared
    here, since whoever stores the body hashes it anyway.
    """

    __slots__ = ("_ended", "_payload", "_reader", "_source", "size")

    def __init__(self, payload: Payload, source: Source) -> None:
        self._payload = payload
        self._source = source
        self._reader = ChunkReader(payload) if payload.kind == "chunked" else None
        self._ended = False
        self.size = 0  # bytes handed out

    @property
    def trailers(self) -> dict[str, str]:
        """By name in lower case; complete after the end."""
        return {} if self._reader is None else self._reader.trailers

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes:
        piece = await self.next()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def next(self) -> bytes:
        """Raises: SignatureDoesNotMatch, IncompleteBody, InvalidRequest, MalformedTrailerError, EntityTooLarge,
        EntityTooSmall, and what the source raises.
        """
        piece = b""
        while not piece and not self._ended:
            sent = await self._source()
            piece = await self._decode(sent)
            if not sent:
                self._end()
        self.size += len(piece)
        most = self._payload.most_bytes
        if most is not None and self.size > most:
            raise EntityTooLarge(f"The policy allows {most} bytes at most")
        return piece

    async def _decode(self, sent: bytes) -> bytes:
        if self._reader is None:
            return sent
        if len(sent) < THREAD_BYTES or self._payload.seed is None:
            return self._reader.feed(sent)
        return await asyncio.to_thread(self._reader.feed, sent)

    def _end(self) -> None:
        self._ended = True
        if self._reader is not None:
            self._reader.finish()
        if self.size < self._payload.least_bytes:
            raise EntityTooSmall(f"The policy asks for {self._payload.least_bytes} bytes at least")
