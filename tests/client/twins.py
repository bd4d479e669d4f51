"""One test for both clients: the sync one behind methods that can be awaited, run in a thread."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from storage_service.client import Bucket, Client, Object
from storage_service.client._sync.buckets import Buckets

END = object()


class Twin:
    """A sync object as if it were the async one."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in {"bucket", "from_", "public_url"}:  # sync in both
            return lambda *args, **named: twin_of(found(*args, **named))
        if name in {"list", "walk", "events", "follow", "iter_bytes"} and not isinstance(self._inner, Buckets):
            return lambda *args, **named: stepping(found(*args, **named))
        return waiting(found) if callable(found) else twin_of(found)

    async def __aenter__(self) -> "Twin":
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._inner.close)


def twin_of(value: Any) -> Any:
    return Twin(value) if isinstance(value, Client | Buckets | Bucket | Object) else value


def waiting(function: Any) -> Any:
    async def run(*args: Any, **named: Any) -> Any:
        return twin_of(await asyncio.to_thread(function, *args, **named))

    return run


async def stepping(iterator: Iterator[Any]) -> AsyncIterator[Any]:
    while (item := await asyncio.to_thread(next, iterator, END)) is not END:
        yield item
