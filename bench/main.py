"""`bench/run.sh`: rounds of phases, a record as JSON, the figures on stdout."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from bench.client import Wrong
from bench.figures import figures
from bench.load import Generator, LoadFailed
from bench.machine import describe, is_on_disk
from bench.phases import PHASES
from bench.picture import picture
from bench.processes import DidNotStart
from bench.report import machine_class, render, render_figures
from bench.rounds import FULL, QUICK, Bench, Row
from bench.targets import MODE, REPOSITORY

FORMAT = 1
PLACES = (Path("/var/tmp"), Path.home(), REPOSITORY)  # noqa: S108 - a directory of our own in it
FAILURES = (DidNotStart, LoadFailed, Wrong, OSError, subprocess.SubprocessError)


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.sh", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="short loads, 10,000 keys")
    parser.add_argument("--phases", default="", help=f"some of {','.join(PHASES)}")
    parser.add_argument("--out", type=Path, help="write the record there (JSON)")
    parser.add_argument("--page", type=Path, help="a directory: figures.md and figures.svg are written there")
    parser.add_argument("--data", type=Path, help="a directory on the disk to measure")
    parser.add_argument("--s3load", type=Path, required=True, help=argparse.SUPPRESS)
    found = parser.parse_args(words)
    found.phases = found.phases.split(",") if found.phases else list(PHASES)
    if unknown := set(found.phases) - PHASES.keys():
        parser.error(f"no such phase: {', '.join(sorted(unknown))}")
    if found.rounds < 1:
        parser.error("at least one round")
    if found.data is not None and not is_on_disk(found.data):
        parser.error(f"{found.data} is not on a disk")
    return found


def main() -> int:
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, _end)
    parent = options.data or next(place for place in PLACES if is_on_disk(place))
    directory = Path(tempfile.mkdtemp(prefix="storage-bench-", dir=parent))
    try:
        return _measure(options, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _measure(options: argparse.Namespace, directory: Path) -> int:
    generator = Generator(options.s3load.absolute(), directory)
    bench = Bench(QUICK if options.quick else FULL, directory, generator)
    record: dict[str, object] = {
        "format": FORMAT,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "version": _version(),
        "mode": MODE,
        "quick": options.quick,
        "rounds": options.rounds,
        "plan": {name: getattr(bench.plan, name) for name in bench.plan.__slots__},
        "machine": (machine := describe(directory)),
        "failures": (failures := []),
        "rows": bench.rows,
    }
    print(f"{machine_class(machine)}; mode {MODE}", flush=True)
    for round_number in range(options.rounds):
        for name in options.phases:
            failures += _phase(bench, name, round_number)
            _write(options.out, record)
    print("\n" + render_figures(figures(bench.rows)))
    if options.page is not None:
        (options.page / "figures.md").write_text(render(record))
        (options.page / "figures.svg").write_text(picture(record))
    return 1 if failures else 0


def _phase(bench: Bench, name: str, round_number: int) -> list[str]:
    """Run one phase and say what it found; a failure does not end the run."""
    before, started = len(bench.rows), time.perf_counter()
    failures = []
    try:
        PHASES[name](bench, round_number)
    except FAILURES as error:
        failures.append(f"{name} in round {round_number}: {error}")
        print(f"  ! {failures[0]}", file=sys.stderr, flush=True)
    for row in bench.rows[before:]:
        print(f"  {_line(row)}", flush=True)
    print(f"  {name}: {time.perf_counter() - started:.0f} s", flush=True)
    return failures


def _line(row: Row) -> str:
    """What stands out in a row."""
    names = (
        "rate",
        "p50_us",
        "p99_us",
        "moderate_p99_us",
        "commit_p99_ms",
        "errors",
        "wal_bytes",
        "backlog_rows",
        "drain_seconds",
        "per_upload_kib",
        "pss_kib",
        "cpu_percent",
        "server_cpu_seconds",
        "client_cpu_seconds",
        "other_cpu_seconds",
        "load_average",
        "canary_ms",
    )
    shown = [f"{name} {row[name]}" for name in names if row.get(name) not in (None, "")]
    if row.get("first_error"):
        shown.append(str(row["first_error"])[:120])
    return f"r{row['round']} {row['phase']} {row['target']} w{row['workers']}: {'  '.join(shown)}"


def _write(path: Path | None, record: dict[str, object]) -> None:
    if path is not None:
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(record, indent=1))
        temporary.replace(path)


def _version() -> str:
    """Of the service, and the commit it was built from, where that can be told."""
    text = (REPOSITORY / "storage_service/__init__.py").read_text()
    version = text.partition('__version__ = "')[2].partition('"')[0]
    git = shutil.which("git")
    if git is None:
        return version
    done = subprocess.run(  # noqa: S603
        [git, "-C", REPOSITORY, "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{version} ({done.stdout.strip()})" if done.stdout else version


def _end(signal_number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signal_number)


if __name__ == "__main__":
    sys.exit(main())
