"""Work beside a request: ended with it, and its errors not lost twice."""

import asyncio
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


def quiet(future: "asyncio.Future[Result]") -> "asyncio.Future[Result]":
    """Whoever waits for it hears of its error; if nobody does any more, nobody needs to."""
    future.add_done_callback(_look)
    return future


async def end(task: "asyncio.Future[Any]") -> None:
    """Cancel it and wait until it is over: what it works on can be closed then."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


def _look(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled():
        done.exception()
