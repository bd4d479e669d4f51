"""Playing prepared requests with s3load, and what came of it."""

import json
import os
import struct
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.machine import busy_seconds
from bench.processes import Server

HEADER = struct.Struct("<IQB")  # s3load's record: bytes of the head, of the body, a class
PATIENCE_SECONDS = 120.0


class Play(NamedTuple):
    """One request to be sent. Runs of `@` in the path become the number of the request."""

    method: str
    path: str
    body_bytes: int = 0
    headers: tuple[str, ...] = ()


class LoadFailed(Exception):
    """The generator itself failed; no measurement."""


@dataclass(frozen=True, slots=True)
class Drive:
    """How a load is driven. `numbered`: fill in request numbers from `base` on, without end."""

    connections: int
    seconds: float
    most: int = 1 << 22
    numbered: bool = False
    wrap: bool = False
    base: int = 0
    discard: bool = False  # bodies of answers are dropped in the kernel: a receiver that costs nothing


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one load came to. Rates are per second and count answers with a status of 2xx only."""

    rate: float
    answered: int
    ok: int
    errors: int
    first_error: str
    seconds: float
    p50_us: int
    p99_us: int
    max_us: int
    per_second: tuple[int, ...]
    client_cpu_seconds: float
    server_cpu_seconds: float
    other_cpu_seconds: float

    def record(self) -> dict[str, object]:
        return asdict(self)


class Generator:
    """s3load, with a place for its request files."""

    def __init__(self, program: Path, directory: Path) -> None:
        self._program = program
        self._file = directory / "requests"

    def run(self, server: Server, plays: Iterable[Play], drive: Drive) -> Outcome:
        """Raises: LoadFailed."""
        with self._file.open("wb") as file:
            for play in plays:
                head = render_head(play, server.port)
                file.write(HEADER.pack(len(head), play.body_bytes, 0) + head)
            file.flush()
            os.fsync(file.fileno())  # hundreds of MB of signed heads: not to be written under the load
        cpu, busy = server.cpu_seconds(), busy_seconds()
        found = self._call(arguments(server.port, drive))
        spent, all_spent = server.cpu_seconds() - cpu, busy_seconds() - busy
        return outcome(found, spent, all_spent)

    def _call(self, words: Sequence[str]) -> dict[str, Any]:
        done = subprocess.run(  # noqa: S603 - built by run.sh
            [self._program, *words, self._file],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS + 300,
            check=False,
        )
        try:
            found: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise LoadFailed(f"{done.stdout}{done.stderr}"[-400:]) from None
        if not found.get("done"):
            raise LoadFailed(f"no answer at all: {found}"[:400])
        return found


def render_head(play: Play, port: int) -> bytes:
    lines = [f"{play.method} {play.path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *play.headers]
    if play.method in {"PUT", "POST"}:
        lines += [f"Content-Length: {play.body_bytes}"]
    return "\r\n".join([*lines, "", ""]).encode()


def arguments(port: int, drive: Drive) -> list[str]:
    words = ["-p", str(port), "-c", str(drive.connections), "-d", str(drive.seconds)]
    words += ["-n", str(drive.most), "-b", str(drive.base)]
    return words + ["-k"] * drive.numbered + ["-w"] * drive.wrap + ["-t"] * drive.discard


def outcome(found: dict[str, Any], server_cpu: float, all_cpu: float) -> Outcome:
    latency = found["latency"]
    client_cpu = found["client_cpu_s"]
    return Outcome(
        rate=found["ok_rps"],
        answered=found["done"],
        ok=found["ok"],
        errors=found["errors"],
        first_error=found["first_error"],
        seconds=found["elapsed_s"],
        p50_us=latency["p50_us"],
        p99_us=latency["p99_us"],
        max_us=latency["max_us"],
        per_second=tuple(found["per_second"]),
        client_cpu_seconds=client_cpu,
        server_cpu_seconds=round(server_cpu, 2),
        other_cpu_seconds=round(max(0.0, all_cpu - server_cpu - client_cpu), 2),
    )
