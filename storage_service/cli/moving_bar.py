"""The bar of a move: how much of how much, how fast, how long still."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from storage_service.moving.report import bytes_text
from storage_service.moving.tally import Tally

LOOK_SECONDS = 0.2
OBJECT_BYTES = 16 << 10  # an object costs as much as so many bytes: a million empty ones are work, too


@contextmanager
def bar(tally: Tally) -> Iterator[None]:
    """On stderr, until the block ends."""
    progress = Progress(
        TextColumn("{task.fields[objects]}"),
        BarColumn(),
        TextColumn("{task.fields[moved]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    ended = threading.Event()
    with progress:
        task = progress.add_task("", total=None, objects="", moved="")

        def look() -> None:
            done, total = _done(tally), _total(tally)
            progress.update(task, completed=done, total=total, objects=_objects(tally), moved=_moved(tally))

        def watch() -> None:
            while not ended.wait(LOOK_SECONDS):
                look()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            look()  # how it ended


def _done(tally: Tally) -> int:
    """What the bar and the time left go by: bytes, and something for each object."""
    counts = tally.counts
    return counts.moved_bytes + counts.there_bytes + tally.settled * OBJECT_BYTES


def _total(tally: Tally) -> int | None:
    if tally.total is None or tally.total_bytes is None:
        return None
    return tally.total_bytes + tally.total * OBJECT_BYTES


def _objects(tally: Tally) -> str:
    failed = f", {tally.counts.failed} failed" if tally.counts.failed else ""
    return f"{tally.settled} of {tally.total if tally.total is not None else '…'} objects{failed}"


def _moved(tally: Tally) -> str:
    """Bytes as they are, and how many a second on the average."""
    counts = tally.counts
    rate = counts.moved_bytes / max(0.001, time.monotonic() - tally.started)
    total = "" if tally.total_bytes is None else f" of {bytes_text(tally.total_bytes)}"
    return f"{bytes_text(counts.moved_bytes + counts.there_bytes)}{total}, {bytes_text(rate)}/s"
