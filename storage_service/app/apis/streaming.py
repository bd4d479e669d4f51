"""Answers of cold routes that come piece by piece."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from storage_service.app.core.downloads import Piece
from storage_service.app.core.errors import DamagedObject
from storage_service.app.edge.deliver import messages_of, until_left
from storage_service.app.edge.streams import EVENT_STREAM, HEADERS, pump


class EventStream(Response):
    """Server-sent events, as they come. A HEAD gets the head alone."""

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self._chunks = chunks
        super().__init__(headers=HEADERS, media_type=EVENT_STREAM)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":  # the door has said so by now
            await send({"type": "http.response.body", "body": b""})
        else:
            await pump(receive, send, self._chunks)


class ByteStream(Response):
    """Bytes of a known length, as they come; `done` is called once, whatever happens. A HEAD gets the head alone."""

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: AsyncGenerator[list[bytes | Piece], None],
        done: Callable[[], object],
    ) -> None:
        self._chunks = chunks
        self._done = done
        super().__init__(status_code=status)
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                await self._stream(scope, receive, send)
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._done()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reads on only while the client is there."""
        leaving = asyncio.ensure_future(until_left(receive))
        try:
            async with aclosing(self._chunks) as chunks:
                async for some in chunks:
                    async for message in messages_of(scope, some, more=True):
                        await send(message)
                        if leaving.done():
                            return
        except (EOFError, OSError):  # of a file: a client that leaves raises nothing
            raise DamagedObject("The stored bytes cannot be read") from None
        finally:
            leaving.cancel()
