"""A record becomes a page that says what was met, where, and how far to trust it."""

from __future__ import annotations

from typing import Any

import pytest

from bench.report import number, render

MACHINE = {
    "cpu": "Some CPU",
    "cores": 2,
    "memory_gib": 24,
    "kernel": "6.1",
    "python": "3.11.7",
    "file_system": "ext4",
    "syncs_per_second": 12_345,
}


def load(phase: str, target: str, workers: int, rate: float, **values: Any) -> dict[str, Any]:
    return {
        "phase": phase,
        "round": 0,
        "target": target,
        "workers": workers,
        "rate": rate,
        "answered": 1000,
        "errors": 0,
        "seconds": 10.0,
        "p50_us": 1500,
        "p99_us": 60_000,
        "server_cpu_seconds": 2.0,
        "other_cpu_seconds": 4.0,
        "load_average": 1.0,
        "canary_ms": 55.0,
        **values,
    }


def record(**values: Any) -> dict[str, Any]:
    rows = [
        load("put4k_burst", "ours", 1, 300.0),
        load("put4k_burst", "bare", 1, 1000.0),
        load("commit_wait", "ours", 1, 300.0, commit_p99_ms=None, moderate_p99_us=20_000),
    ]
    return {
        "dates": ["2026-01-02 03:04 UTC"],
        "version": "1.0",
        "mode": "power-safe",
        "quick": False,
        "machine": MACHINE,
        "failures": [],
        "rows": rows,
        **values,
    }


def test_page_marks_which_floors_are_met() -> None:
    page = render(record())
    assert "| ≥ 0.25 | 0.300 / 0.300 / 0.300 | met |" in page
    assert "| ≤ 50 ms | 60.0 / 60.0 / 60.0 ms | missed |" in page


def test_page_names_date_machine_and_mode() -> None:
    page = render(record())
    for words in ("2026-01-02", "**power-safe**", "2 cores (Some CPU)", "ext4", "Linux 6.1"):
        assert words in page


def test_page_says_what_the_commit_wait_was_taken_from() -> None:
    page = render(record())
    assert "latency of whole requests" in page
    assert "20.0 ms with 1" in page


def test_page_tells_neighbours_quick_runs_and_failures() -> None:
    page = render(record(quick=True, failures=["idle in round 0: no"]))
    assert "above 10% in 3 of 3 measurements" in page
    assert "quick run" in page
    assert "idle in round 0: no" in page


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.1234, "0.123"), (1.2345, "1.23"), (12.345, "12.3"), (123.4, "123"), (12345.6, "12,346")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_page_of_several_sittings_names_their_dates_and_rounds() -> None:
    more = [load("put4k_burst", "ours", 1, 300.0) | {"round": 1}, load("s3_list", "ours", 1, 90.0)]
    for row in more:
        del row["p50_us"], row["p99_us"]
    page = render(
        record(dates=["Monday", "Tuesday"], rows=[*record()["rows"], *more], phase_seconds={"idle": [41, 43]})
    )
    assert "Monday and Tuesday" in page
    assert "1 to 2 interleaved rounds" in page
    assert "| s3_list | ours | 1 | 90.0 / 90.0 / 90.0 |  |  | 2.000 | 0 |" in page
    assert "of `s3_list` one page" in page
    assert "`idle` 43" in page
