"""The bar of a move: how much of how much, how fast, how long still."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from storage_service.moving.tally import Tally

LOOK_SECONDS = 0.2
OBJECT_BYTES = 16 << 10  # an object costs as much as so many bytes: a million empty ones are work, too


@contextmanager
def bar(tally: Tally) -> Iterator[None]:
    """On stderr, until the block ends."""
    progress = Progress(
        TextColumn("{task.fields[objects]}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    ended = threading.Event()
    with progress:
        task = progress.add_task("", total=None, objects="")

        def watch() -> None:
            while not ended.wait(LOOK_SECONDS):
                progress.update(task, completed=_done(tally), total=_total(tally), objects=_objects(tally))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _done(tally: Tally) -> int:
    counts = tally.counts
    return counts.moved_bytes + counts.there_bytes + tally.settled * OBJECT_BYTES


def _total(tally: Tally) -> int | None:
    if tally.total is None or tally.total_bytes is None:
        return None
    return tally.total_bytes + tally.total * OBJECT_BYTES


def _objects(tally: Tally) -> str:
    failed = f", {tally.counts.failed} failed" if tally.counts.failed else ""
    return f"{tally.settled} of {tally.total if tally.total is not None else '…'} objects{failed}"
