"""The list of the console's functions is that of the tests which walk them: nothing claimed that is not shown."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.service import REPOSITORY

LIST = REPOSITORY / "docs" / "console-functions.md"
ROOM = Path(__file__).parent
NOT_WALKED = {"test_functions.py", "test_types.py"}  # of the sources, not of the console at work
NAMED = re.compile(r"`(test_\w+\.py::test_\w+)`")
DEFINED = re.compile(r"^def (test_\w+)\(", re.MULTILINE)


def test_every_function_has_tests_and_every_test_a_function() -> None:
    there = {
        f"{path.name}::{name}"
        for path in ROOM.glob("test_*.py")
        if path.name not in NOT_WALKED
        for name in DEFINED.findall(path.read_text(encoding="utf-8"))
    }
    assert set(NAMED.findall(LIST.read_text(encoding="utf-8"))) == there


def test_no_function_is_listed_without_a_test() -> None:
    rows = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    listed = [line for line in rows if line != "| function | test |"]
    assert len(listed) > 30
    assert [line for line in listed if not NAMED.search(line)] == []
