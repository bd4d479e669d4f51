"""From rows to values: ratios, spreads, floors. Pure. Which figures there are: `questions`."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

Row = Mapping[str, Any]
Rows = Sequence[Row]


class Spread(NamedTuple):
    """The lowest, the middle and the highest of some rounds."""

    lowest: float
    median: float
    highest: float


class Floor(NamedTuple):
    """What must be shown. A ratio has a least, a cost a most."""

    bound: float
    kind: Literal["least", "most"]

    def holds(self, value: float) -> bool:
        return value >= self.bound if self.kind == "least" else value <= self.bound


class Figure(NamedTuple):
    """One line of the report: a value per round, and what it must be."""

    name: str
    what: str
    unit: str
    floor: Floor
    values: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        return spread(self.values)

    @property
    def verdict(self) -> Literal["met", "met by the median", "missed"]:
        if all(map(self.floor.holds, self.values)):
            return "met"
        return "met by the median" if self.floor.holds(self.spread.median) else "missed"


def spread(values: Sequence[float]) -> Spread:
    """Raises: ValueError for no values."""
    if not values:
        raise ValueError("a spread of nothing")
    return Spread(min(values), statistics.median(values), max(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed (nearest rank)."""
    if not values or not 0 < share <= 1:
        raise ValueError("a percentile needs values and a share above 0, at most 1")
    return sorted(values)[math.ceil(share * len(values)) - 1]


def select(rows: Rows, phase: str, target: str, workers: int | None = None) -> list[Row]:
    """Rows of one phase and target, in the order of rounds."""
    found = [row for row in rows if row["phase"] == phase and row["target"] == target]
    if workers is not None:
        found = [row for row in found if row["workers"] == workers]
    return sorted(found, key=lambda row: row["round"])


def best_workers(rows: Rows, phase: str, target: str) -> int | None:
    """The number of workers with the highest median rate; None when the phase did not run."""
    counts = {row["workers"] for row in select(rows, phase, target)}
    return max(
        sorted(counts),
        key=lambda workers: statistics.median(rates(rows, phase, target, workers)),
        default=None,
    )


def rates(rows: Rows, phase: str, target: str, workers: int) -> list[float]:
    return [row["rate"] for row in select(rows, phase, target, workers)]


def best(rows: Rows, phase: str, target: str) -> dict[int, float]:
    """Rates by round, at the number of workers that was the fastest; none where the phase did not run."""
    workers = best_workers(rows, phase, target)
    if workers is None:
        return {}
    return {row["round"]: row["rate"] for row in select(rows, phase, target, workers)}


def shares(mine: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    """One over the other in each round that both have."""
    return [mine[number] / theirs[number] for number in sorted(mine.keys() & theirs.keys())]


def ratios(rows: Rows, phase: str, over: str = "bare", of: str = "ours") -> list[float]:
    """Our rate over another's, round by round, each at its best number of workers."""
    return shares(best(rows, phase, of), best(rows, phase, over))


def beside(rows: Rows, phase: str, one: str, other: str) -> list[float]:
    """The rate of one way over that of another, round by round."""
    mine, theirs = ({row["round"]: row["rate"] for row in select(rows, phase, name)} for name in (one, other))
    return shares(mine, theirs)


def at_best(rows: Rows, phase: str, name: str) -> list[float]:
    """A value of our rows at the number of workers that was the fastest."""
    workers = best_workers(rows, phase, "ours")
    return [] if workers is None else [row[name] for row in select(rows, phase, "ours", workers)]


def worst(rows: Rows, phase: str, name: str) -> list[float]:
    """The highest value of each round, whatever the number of workers."""
    found: dict[int, float] = {}
    for row in select(rows, phase, "ours"):
        found[row["round"]] = max(found.get(row["round"], 0.0), row[name])
    return [found[number] for number in sorted(found)]


def wait_ms(rows: Rows, workers: int) -> list[float]:
    """p99 of the commit wait: the service's own where it tells, else the whole request's."""
    return [
        row["p99_us"] / 1000 if row.get("commit_p99_ms") is None else row["commit_p99_ms"]
        for row in select(rows, "commit_wait", "ours", workers)
    ]


def quotients(rows: Rows, phase: str, name: str, over: str) -> list[float]:
    """One value of our rows over another of the same rows, at the number of workers that was the fastest."""
    return [mine / theirs for mine, theirs in zip(at_best(rows, phase, name), at_best(rows, phase, over), strict=True)]


def cpu_ms_each(rows: Rows, phase: str) -> list[float]:
    """CPU of all our processes for one request of a phase with one number of workers."""
    return [1000 * row["server_cpu_seconds"] / row["answered"] for row in select(rows, phase, "ours")]


def scaled(values: Iterable[float], factor: float) -> list[float]:
    return [value * factor for value in values]
