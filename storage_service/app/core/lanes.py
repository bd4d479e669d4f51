"""Where blocking work runs: threads that take one batch a turn of the event loop.

Waking a thread and winning the GIL back costs more than a small read. All calls made in one turn of the loop therefore
go to a thread together and come back together; a lone call goes at once.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

log = logging.getLogger(__name__)

Asked = TypeVar("Asked")
Result = TypeVar("Result")
Job = tuple[Callable[..., Any], tuple[Any, ...], "asyncio.Future[Any]"]
Item = TypeVar("Item")


class Turn(Generic[Item]):
    """What one turn of the event loop brings, handed over together at its end."""

    def __init__(self, hand_over: Callable[[list[Item]], object]) -> None:
        self._hand_over = hand_over
        self._items: list[Item] = []

    def add(self, item: Item, loop: asyncio.AbstractEventLoop) -> None:
        """Must be called on `loop`."""
        if not self._items:
            loop.call_soon(self.end)
        self._items.append(item)

    def end(self) -> None:
        """Hand over now what there is."""
        items, self._items = self._items, []
        if items:
            self._hand_over(items)


class Lane:
    """Threads for calls that block a little: look-ups, small reads. Order between calls is not kept."""

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._threads = threads
        self._inbox: queue.SimpleQueue[list[Job] | None] = queue.SimpleQueue()
        self._turn: Turn[Job] = Turn(self._inbox.put)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started: list[threading.Thread] = []

    def run(self, call: Callable[..., Result], *values: object) -> "asyncio.Future[Result]":
        """The call's result, awaited. Must be called on the event loop."""
        loop = self._loop or self._start()
        future: asyncio.Future[Result] = loop.create_future()
        self._turn.add((call, values, future), loop)
        return future

    def spawn(self, call: Callable[..., Any], *values: object) -> None:
        """Run it without waiting; its error is logged. Must be called on the event loop."""
        self.run(call, *values).add_done_callback(_log_failure)

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        for number in range(self._threads):
            thread = threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True)
            thread.start()
            self._started.append(thread)
        return self._loop

    def _work(self) -> None:
        while (batch := self._inbox.get()) is not None:
            done = [(future, *_outcome(call, values)) for call, values, future in batch]
            batch = []  # or the last bodies would be held until the next call
            loop = self._loop
            if loop is None or loop.is_closed():
                return
            loop.call_soon_threadsafe(_resolve, done)
            del done

    def close(self) -> None:
        """End the threads; what was handed over is still done."""
        for _ in self._started:
            self._inbox.put(None)
        for thread in self._started:
            thread.join(timeout=5)
        self._started = []
        self._loop = None


class Together(Generic[Asked, Result]):
    """Questions of one kind: those of one turn of the loop are answered by one call on a lane.

    `answer` takes them in a list and returns as many results or exceptions, in the same order.
    """

    def __init__(self, lane: Lane, answer: Callable[[list[Asked]], list[Result | Exception]]) -> None:
        self._lane = lane
        self._answer = answer
        self._turn: Turn[tuple[Asked, asyncio.Future[Result]]] = Turn(self._hand_over)

    def ask(self, question: Asked) -> "asyncio.Future[Result]":
        """The answer, awaited. Must be called on the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._turn.add((question, future), loop)
        return future

    def _hand_over(self, turn: "list[tuple[Asked, asyncio.Future[Result]]]") -> None:
        asked = [question for question, _ in turn]
        futures = [future for _, future in turn]
        self._lane.run(self._answer, asked).add_done_callback(lambda done: _distribute(done, futures))


def _distribute(done: "asyncio.Future[list[Any]]", futures: list["asyncio.Future[Any]"]) -> None:
    if done.cancelled():
        return
    error = done.exception()
    answers = [error] * len(futures) if error is not None else done.result()
    for future, answer in zip(futures, answers, strict=True):
        if future.cancelled():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def _log_failure(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.warning("in the background: %s: %s", type(error).__name__, error)


def _outcome(call: Callable[..., Any], values: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    try:
        return call(*values), None
    except Exception as error:
        return None, error


def _resolve(done: list[tuple["asyncio.Future[Any]", Any, BaseException | None]]) -> None:
    for future, result, error in done:
        if future.cancelled():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
