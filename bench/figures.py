"""From rows to figures: ratios, spreads, floors. Pure."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

Row = Mapping[str, Any]
Rows = Sequence[Row]
MIB = 2**20
KIB_PER_MB = 1024 / 1_000_000


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


class Question(NamedTuple):
    """How a figure is found in a record's rows; no values where its phase did not run."""

    name: str
    what: str
    unit: str
    floor: Floor
    values: Callable[[Rows], Sequence[float]]


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


def ratios(rows: Rows, phase: str, over: str = "bare", of: str = "ours") -> list[float]:
    """Our rate over another's, round by round, each at its best number of workers."""
    ours, other = best_workers(rows, phase, of), best_workers(rows, phase, over)
    if ours is None or other is None:
        return []
    theirs = {row["round"]: row["rate"] for row in select(rows, phase, over, other)}
    mine = {row["round"]: row["rate"] for row in select(rows, phase, of, ours)}
    return [mine[number] / theirs[number] for number in sorted(mine.keys() & theirs.keys())]


def beside(rows: Rows, phase: str, one: str, other: str) -> list[float]:
    """The rate of one way over that of another, round by round."""
    theirs = {row["round"]: row["rate"] for row in select(rows, phase, other)}
    return [row["rate"] / theirs[row["round"]] for row in select(rows, phase, one) if row["round"] in theirs]


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


def scaled(values: Iterable[float], factor: float) -> list[float]:
    return [value * factor for value in values]


QUESTIONS = (
    Question(
        "put4k_burst",
        "PUT 4 KiB with a JWT, 32 connections, burst of 10 s, over bare uvicorn",
        "ratio",
        Floor(0.25, "least"),
        lambda rows: ratios(rows, "put4k_burst"),
    ),
    Question(
        "put4k_sustained",
        "the same, sustained 60 s",
        "ratio",
        Floor(0.17, "least"),
        lambda rows: ratios(rows, "put4k_sustained"),
    ),
    Question(
        "put4k_drain",
        "journal drained after the sustained load",
        "s",
        Floor(20, "most"),
        lambda rows: at_best(rows, "put4k_sustained", "drain_seconds"),
    ),
    Question(
        "get4k_public",
        "GET 4 KiB public, 50,000 distinct settled keys, over bare uvicorn",
        "ratio",
        Floor(0.45, "least"),
        lambda rows: ratios(rows, "get4k_public"),
    ),
    Question(
        "commit_wait_1",
        "commit wait p99, 1 worker, 32 connections",
        "ms",
        Floor(50, "most"),
        lambda rows: wait_ms(rows, 1),
    ),
    Question(
        "commit_wait_2",
        "commit wait p99, 2 workers",
        "ms",
        Floor(50, "most"),
        lambda rows: wait_ms(rows, 2),
    ),
    Question(
        "commit_wait_4",
        "commit wait p99, 4 workers",
        "ms",
        Floor(50, "most"),
        lambda rows: wait_ms(rows, 4),
    ),
    Question(
        "wal",
        "WAL after the sustained load, the worst of 1 and 2 workers",
        "MiB",
        Floor(128, "most"),
        lambda rows: scaled(worst(rows, "put4k_sustained", "wal_bytes"), 1 / MIB),
    ),
    Question(
        "slow_uploads",
        "1,000 slow concurrent uploads: growth of PSS of all processes, each",
        "KiB",
        Floor(256, "most"),
        lambda rows: worst(rows, "slow_uploads", "per_upload_kib"),
    ),
    Question(
        "get64m_gateway",
        "GET 64 MiB, 8 connections, through nginx, over nginx alone",
        "ratio",
        Floor(0.90, "least"),
        lambda rows: ratios(rows, "get64m", "nginx", "gateway"),
    ),
    Question(
        "get64m_direct",
        "the same without nginx, over nginx alone",
        "ratio",
        Floor(0.30, "least"),
        lambda rows: ratios(rows, "get64m", "nginx"),
    ),
    Question(
        "put64m",
        "PUT 64 MiB, 4 connections, over the rate at which one core computes MD5",
        "ratio",
        Floor(0.70, "least"),
        lambda rows: quotients(rows, "put64m", "bytes_per_second", "md5_bytes_per_second"),
    ),
    Question(
        "list_page",
        "page of 1,000 of a million keys, 200 random cursors beside 1,000 PUT/s: Server-Timing p95",
        "ms",
        Floor(15, "most"),
        lambda rows: worst(rows, "list_million", "page_p95_ms"),
    ),
    Question(
        "list_prefixes",
        "the same over 1,000 prefixes",
        "ms",
        Floor(40, "most"),
        lambda rows: worst(rows, "list_million", "prefixes_p95_ms"),
    ),
    Question(
        "start_clean",
        "start with a million objects after a clean stop",
        "s",
        Floor(3, "most"),
        lambda rows: worst(rows, "start_million", "clean_seconds"),
    ),
    Question(
        "start_killed",
        "the same after SIGKILL under load",
        "s",
        Floor(3, "most"),
        lambda rows: worst(rows, "start_million", "killed_seconds"),
    ),
    Question(
        "rebuild",
        "catalog of a million objects made again from their sidecars",
        "s",
        Floor(300, "most"),
        lambda rows: worst(rows, "rebuild_million", "rebuild_seconds"),
    ),
    Question(
        "half_open",
        "p99 of 20 clients beside 2,000 half-open connections, over that without",
        "ratio",
        Floor(2, "most"),
        lambda rows: worst(rows, "half_open", "slowdown"),
    ),
    Question(
        "idle_memory",
        "idle, one worker and jobs: PSS of all processes",
        "MB",
        Floor(110, "most"),
        lambda rows: scaled(worst(rows, "idle", "pss_kib"), KIB_PER_MB),
    ),
    Question(
        "idle_cpu",
        "idle, one worker and jobs: CPU of all processes",
        "%",
        Floor(0.5, "most"),
        lambda rows: worst(rows, "idle", "cpu_percent"),
    ),
    Question(
        "zip",
        "zip of 1,000 files of 1 MiB, over a plain GET of as many bytes",
        "ratio",
        Floor(0.7, "least"),
        lambda rows: beside(rows, "zip", "zip", "get"),
    ),
    Question(
        "tus",
        "tus PATCH of 256 MiB, over a plain PUT of as many bytes",
        "ratio",
        Floor(0.9, "least"),
        lambda rows: beside(rows, "tus", "tus", "put"),
    ),
)


def figures(rows: Rows) -> list[Figure]:
    """The figures whose phases ran."""
    found = [(question, question.values(rows)) for question in QUESTIONS]
    return [Figure(*question[:4], tuple(values)) for question, values in found if values]
