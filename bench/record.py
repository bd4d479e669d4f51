"""A record: what was measured, where, and of which version. It may be gone on with in several sittings."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.rounds import FULL, Plan
from bench.targets import MODE, REPOSITORY

FORMAT = 2
Record = dict[str, Any]
SAME = ("format", "version", "mode", "plan")
MEASURED = ("storage_service", "nginx", "requirements.txt", "bench/*.py", "bench/*.c")  # what figures depend on


class Differs(Exception):
    """A record of another version, plan or machine: their rows say nothing beside each other."""


def begin(plan: Plan, machine: Mapping[str, object]) -> Record:
    """Without rows."""
    return {
        "format": FORMAT,
        "dates": [datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")],
        "version": version(),
        "mode": MODE,
        "quick": plan != FULL,
        "plan": asdict(plan),
        "machine": dict(machine),
        "failures": [],
        "phase_seconds": {},
        "rows": [],
    }


def go_on(earlier: Record, now: Record) -> Record:
    """The earlier record, with one more date. Raises: Differs."""
    for name in SAME:
        if earlier.get(name) != now[name]:
            raise Differs(f"{name} was {earlier.get(name)} and is {now[name]}")
    if (before := _lasting(earlier["machine"])) != (after := _lasting(now["machine"])):
        raise Differs(f"the machine was {before} and is {after}")
    return {**earlier, "dates": [*earlier["dates"], *now["dates"]]}


def next_round(record: Record) -> int:
    """Rounds of several sittings are told apart: a ratio is one of rows of the same round."""
    return 1 + max((row["round"] for row in record["rows"]), default=-1)


def read(path: Path) -> Record:
    found: Record = json.loads(path.read_text())
    return found


def write(path: Path, record: Record) -> None:
    """Whole, or as it was."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(record, indent=1))
    temporary.replace(path)


def version() -> str:
    """Of the service, and the last commit of what was measured, where that can be told; `dirty` if changed since."""
    text = (REPOSITORY / "storage_service/__init__.py").read_text()
    number = text.partition('__version__ = "')[2].partition('"')[0]
    commit = _git("log", "-1", "--format=%h")
    return f"{number} ({commit}{' dirty' if _git('status', '--porcelain') else ''})" if commit else number


def _git(*words: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(REPOSITORY), *words, "--", *MEASURED]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def _lasting(machine: Mapping[str, Any]) -> dict[str, Any]:
    """Without what swings from hour to hour."""
    return {name: value for name, value in machine.items() if name != "syncs_per_second"}
