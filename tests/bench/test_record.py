"""A record that is gone on with: rows of one machine and version, rounds told apart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.main import parse
from bench.record import Differs, begin, go_on, next_round, read, write
from bench.rounds import FULL, QUICK

MACHINE = {"cpu": "Some CPU", "cores": 2, "syncs_per_second": 100}


def earlier(**values: Any) -> dict[str, Any]:
    """A record with two rounds, as it is read from its file."""
    found: dict[str, Any] = json.loads(json.dumps(begin(FULL, MACHINE)))
    return {**found, "dates": ["Monday"], "rows": [{"round": 0}, {"round": 1}], **values}


def test_record_goes_on_with_its_rows_and_one_more_date() -> None:
    now = begin(FULL, {**MACHINE, "syncs_per_second": 90})
    found = go_on(earlier(), now)
    assert found["rows"] == earlier()["rows"]
    assert found["dates"] == ["Monday", *now["dates"]]
    assert found["machine"]["syncs_per_second"] == 100


def test_rounds_of_a_later_sitting_are_new_ones() -> None:
    assert next_round(begin(FULL, MACHINE)) == 0
    assert next_round(earlier()) == 2


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"version": "0.0"}, "version"),
        ({"mode": "scratch"}, "mode"),
        ({"format": 1}, "format"),
        ({"machine": {**MACHINE, "cores": 4}}, "machine"),
        ({"plan": json.loads(json.dumps(begin(QUICK, MACHINE)["plan"]))}, "plan"),
    ],
)
def test_record_of_something_else_is_refused(values: dict[str, Any], word: str) -> None:
    with pytest.raises(Differs, match=word):
        go_on(earlier(**values), begin(FULL, MACHINE))


def test_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path / "record.json", earlier())
    assert read(tmp_path / "record.json") == earlier()
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_run_of_another_plan_leaves_the_record_alone(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write(path, earlier())
    before = path.read_bytes()
    words = ["--quick", "--phases", "idle", "--add", str(path), "--s3load", "unused"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.main", *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "cannot be gone on with: plan" in done.stderr
    assert path.read_bytes() == before


def test_record_to_go_on_with_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(["--add", str(tmp_path / "none.json"), "--s3load", "unused"])
