"""How far a run is: a bar with rate and time left, where somebody looks."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress


class Meter:
    """Of so many bytes. Nothing is shown where standard error is no terminal."""

    def __init__(self, total_bytes: int, *, shown: bool = True) -> None:
        self._total = total_bytes
        self._bar: Progress | None = _bar() if shown and sys.stderr.isatty() else None
        if self._bar is not None:
            self._task = self._bar.add_task("", total=total_bytes)

    def advance(self, count: int) -> None:
        if self._bar is not None:
            self._bar.advance(self._task, count)

    def pass_over(self, count: int) -> None:
        """What need not be sent does not count as sent quickly."""
        if self._bar is not None:
            self._total -= count
            self._bar.update(self._task, total=self._total)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
