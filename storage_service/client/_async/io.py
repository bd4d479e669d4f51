"""Waiting, threads and parallel work on an event loop. `_sync/io.py` says the same without one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import ParamSpec, TypeVar

from storage_service.client.source import AsyncSource, Progress, Source

Given = ParamSpec("Given")
Result = TypeVar("Result")


async def pause(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def in_thread(function: Callable[Given, Result], *args: Given.args, **named: Given.kwargs) -> Result:
    """Its result. Returns, even when cancelled, only after it ended: nobody closes a file under a running write."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **named))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


async def run_all(works: Sequence[Callable[[], Awaitable[Result]]], at_once: int) -> list[Result]:
    """Results in order. The first failure ends the others and is raised after they ended."""
    slots = asyncio.Semaphore(at_once)

    async def run(work: Callable[[], Awaitable[Result]]) -> Result:
        async with slots:
            return await work()

    tasks = [asyncio.ensure_future(run(work)) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def sending(source: Source, progress: Progress | None) -> AsyncIterator[bytes]:
    """The source's chunks; files and iterators are read in a thread."""
    sent = 0
    async for chunk in _chunks(source):
        if source.passing is not None:
            source.passing.update(chunk)
        yield chunk
        sent += len(chunk)
        if progress is not None:
            progress(sent, source.size)


async def _chunks(source: Source) -> AsyncIterator[bytes]:
    if isinstance(source, AsyncSource):
        async for chunk in source.async_chunks:
            yield chunk
        return
    chunks = source.chunks()
    while chunk := await in_thread(_next_of, chunks):
        yield chunk


def _next_of(chunks: Iterator[bytes]) -> bytes:
    """The next chunk that is not empty; empty at the end."""
    for chunk in chunks:
        if chunk:
            return bytes(chunk)
    return b""
