"""Ratios, spreads and floors, from rows alone."""

from __future__ import annotations

from typing import Any

import pytest

from bench.figures import (
    Figure,
    Floor,
    Rows,
    Spread,
    best_workers,
    cpu_ms_each,
    percentile,
    ratios,
    spread,
    wait_ms,
    worst,
)
from bench.questions import QUESTIONS, figures


def row(phase: str, round_number: int, target: str, workers: int, **values: Any) -> dict[str, Any]:
    return {"phase": phase, "round": round_number, "target": target, "workers": workers, **values}


def burst(rates: dict[tuple[str, int], list[float]]) -> Rows:
    """Rows of put4k_burst: a rate for each round of each variant."""
    return [
        row("put4k_burst", number, target, workers, rate=rate)
        for (target, workers), found in rates.items()
        for number, rate in enumerate(found)
    ]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5.0], 0.99, 5.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 101)], 1, 100.0),
    ],
)
def test_percentile_is_the_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0), ([1.0], 1.1)])
def test_percentile_of_nothing_is_refused(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, share)


def test_spread_keeps_lowest_median_highest() -> None:
    assert spread([3.0, 1.0, 10.0, 2.0]) == Spread(1.0, 2.5, 10.0)
    with pytest.raises(ValueError, match="nothing"):
        spread([])


def test_best_workers_are_those_with_the_highest_median_not_the_highest_round() -> None:
    rows = burst({("ours", 1): [100, 110, 120], ("ours", 2): [90, 100, 900]})
    assert best_workers(rows, "put4k_burst", "ours") == 1
    assert best_workers(rows, "put4k_burst", "bare") is None


def test_ratio_is_taken_within_each_round_with_both_sides_at_their_best() -> None:
    rows = burst(
        {
            ("ours", 1): [10, 10, 10],
            ("ours", 2): [20, 30, 40],
            ("bare", 1): [100, 100, 200],
            ("bare", 2): [50, 60, 70],
        }
    )
    assert ratios(rows, "put4k_burst") == [0.2, 0.3, 0.2]


def test_ratio_leaves_out_a_round_that_one_side_failed() -> None:
    rows = burst({("ours", 1): [10, 20], ("bare", 1): [100]})
    assert ratios(rows, "put4k_burst") == [0.1]
    assert ratios(rows, "get4k_public") == []


def test_cost_without_a_best_variant_is_the_worst_of_each_round() -> None:
    rows = [
        row("put4k_sustained", number, "ours", workers, rate=1, wal_bytes=size)
        for number, workers, size in [(0, 1, 5), (0, 2, 9), (1, 1, 7), (1, 2, 3)]
    ]
    assert worst(rows, "put4k_sustained", "wal_bytes") == [9, 7]


def test_commit_wait_is_the_service_s_own_where_it_tells_else_the_request_s() -> None:
    rows = [
        row("commit_wait", 0, "ours", 1, p99_us=30_000, commit_p99_ms=None),
        row("commit_wait", 1, "ours", 1, p99_us=30_000, commit_p99_ms=10.0),
    ]
    assert wait_ms(rows, 1) == [30.0, 10.0]


@pytest.mark.parametrize(
    ("floor", "values", "verdict"),
    [
        (Floor(0.25, "least"), (0.25, 0.3), "met"),
        (Floor(0.25, "least"), (0.2, 0.3, 0.3), "met by the median"),
        (Floor(0.25, "least"), (0.2, 0.2, 0.3), "missed"),
        (Floor(50, "most"), (50.0, 10.0), "met"),
        (Floor(50, "most"), (51.0, 10.0, 10.0), "met by the median"),
        (Floor(50, "most"), (51.0,), "missed"),
    ],
)
def test_verdict(floor: Floor, values: tuple[float, ...], verdict: str) -> None:
    assert Figure("name", "what", "ms", floor, values).verdict == verdict


def test_figures_are_those_whose_phases_ran() -> None:
    rows = [
        *burst({("ours", 1): [30], ("bare", 1): [100]}),
        row("idle", 0, "ours", 1, pss_kib=100_000, cpu_percent=0.2),
    ]
    found = {figure.name: figure.values for figure in figures(rows)}
    assert found == {"put4k_burst": (0.3,), "idle_memory": pytest.approx((102.4,)), "idle_cpu": (0.2,)}


def s3_rows(phase: str, target: str, rates: dict[int, list[float]], **values: Any) -> Rows:
    """Rows with a rate for each number of workers and round."""
    return [
        row(phase, number, target, workers, rate=rate, **values)
        for workers, found in rates.items()
        for number, rate in enumerate(found)
    ]


def test_s3_is_compared_with_nginx_each_at_its_best_number_of_workers() -> None:
    rows = [
        *s3_rows("s3_get4k", "ours", {1: [10, 10], 2: [20, 30]}),
        *s3_rows("s3_get4k", "nginx", {1: [100, 100], 2: [90, 80]}),
    ]
    assert {figure.name: figure.values for figure in figures(rows)} == {"s3_get4k": (0.2, 0.3)}


def test_batches_of_deletes_are_compared_with_single_ones_of_the_same_round() -> None:
    rows = [
        *s3_rows("s3_delete4k", "ours", {1: [10, 10], 2: [20, 20]}),
        *s3_rows("s3_delete_batch", "ours", {1: [100, 120], 2: [80, 80]}),
    ]
    assert {figure.name: figure.values for figure in figures(rows)} == {"s3_delete_batch": (5.0, 6.0)}


def test_cpu_of_a_page_is_that_of_all_pages_shared_out() -> None:
    rows = s3_rows("s3_list", "ours", {1: [1, 1]}, server_cpu_seconds=1.0, answered=200)
    assert cpu_ms_each(rows, "s3_list") == [5.0, 5.0]


def test_each_figure_is_asked_for_once_under_a_name_of_its_own() -> None:
    names = [question.name for question in QUESTIONS]
    assert len(names) == len(set(names))
