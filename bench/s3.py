"""Figures of the S3 door: rates beside nginx and the bare app, and the CPU of all our processes for each request.

bench/s3.sh                             every phase, about 4 minutes
bench/s3.sh --phases reads,writes       some of them
bench/s3.sh --seconds 3 --alone         without the others: for a machine that is shared, CPU alone says something
"""

import argparse
import os
import re
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bench.load import Drive, Generator, Outcome, Play
from bench.processes import Server
from bench.s3_plays import BUCKET, Caller, Plain, Signer, new_pair
from bench.s3_targets import app, nginx, service
from bench.targets import Place

KIB, MIB = 1 << 10, 1 << 20
SMALL, MIDDLE, LARGE = 4 * KIB, 64 * KIB, 64 * MIB
HOT_KEYS, MANY, PAGE = 1000, 50_000, 1000
CONNECTIONS = 32
PART_BYTES, PARTS = 16 * MIB, 16


class Row(NamedTuple):
    """`micros`: CPU of all processes for each request (of a list: for each page; of large ones: for each MiB)."""

    phase: str
    target: str
    rate: float
    micros: float


@dataclass(slots=True)
class Session:
    """The servers of one run, and what was found."""

    generator: Generator
    ours: Server
    signer: Signer
    seconds: float
    others: dict[str, Server] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def measure(
        self, phase: str, name: str, plays: list[Play], connections: int = CONNECTIONS, **drive: bool
    ) -> Outcome:
        server = self.ours if name == "ours" else self.others[name]
        found = self.generator.run(server, plays, Drive(connections, self.seconds, **drive))
        if found.errors:
            raise RuntimeError(f"{phase} {name}: {found.errors} errors, first {found.first_error}")
        self.rows.append(Row(phase, name, found.rate, found.server_cpu_seconds / found.answered * 1e6))
        return found

    def beside(self, phase: str, name: str, plays: list[Play], connections: int = CONNECTIONS, **drive: bool) -> None:
        """The same of another server, if there is one."""
        if name in self.others:
            self.measure(phase, name, plays, connections, **drive)

    def fill(self, server: Server, plays: list[Play], connections: int = 8) -> None:
        self.generator.run(server, plays, Drive(connections, 120.0))

    def caller(self) -> Caller:
        return Caller(self.ours, self.signer)


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}/{number % 100:02d}/{number:08d}" for number in range(count)]


def reads(session: Session) -> None:
    """GET and HEAD of 1,000 hot objects of 4 KiB."""
    keys = names("hot", HOT_KEYS)
    for _, server, signer in pairs_of(session):
        session.fill(server, [signer.play("PUT", key, SMALL) for key in keys])
    time.sleep(3)  # settled
    for method in ("GET", "HEAD"):
        phase = f"{method.lower()}4k"
        session.measure(phase, "ours", [session.signer.play(method, key) for key in keys], wrap=True)
        session.beside(phase, "nginx", [Plain().play(method, key) for key in keys], wrap=True)


def writes(session: Session) -> None:
    """PUT of 4 KiB on new keys, then DELETE of each."""
    keys = names(f"w{time.time_ns()}", int(9000 * session.seconds))
    done = session.measure("put4k", "ours", [session.signer.play("PUT", key, SMALL) for key in keys])
    session.beside("put4k", "bare", [Plain().play("PUT", key, SMALL) for key in keys])
    session.measure("delete4k", "ours", [session.signer.play("DELETE", key) for key in keys[: done.ok]])
    for server in nginx_of(session):
        session.fill(server, [Plain().play("PUT", key, SMALL) for key in keys[: done.ok]])
        session.measure("delete4k", "nginx", [Plain().play("DELETE", key) for key in keys[: done.ok]])


def batches(session: Session) -> None:
    """DeleteObjects of 1,000 keys each; rate and CPU for each key."""
    keys = names(f"b{time.time_ns()}", 10 * PAGE)
    session.fill(session.ours, [session.signer.play("PUT", key, SMALL) for key in keys], CONNECTIONS)
    caller, used, started = session.caller(), session.ours.cpu_seconds(), time.perf_counter()
    for at in range(0, len(keys), PAGE):
        listed = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys[at : at + PAGE])
        body = f"<Delete><Quiet>true</Quiet>{listed}</Delete>".encode()
        caller.call("POST", f"/{BUCKET}", [("delete", "")], body)
    spent, cpu = time.perf_counter() - started, session.ours.cpu_seconds() - used
    caller.close()
    session.rows.append(Row("delete_batch", "ours", len(keys) / spent, cpu / len(keys) * 1e6))


def mixed(session: Session) -> None:
    """45 % GET, 30 % HEAD, 15 % PUT, 10 % DELETE of 64 KiB."""
    count = int(2500 * session.seconds)
    kept, gone = names("m", HOT_KEYS), names(f"d{time.time_ns()}", count // 10)
    pattern = ["GET"] * 9 + ["HEAD"] * 6 + ["PUT"] * 3 + ["DELETE"] * 2
    pattern = [pattern[at * 7 % 20] for at in range(20)]

    def plays(signer: Signer | Plain) -> list[Play]:
        left, made = iter(gone), []
        for number in range(count):
            method = pattern[number % 20]
            key = next(left) if method == "DELETE" else kept[number * 31 % HOT_KEYS]
            made.append(signer.play(method, f"{key}n{number}" if method == "PUT" else key, MIDDLE * (method == "PUT")))
        return made

    for name, server, signer in pairs_of(session):
        session.fill(server, [signer.play("PUT", key, MIDDLE) for key in (*kept, *gone)])
        time.sleep(3)
        session.measure("mixed64k", name, plays(signer))


def lists(session: Session) -> None:
    """All of 50,000 keys, 1,000 a page."""
    session.fill(session.ours, [session.signer.play("PUT", key, 1) for key in names("l", MANY)], CONNECTIONS)
    caller, token, pages = session.caller(), "", 0
    used, started = session.ours.cpu_seconds(), time.perf_counter()
    while True:
        query = [("list-type", "2"), ("prefix", "l/"), *([("continuation-token", token)] if token else [])]
        text = caller.call("GET", f"/{BUCKET}", query)[1].decode()
        pages += 1
        found = re.search("<NextContinuationToken>([^<]+)<", text)
        if found is None:
            break
        token = found[1]
    caller.close()
    spent, cpu = time.perf_counter() - started, session.ours.cpu_seconds() - used
    session.rows.append(Row("list_page", "ours", pages / spent, cpu / pages * 1e6))


def large(session: Session) -> None:
    """GET of 64 MiB on eight connections, PUT of 64 MiB on four, and a multipart upload of 256 MiB. Rates in MiB/s."""
    keys = names("large", 4)
    for name, server, signer in pairs_of(session):
        session.fill(server, [signer.play("PUT", key, LARGE) for key in keys], 2)
        _in_mib(
            session, session.measure("get64m", name, [signer.play("GET", key) for key in keys], 8, wrap=True), LARGE
        )
        puts = [signer.play("PUT", f"p/{number}", LARGE) for number in range(6)]
        _in_mib(session, session.measure("put64m", name, puts, 4), LARGE)
    _multipart(session)


def _in_mib(session: Session, found: Outcome, size: int) -> None:
    last = session.rows.pop()
    each = size / MIB
    session.rows.append(last._replace(rate=found.ok * each / found.seconds, micros=last.micros / each))


def _multipart(session: Session) -> None:
    caller, path = session.caller(), f"/{BUCKET}/multipart"
    data = os.urandom(PART_BYTES)
    used, started = session.ours.cpu_seconds(), time.perf_counter()
    made = caller.call("POST", path, [("uploads", "")])[1].decode()
    upload = made.partition("<UploadId>")[2].partition("<")[0]

    def put(number: int) -> str:
        each = session.caller()
        headers, _ = each.call("PUT", path, [("partNumber", str(number)), ("uploadId", upload)], data)
        each.close()
        return f"<Part><PartNumber>{number}</PartNumber><ETag>{headers['ETag']}</ETag></Part>"

    with ThreadPoolExecutor(4) as pool:
        parts = "".join(pool.map(put, range(1, PARTS + 1)))
    body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    caller.call("POST", path, [("uploadId", upload)], body)
    spent, cpu = time.perf_counter() - started, session.ours.cpu_seconds() - used
    caller.close()
    size = PARTS * PART_BYTES / MIB
    session.rows.append(Row("multipart256m", "ours", size / spent, cpu / size * 1e6))


def nginx_of(session: Session) -> list[Server]:
    return [session.others["nginx"]] if "nginx" in session.others else []


def pairs_of(session: Session) -> list[tuple[str, Server, Signer | Plain]]:
    """Servers that hold objects, each with who signs for it."""
    return [("ours", session.ours, session.signer), *(("nginx", server, Plain()) for server in nginx_of(session))]


PHASES: dict[str, Callable[[Session], None]] = {
    "reads": reads,
    "writes": writes,
    "batches": batches,
    "mixed": mixed,
    "lists": lists,
    "large": large,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--s3load", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("/var/tmp"))  # noqa: S108 - a real disk
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--phases", default=",".join(PHASES))
    parser.add_argument("--alone", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="s3-bench-", dir=given.data) as directory, ExitStack() as stack:
        place, pair = Place(Path(directory) / "store", Path(directory)), new_pair()
        server = stack.enter_context(service(place, pair))

        session = Session(Generator(given.s3load, Path(directory)), server, Signer(server, pair), given.seconds)
        if not given.alone:
            session.others = {"nginx": stack.enter_context(nginx(place)), "bare": stack.enter_context(app(place))}
        session.caller().call("PUT", f"/{BUCKET}")
        for name in given.phases.split(","):
            PHASES[name](session)
        report(session.rows)


def report(rows: list[Row]) -> None:
    """A line for each measurement, ours with its share of the one beside it."""
    print(f"{'phase':<14} {'target':<7} {'rate/s':>10} {'CPU µs':>9} {'share':>7}")
    for row in rows:
        others = [one.rate for one in rows if one.phase == row.phase and one.target != row.target]
        share = f"{row.rate / others[0]:.3f}" if others and row.target == "ours" else ""
        print(f"{row.phase:<14} {row.target:<7} {row.rate:>10.1f} {row.micros:>9.1f} {share:>7}")


if __name__ == "__main__":
    main()
