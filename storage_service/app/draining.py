"""Hears of the end before the server has waited for every answer: those without an end must be told of it."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType


def on_stop(call: Callable[[], None]) -> Callable[[], None]:
    """Have `call` made on the event loop at SIGTERM or SIGINT, besides what the server does then. What is returned
    takes that back. Only a process's main thread hears of signals; elsewhere nothing happens."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    loop = asyncio.get_running_loop()
    undo = [_chain(number, lambda: loop.call_soon_threadsafe(call)) for number in (signal.SIGTERM, signal.SIGINT)]

    def restore() -> None:
        for one in undo:
            one()

    return restore


def _chain(number: int, call: Callable[[], object]) -> Callable[[], None]:
    before = signal.getsignal(number)

    def heard(signal_number: int, frame: FrameType | None) -> None:
        call()
        if callable(before):
            before(signal_number, frame)

    if not callable(before):  # nobody drains here: the default ends the process at once
        return lambda: None
    signal.signal(number, heard)

    def undo() -> None:
        if signal.getsignal(number) is heard:
            signal.signal(number, before)

    return undo
