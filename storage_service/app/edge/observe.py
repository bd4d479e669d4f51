"""Counters of one worker, plain numbers; merged over workers and rendered when asked."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from storage_service.app.edge.watching import Watch

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Operation = tuple[str, str]  # door and operation: ("json", "upload")

# Seconds: upper bounds, inclusive; a last bucket holds the rest.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


class SeriesSnapshot(TypedDict):
    """One operation. `statuses` from 1xx on, `buckets` not cumulative, `seconds` the sum."""

    door: str
    operation: str
    statuses: list[int]
    buckets: list[int]
    seconds: float
    bytes_in: int
    bytes_out: int


class Waits(TypedDict):
    """How long something took. `buckets` not cumulative, `seconds` the sum."""

    buckets: list[int]
    seconds: float


class Snapshot(TypedDict):
    """Everything a worker counted since it started; JSON as it stands."""

    operations: list[SeriesSnapshot]
    errors: dict[str, int]
    commits: Waits


@dataclass(frozen=True, slots=True)
class Gauge:
    """A value read at scrape time. Gauges of one name must bear the same label names."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


class _Series:
    __slots__ = ("buckets", "bytes_in", "bytes_out", "seconds", "statuses")

    def __init__(self) -> None:
        self.statuses = [0] * len(CLASSES)
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self.bytes_in = 0
        self.bytes_out = 0


class Metrics:
    """Counts on the event loop's thread only: no locks.

    Operations must be a closed set, never parts of a path.
    """

    __slots__ = ("_commit_seconds", "_commits", "_errors", "_series", "_watch")

    def __init__(self, watch: Watch | None = None) -> None:
        self._watch = watch or Watch("")
        self._series: dict[Operation, _Series] = {}
        self._errors: dict[str, int] = {}
        self._commits = [0] * (len(BOUNDS) + 1)
        self._commit_seconds = 0.0

    def count(self, operation: Operation, status: int, seconds: float, bytes_in: int, bytes_out: int) -> None:
        """Adds one answered request. Under 2 µs."""
        series = self._series.get(operation)
        if series is None:
            series = self._series[operation] = _Series()
        series.statuses[status // 100 - 1] += 1
        series.buckets[bisect_left(BOUNDS, seconds)] += 1
        series.seconds += seconds
        series.bytes_in += bytes_in
        series.bytes_out += bytes_out
        if self._watch.write is not None:
            self._watch.end(operation, status, seconds, bytes_in, bytes_out)

    def error(self, code: str) -> None:
        """Adds one error by its code."""
        self._errors[code] = self._errors.get(code, 0) + 1
        if self._watch.write is not None:
            self._watch.failed(code)

    def commit_waited(self, seconds: float) -> None:
        """Adds one commit: from the change being handed over to its outcome being known."""
        self._commits[bisect_left(BOUNDS, seconds)] += 1
        self._commit_seconds += seconds

    def snapshot(self) -> Snapshot:
        """A copy of the counters."""
        operations = [
            SeriesSnapshot(
                door=door,
                operation=operation,
                statuses=list(series.statuses),
                buckets=list(series.buckets),
                seconds=series.seconds,
                bytes_in=series.bytes_in,
                bytes_out=series.bytes_out,
            )
            for (door, operation), series in self._series.items()
        ]
        commits = Waits(buckets=list(self._commits), seconds=self._commit_seconds)
        return Snapshot(operations=operations, errors=dict(self._errors), commits=commits)


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The sum of several workers' snapshots, in the order of doors and operations."""
    sums: dict[Operation, SeriesSnapshot] = {}
    errors: dict[str, int] = {}
    commits = Waits(buckets=[0] * (len(BOUNDS) + 1), seconds=0.0)
    for snapshot in snapshots:
        commits = _sum(commits, snapshot["commits"])
        for series in snapshot["operations"]:
            key = (series["door"], series["operation"])
            sums[key] = _plus(sums[key], series) if key in sums else series
        for code, count in snapshot["errors"].items():
            errors[code] = errors.get(code, 0) + count
    operations = [sums[key] for key in sorted(sums)]
    return Snapshot(operations=operations, errors=dict(sorted(errors.items())), commits=commits)


def _sum(one: Waits, other: Waits) -> Waits:
    buckets = [a + b for a, b in zip(one["buckets"], other["buckets"], strict=True)]
    return Waits(buckets=buckets, seconds=one["seconds"] + other["seconds"])


def _plus(one: SeriesSnapshot, other: SeriesSnapshot) -> SeriesSnapshot:
    return SeriesSnapshot(
        door=one["door"],
        operation=one["operation"],
        statuses=[a + b for a, b in zip(one["statuses"], other["statuses"], strict=True)],
        buckets=[a + b for a, b in zip(one["buckets"], other["buckets"], strict=True)],
        seconds=one["seconds"] + other["seconds"],
        bytes_in=one["bytes_in"] + other["bytes_in"],
        bytes_out=one["bytes_out"] + other["bytes_out"],
    )


def render(merged: Snapshot, gauges: Iterable[Gauge] = ()) -> bytes:
    """Prometheus text exposition (0.0.4)."""
    # Importing it costs 60 ms and memory that a worker nobody scrapes need not pay.
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(merged, tuple(gauges)))
    return generate_latest(registry)


class _Collector:
    """What prometheus_client asks for the families; new for every scrape."""

    def __init__(self, merged: Snapshot, gauges: tuple[Gauge, ...]) -> None:
        self._merged = merged
        self._gauges = gauges

    def collect(self) -> Iterator["Metric"]:
        yield from _counters(self._merged)
        yield _latency(self._merged)
        yield _commits(self._merged)
        yield from _gauges(self._gauges)


def _counters(merged: Snapshot) -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

    names = ["door", "operation"]
    requests = CounterMetricFamily(
        "storage_requests", "Requests answered, by class of status.", labels=[*names, "status"]
    )
    received = CounterMetricFamily("storage_received_bytes", "Bytes of bodies received.", labels=names)
    sent = CounterMetricFamily("storage_sent_bytes", "Bytes of bodies sent.", labels=names)
    for series in merged["operations"]:
        labels = [series["door"], series["operation"]]
        for status, count in zip(CLASSES, series["statuses"], strict=True):
            if count:
                requests.add_metric([*labels, status], count)
        received.add_metric(labels, series["bytes_in"])
        sent.add_metric(labels, series["bytes_out"])
    errors = CounterMetricFamily("storage_errors", "Errors answered, by code.", labels=["code"])
    for code, count in merged["errors"].items():
        errors.add_metric([code], count)
    yield from (requests, received, sent, errors)


def _latency(merged: Snapshot) -> "Metric":
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415

    family = HistogramMetricFamily(
        "storage_request_seconds",
        "Seconds from a request's head to its answer's end.",
        labels=["door", "operation"],
    )
    for series in merged["operations"]:
        labels = [series["door"], series["operation"]]
        family.add_metric(labels, list(_cumulative(series["buckets"])), series["seconds"])
    return family


def _commits(merged: Snapshot) -> "Metric":
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415

    said = "Seconds a change waited until it survived what the durability mode promises, or was refused."
    family = HistogramMetricFamily("storage_commit_seconds", said, labels=[])
    family.add_metric([], list(_cumulative(merged["commits"]["buckets"])), merged["commits"]["seconds"])
    return family


def _cumulative(buckets: Iterable[int]) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip([*map(str, BOUNDS), "+Inf"], buckets, strict=True):
        total += count
        yield bound, float(total)


def _gauges(gauges: tuple[Gauge, ...]) -> Iterator["Metric"]:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    families: dict[str, GaugeMetricFamily] = {}
    for gauge in gauges:
        if gauge.name not in families:
            families[gauge.name] = GaugeMetricFamily(gauge.name, gauge.help, labels=list(gauge.labels))
        families[gauge.name].add_metric(list(gauge.labels.values()), gauge.value)
    yield from families.values()
