"""Bodies of 64 MiB: reads beside nginx alone, writes beside the rate at which one core computes MD5."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.load import Drive, Outcome, Play
from bench.processes import Server
from bench.rounds import DRAIN_SECONDS, SETTLE_SECONDS, Bench, client_of
from bench.targets import BUCKET, Place, gateway, tokens

SIZE = 64 << 20
MIB = 1 << 20
OBJECTS = 4
READERS, WRITERS = 8, 4
MOST_WRITES = 96  # nginx alone would fill the disk within ten seconds
MD5_SECONDS = 1.0
READ_TARGETS = ("nginx", "gateway", "ours")


def get64m(bench: Bench, round_number: int) -> None:
    """GET of four hot objects of 64 MiB by eight connections: nginx alone, the service behind it, the service alone."""
    turn = round_number % len(READ_TARGETS)
    for name in READ_TARGETS[turn:] + READ_TARGETS[:turn]:
        for workers in (1, 2):
            with reading(bench, name, workers) as (server, plays):
                bench.generator.run(server, plays, Drive(READERS, bench.plan.warm_seconds, wrap=True, discard=True))
                drive = Drive(READERS, bench.plan.load_seconds, wrap=True, discard=True)
                bench.add("get64m", round_number, server, **_in_bytes(bench.generator.run(server, plays, drive)))


@contextmanager
def reading(bench: Bench, name: str, workers: int) -> Iterator[tuple[Server, list[Play]]]:
    """A target with the objects, and the requests that read them."""
    with ExitStack() as stack:
        server, place = stack.enter_context(
            bench.fresh("nginx" if name == "nginx" else "ours", workers, behind_nginx=name == "gateway", keep=False)
        )
        path = f"/{BUCKET}" if name == "nginx" else f"/files/upload-direct/{BUCKET}"
        token = tokens(place.secret_key, 1)[0]
        writes = [
            Play("PUT", f"{path}/{number}", SIZE, (f"Authorization: Bearer {token}",)) for number in range(OBJECTS)
        ]
        bench.generator.run(server, writes, Drive(2, 120, most=OBJECTS))
        if name != "nginx":
            client_of(server, place).drain(DRAIN_SECONDS)
        read = f"/{BUCKET}" if name == "nginx" else f"/storage/{BUCKET}"
        if name == "gateway":
            server = stack.enter_context(gateway(workers, place, server.port))
            time.sleep(SETTLE_SECONDS)
        yield server, [Play("GET", f"{read}/{number}") for number in range(OBJECTS)]


def put64m(bench: Bench, round_number: int) -> None:
    """PUT of distinct objects of 64 MiB by four connections, beside MD5 on one core and nginx's own PUT."""
    md5 = md5_bytes_per_second()
    for name, workers in bench.variants(round_number, ("ours", "nginx")):
        with bench.fresh(name, workers, keep=False) as (server, place):
            drive = Drive(WRITERS, bench.plan.load_seconds, most=MOST_WRITES, numbered=True)
            outcome = bench.generator.run(server, writes(name, place), drive)
            bench.add("put64m", round_number, server, **_in_bytes(outcome), md5_bytes_per_second=md5)


def writes(name: str, place: Place) -> list[Play]:
    path = f"/{BUCKET}/@@@@" if name == "nginx" else f"/files/upload-direct/{BUCKET}/@@@@"
    return [Play("PUT", path, SIZE, (f"Authorization: Bearer {tokens(place.secret_key, 1)[0]}",))]


def md5_bytes_per_second() -> float:
    """What one core does of what every ETag costs."""
    block, done, started = bytes(MIB), 0, time.perf_counter()
    digest = hashlib.md5(usedforsecurity=False)
    while (spent := time.perf_counter() - started) < MD5_SECONDS:
        digest.update(block)
        done += MIB
    return done / spent


def _in_bytes(outcome: Outcome) -> dict[str, object]:
    return outcome.record() | {"bytes_per_second": outcome.rate * SIZE}
