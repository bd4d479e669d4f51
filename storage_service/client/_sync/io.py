"""Waiting, threads and parallel work without an event loop. `_async/io.py` says the same with one."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from storage_service.client.source import AsyncSource, Progress, Source

Given = ParamSpec("Given")
Result = TypeVar("Result")


def pause(seconds: float) -> None:
    time.sleep(seconds)


def in_thread(function: Callable[Given, Result], *args: Given.args, **named: Given.kwargs) -> Result:
    """Its result: whoever has no event loop may wait."""
    return function(*args, **named)


def run_all(works: Sequence[Callable[[], Result]], at_once: int) -> list[Result]:
    """Results in order. The first failure ends the others and is raised after they ended."""
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(work) for work in works]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()


def sending(source: Source, progress: Progress | None) -> Iterator[bytes]:
    """The source's chunks. Raises: TypeError for an async iterator."""
    if isinstance(source, AsyncSource):
        raise TypeError("an async iterator needs AsyncClient")
    sent = 0
    for chunk in source.chunks():
        if source.passing is not None:
            source.passing.update(chunk)
        if chunk:  # an empty one would end a chunked body
            yield chunk
        sent += len(chunk)
        if progress is not None:
            progress(sent, source.size)
