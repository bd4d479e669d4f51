"""`bench/run.sh`: rounds of phases, a record as JSON, the figures on stdout."""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from bench import record
from bench.client import Wrong
from bench.load import Generator, LoadFailed
from bench.machine import describe, is_on_disk
from bench.phases import PHASES
from bench.picture import picture
from bench.processes import DidNotStart
from bench.questions import figures
from bench.report import machine_class, render, render_figures
from bench.rounds import FULL, QUICK, Bench, Row
from bench.targets import MODE, REPOSITORY

NEEDED = {"import": "rclone"}  # by phases that a usual run goes without
PLACES = (Path("/var/tmp"), Path.home(), REPOSITORY)  # noqa: S108 - a directory of our own in it
FAILURES = (DidNotStart, LoadFailed, Wrong, OSError, subprocess.SubprocessError)


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.sh", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="short loads, 10,000 keys")
    parser.add_argument("--phases", default="", help=f"some of {','.join(PHASES)}")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--out", type=Path, help="write the record there (JSON)")
    kept.add_argument("--add", type=Path, help="go on with that record, of the same machine and version")
    parser.add_argument("--page", type=Path, help="a directory: figures.md and figures.svg are written there")
    parser.add_argument("--data", type=Path, help="a directory on the disk to measure")
    parser.add_argument("--s3load", type=Path, required=True, help=argparse.SUPPRESS)
    found = parser.parse_args(words)
    found.phases = found.phases.split(",") if found.phases else _usual()
    if unknown := set(found.phases) - PHASES.keys():
        parser.error(f"no such phase: {', '.join(sorted(unknown))}")
    if found.rounds < 1:
        parser.error("at least one round")
    if found.data is not None and not is_on_disk(found.data):
        parser.error(f"{found.data} is not on a disk")
    if found.add is not None and not found.add.is_file():
        parser.error(f"there is no record {found.add} to go on with")
    return found


def _usual() -> list[str]:
    """All phases but those whose programs are missing."""
    return [name for name in PHASES if name not in NEEDED or shutil.which(NEEDED[name]) is not None]


def main() -> int:
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, _end)
    parent = options.data or next(place for place in PLACES if is_on_disk(place))
    directory = Path(tempfile.mkdtemp(prefix="storage-bench-", dir=parent))
    try:
        return _measure(options, directory)
    except record.Differs as error:
        print(f"{options.add} cannot be gone on with: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _measure(options: argparse.Namespace, directory: Path) -> int:
    plan = QUICK if options.quick else FULL
    found = record.begin(plan, describe(directory))
    if options.add is not None:
        found = record.go_on(record.read(options.add), found)
    bench = Bench(plan, directory, Generator(options.s3load.absolute(), directory), found["rows"])
    print(f"{machine_class(found['machine'])}; mode {MODE}", flush=True)
    first, failed = record.next_round(found), len(found["failures"])
    for round_number in range(first, first + options.rounds):
        for name in options.phases:
            _phase(bench, name, round_number, found)
            if (path := options.out or options.add) is not None:
                record.write(path, found)
    print("\n" + render_figures(figures(bench.rows)))
    if options.page is not None:
        (options.page / "figures.md").write_text(render(found))
        (options.page / "figures.svg").write_text(picture(found))
    return 1 if len(found["failures"]) > failed else 0


def _phase(bench: Bench, name: str, round_number: int, found: record.Record) -> None:
    """Run one phase and say what it found; a failure does not end the run."""
    before, started = len(bench.rows), time.perf_counter()
    try:
        PHASES[name](bench, round_number)
    except FAILURES as error:
        found["failures"].append(f"{name} in round {round_number}: {error}")
        print(f"  ! {found['failures'][-1]}", file=sys.stderr, flush=True)
    for row in bench.rows[before:]:
        print(f"  {_line(row)}", flush=True)
    spent = round(time.perf_counter() - started)
    found["phase_seconds"].setdefault(name, []).append(spent)
    print(f"  {name}: {spent} s", flush=True)


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


def _end(signal_number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signal_number)


if __name__ == "__main__":
    sys.exit(main())
