"""The way in."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import httpx

from storage_service.client._async.bucket import AsyncBucket
from storage_service.client._async.buckets import AsyncBuckets
from storage_service.client._async.connection import AsyncConnection, AsyncHow, Token
from storage_service.client._async.following import AsyncFollowing
from storage_service.client.errors import InvalidRequest
from storage_service.client.models import Change, Event
from storage_service.client.wire import Call

PAGE = 1000


class AsyncClient:
    """A service at a URL, as one caller: a login `token` (or a function that gives a fresh one), or an `api_key`.

    `timeout` is of one wait in seconds, not of a transfer; `retries` are attempts after the first, with growing
    random pauses between them. Use it in `with`, or close it.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if token is not None and api_key is not None:
            raise InvalidRequest("Give a token or an api_key, not both")
        self._connection = AsyncConnection(url, AsyncHow(token or api_key, retries, timeout, transport))
        self.buckets = AsyncBuckets(self._connection)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._connection.url}>"

    def bucket(self, name: str) -> AsyncBucket:
        """A bucket by name or id; nothing is asked of the service."""
        return AsyncBucket(self._connection, name)

    from_ = bucket

    async def events(self, *, since: int = 0, bucket: str | None = None, prefix: str = "") -> AsyncIterator[Change]:
        """What changed after this sequence, in order, up to now; for admins and the service key.

        Raises: PermissionDenied, NotFound if the feed no longer reaches back that far.
        """
        while True:
            call = Call("GET", "/api/v1/changes", {"after": since, "limit": PAGE})
            page = await self._connection.json(call)
            for change in map(Change.parse, page["changes"]):
                if bucket in (None, change.bucket) and (change.key or "").startswith(prefix):
                    yield change
            if not page["changes"]:
                return
            since = page["last"]

    def follow(self, *, after: int | None = None, bucket: str | None = None, prefix: str = "") -> AsyncIterator[Event]:
        """Changes of what the caller may list, as they happen, without end; after this id, or from now on.

        A connection that breaks is taken up again behind the last event; each comes at least once.
        Raises: NotFound, PermissionDenied, ConnectionFailed after as many failures in a row as there are retries.
        """
        asked = {"bucket": bucket, "prefix": prefix or None}
        params = {name: value for name, value in asked.items() if value is not None}
        return AsyncFollowing(self._connection, params, "" if after is None else str(after)).events()

    async def health(self) -> dict[str, Any]:
        """`status` (`healthy` or `degraded`), `ready`, `problems`."""
        found: dict[str, Any] = await self._connection.json(Call("GET", "/health"))
        return found

    async def close(self) -> None:
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
