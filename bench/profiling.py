"""Where a process of the service spends its time under load: `bench/profile.sh put|get|put64m|get64m|jobs`.

py-spy looks at the stacks of all threads from outside, many times a second. It counts samples in which
a thread holds the GIL: what a worker's one core goes to. With `--waits` it counts all in which a thread
is not seen to sleep: waits for the disk, for the GIL, and for locks stand out. A share is of one
thread's samples; `self` counts the innermost function, `all` each function once per sample.
"""

import argparse
import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.bodies import READERS, WRITERS, reading, writes
from bench.load import Drive, Generator, Play
from bench.machine import is_on_disk
from bench.main import PLACES
from bench.phases import get_plays
from bench.processes import Server
from bench.rounds import CLIENTS, FULL, Bench, puts

PER_SECOND = 250
IDLE_SHARE = 0.99
LEAD_SECONDS = 1.0  # the load begins before the first sample and ends after the last
WORKER, JOBS = "app.process.worker", "app.process.jobs"


class Share(NamedTuple):
    """Of one thread's samples, in 0 to 1."""

    name: str
    own: float
    total: float


def shares(stacks: str) -> dict[str, tuple[int, list[Share]]]:
    """Samples and functions of each thread, the busiest first, of py-spy's raw format."""
    own: dict[str, Counter[str]] = {}
    total: dict[str, Counter[str]] = {}
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        thread, *names = (_name(frame) for frame in frames.split(";"))
        if names:
            own.setdefault(thread, Counter())[names[-1]] += int(count)
            total.setdefault(thread, Counter()).update(dict.fromkeys(names, int(count)))
    found = {}
    for thread in sorted(own, key=lambda name: -own[name].total()):
        samples = own[thread].total()
        all_shares = [
            Share(name, own[thread][name] / samples, count / samples) for name, count in total[thread].items()
        ]
        found[thread] = (samples, sorted(all_shares, key=lambda share: (-share.own, -share.total)))
    return found


def _name(frame: str) -> str:
    """Without the line: a function is one entry, wherever in it the time went."""
    if frame.startswith("thread ("):
        return frame.partition(": ")[2].strip('"') or frame
    return frame.rpartition(":")[0] + ")" if frame.endswith(")") and ":" in frame else frame


def by_file(found: Sequence[Share]) -> list[tuple[str, float]]:
    """Own shares summed by file, the largest first."""
    files: dict[str, float] = {}
    for share in found:
        name = share.name.rpartition(" (")[2].rstrip(")")
        files[name] = files.get(name, 0.0) + share.own
    return sorted(files.items(), key=lambda item: -item[1])


def render(stacks: str, most: int) -> str:
    """Three lists for each thread: functions by own time, by all time, and files."""
    lines = []
    threads = shares(stacks)
    whole = sum(samples for samples, _ in threads.values())
    for thread, (samples, found) in threads.items():
        if found[0].own > IDLE_SHARE:  # a thread of a pool that waits for work looks busy
            continue
        lines += [f"\n{thread}: {samples / whole:.0%} of {whole} samples", "   self    all  function"]
        lines += [f"  {s.own:5.1%}  {s.total:5.1%}  {s.name}" for s in found[:most]]
        lines += ["  by all:"]
        by_total = sorted(found, key=lambda share: -share.total)
        lines += [f"  {s.own:5.1%}  {s.total:5.1%}  {s.name}" for s in by_total[:most]]
        lines += ["  by file:"]
        lines += [f"  {own:5.1%}         {name}" for name, own in by_file(found)[:most]]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/profile.sh", description=__doc__)
    kinds = ("put", "get", "put64m", "get64m", "jobs")
    parser.add_argument("what", choices=kinds, help="64m: bodies of 64 MiB; jobs: the jobs process under PUTs")
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--most", type=int, default=30, help="functions in each list")
    parser.add_argument("--waits", action="store_true", help="threads without the GIL too")
    parser.add_argument("--native", action="store_true", help="C functions too")
    parser.add_argument("--py-spy", default=shutil.which("py-spy"), help="default: the one on PATH")
    parser.add_argument("--s3load", type=Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.py_spy is None:
        parser.error("py-spy is not on PATH: pip install py-spy, or say where it is by --py-spy")
    parent = next(place for place in PLACES if is_on_disk(place))
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="storage-bench-", dir=parent) as directory:
        bench = Bench(FULL, Path(directory), Generator(options.s3load.absolute(), Path(directory)))
        with _loaded(bench, options.what, options.seconds + 2 * LEAD_SECONDS) as (server, plays, drive):
            print(_profile(bench, server, plays, drive, options))
    return 0


@contextlib.contextmanager
def _loaded(bench: Bench, what: str, seconds: float) -> Iterator[tuple[Server, Sequence[Play], Drive]]:
    """A service with one worker, what to ask of it, and how."""
    if what == "get":
        with bench.filled("ours", 1) as (server, _):
            yield server, get_plays(bench.plan.keys, 0), Drive(CLIENTS, seconds, wrap=True)
    elif what == "get64m":
        with reading(bench, "ours", 1) as (server, plays):
            yield server, plays, Drive(READERS, seconds, wrap=True, discard=True)
    else:
        with bench.fresh("ours", 1) as (server, place):
            if what == "put64m":
                yield server, writes("ours", place), Drive(WRITERS, seconds, numbered=True)
            else:
                yield server, puts("p", place), Drive(CLIENTS, seconds, numbered=True)


def _profile(bench: Bench, server: Server, plays: Sequence[Play], drive: Drive, options: argparse.Namespace) -> str:
    """Load the server, look at one of its processes meanwhile."""
    wanted = JOBS if options.what == "jobs" else WORKER
    pid = next(pid for pid in server.pids() if wanted in command_of(pid))
    stacks = bench.directory / "stacks"
    words = [options.py_spy, "record", "--pid", str(pid), "--duration", str(options.seconds)]
    words += ["--rate", str(PER_SECOND), "--nonblocking", "--threads", "--format", "raw", "--output", str(stacks)]
    words += ["--native"] * options.native + ["--gil"] * (not options.waits)
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):  # noqa: S603
        outcome = bench.generator.run(server, plays, drive)
    head = (
        f"{options.what}: {outcome.rate:,.1f} requests/s while being watched, {outcome.errors} errors,"
        f" {outcome.server_cpu_seconds / outcome.seconds:.2f} cores in all processes of the service"
    )
    return head + "\n" + render(stacks.read_text(), options.most)


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
