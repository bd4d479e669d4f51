"""The measurements, one function each: they add rows to the bench and judge nothing."""

import random
import time
from collections.abc import Callable

from bench.bodies import get64m, put64m
from bench.client import commit_p99_ms
from bench.half_open import half_open
from bench.large import list_million, rebuild_million, start_million
from bench.load import Drive, Play
from bench.move_in import import_beside_rclone
from bench.processes import Server
from bench.rounds import (
    BODY_BYTES,
    CLIENTS,
    DRAIN_SECONDS,
    Bench,
    aftermath,
    check_all_there,
    client_of,
    key_of,
    puts,
)
from bench.s3 import s3_deletes, s3_list, s3_mixed64k, s3_put4k_burst, s3_put4k_sustained, s3_reads
from bench.s3_large import s3_get64m, s3_multipart, s3_put64m
from bench.slow import slow_uploads
from bench.streams import tus_beside_put, zip_beside_get
from bench.targets import BUCKET, Place

BOTH = ("ours", "bare")
MODERATE = 8  # connections
AFTER_START_SECONDS = 3.0


def put4k_burst(bench: Bench, round_number: int) -> None:
    """PUT 4 KiB, distinct keys, 32 connections, for a short time."""
    for name, workers in bench.variants(round_number, BOTH):
        with bench.fresh(name, workers) as (server, place):
            _warm_puts(bench, server, place)
            drive = Drive(bench.plan.connections, bench.plan.load_seconds, numbered=True)
            outcome = bench.generator.run(server, puts("p", place), drive)
            if name == "ours":
                check_all_there(client_of(server, place), outcome)
            bench.add("put4k_burst", round_number, server, **outcome.record())


def put4k_sustained(bench: Bench, round_number: int) -> None:
    """The same for so long that settling must keep up; then how long the journal takes to drain."""
    for name, workers in bench.variants(round_number, BOTH):
        with bench.fresh(name, workers) as (server, place):
            _warm_puts(bench, server, place)
            # What does nothing gets no slower with time.
            mine = name == "ours"
            seconds = bench.plan.sustained_seconds if mine else bench.plan.load_seconds
            drive = Drive(bench.plan.connections, seconds, numbered=True)
            outcome = bench.generator.run(server, puts("p", place), drive)
            extra: dict[str, object] = {}
            if mine:
                extra = aftermath(client_of(server, place), place)
                check_all_there(client_of(server, place), outcome)
            bench.add("put4k_sustained", round_number, server, **outcome.record(), **extra)


def get4k_public(bench: Bench, round_number: int) -> None:
    """GET 4 KiB of distinct settled keys by their permanent URLs, without a credential."""
    plays = get_plays(bench.plan.keys, round_number)
    for name, workers in bench.variants(round_number, BOTH):
        with bench.filled(name, workers) as (server, place):
            if name == "ours":
                client_of(server, place).check_public(plays[0].path, BODY_BYTES)
            warm = Drive(bench.plan.connections, bench.plan.warm_seconds, wrap=True)
            bench.generator.run(server, plays, warm)
            drive = Drive(bench.plan.connections, bench.plan.load_seconds, wrap=True)
            outcome = bench.generator.run(server, plays, drive)
            bench.add("get4k_public", round_number, server, **outcome.record())


def get_plays(keys: int, seed: int) -> list[Play]:
    """One GET of each key of the filled store, in an order of no pattern."""
    plays = [Play("GET", f"/storage/{BUCKET}/{key_of('f', number)}") for number in range(keys)]
    random.Random(seed).shuffle(plays)  # noqa: S311
    return plays


def commit_wait(bench: Bench, round_number: int) -> None:
    """Latency of PUTs under the burst's load and under a moderate one, with 1, 2 and 4 workers."""
    for workers in (1, 2, 4):
        with bench.fresh("ours", workers) as (server, place):
            _warm_puts(bench, server, place)
            seconds = bench.plan.load_seconds
            few = bench.generator.run(server, puts("m", place), Drive(MODERATE, seconds, numbered=True))
            many = bench.generator.run(server, puts("p", place), Drive(CLIENTS, seconds, numbered=True))
            time.sleep(AFTER_START_SECONDS)  # workers publish their counters
            own = commit_p99_ms(client_of(server, place).metrics())
            bench.add(
                "commit_wait",
                round_number,
                server,
                **many.record(),
                moderate_p99_us=few.p99_us,
                moderate_rate=few.rate,
                commit_p99_ms=own,
            )


def idle(bench: Bench, round_number: int) -> None:
    """Memory and CPU of all processes of a service that was used a little and now does nothing."""
    with bench.fresh("ours", 1):
        pass  # compiles what was never run here
    with bench.fresh("ours", 1) as (server, place):
        drive = Drive(2, 10, most=100, numbered=True)
        bench.generator.run(server, puts("p", place), drive)
        bench.generator.run(server, [Play("GET", f"/storage/{BUCKET}/{key_of('p', 1)}")], Drive(2, 10, most=1))
        client_of(server, place).drain(DRAIN_SECONDS)
        time.sleep(AFTER_START_SECONDS)
        used, started = server.cpu_seconds(), time.perf_counter()
        time.sleep(bench.plan.idle_seconds)
        spent = time.perf_counter() - started
        percent = 100 * (server.cpu_seconds() - used) / spent
        bench.add(
            "idle",
            round_number,
            server,
            pss_kib=server.pss_kib(),
            cpu_percent=round(percent, 3),
            processes=len(server.pids()),
        )


def _warm_puts(bench: Bench, server: Server, place: Place) -> None:
    drive = Drive(bench.plan.connections, bench.plan.warm_seconds, numbered=True)
    bench.generator.run(server, puts("w", place), drive)


Phase = Callable[[Bench, int], None]
PHASES: dict[str, Phase] = {
    "put4k_burst": put4k_burst,
    "put4k_sustained": put4k_sustained,
    "get4k_public": get4k_public,
    "commit_wait": commit_wait,
    "half_open": half_open,
    "s3_reads": s3_reads,
    "s3_put4k_burst": s3_put4k_burst,
    "s3_put4k_sustained": s3_put4k_sustained,
    "s3_list": s3_list,
    "zip": zip_beside_get,
    "import": import_beside_rclone,
    "list_million": list_million,
    "s3_mixed64k": s3_mixed64k,
    # From here on inodes are freed by the ten thousand; what follows makes few files for over five minutes (see
    # `Bench.fresh`), so that the next round begins as the first.
    "s3_deletes": s3_deletes,
    "start_million": start_million,
    "rebuild_million": rebuild_million,
    "slow_uploads": slow_uploads,
    "idle": idle,
    "tus": tus_beside_put,
    "get64m": get64m,
    "put64m": put64m,
    "s3_get64m": s3_get64m,
    "s3_put64m": s3_put64m,
    "s3_multipart": s3_multipart,
}
