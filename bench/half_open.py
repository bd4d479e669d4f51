"""Connections that say nothing more: what they cost those that do."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.load import Drive
from bench.rounds import Bench, puts

CLIENTS = 20
BEGUN = b"PUT /files/upload-direct/bench/slow HTTP/1.1\r\nHost: a\r\nX-Slow"


def half_open(bench: Bench, round_number: int) -> None:
    """p99 of 20 clients that write 4 KiB, without and with many half-open connections beside them."""
    with bench.fresh("ours", 1) as (server, place):
        drive = Drive(CLIENTS, bench.plan.load_seconds, numbered=True)
        bench.generator.run(server, puts("w", place), Drive(CLIENTS, bench.plan.warm_seconds, numbered=True))
        quiet = bench.generator.run(server, puts("q", place), drive)
        with _connections(server.port, bench.plan.half_open):
            beside = bench.generator.run(server, puts("b", place), drive)
        bench.add(
            "half_open",
            round_number,
            server,
            **beside.record(),
            half_open=bench.plan.half_open,
            quiet_p99_us=quiet.p99_us,
            quiet_rate=quiet.rate,
            slowdown=round(beside.p99_us / quiet.p99_us, 3),
        )


@contextmanager
def _connections(port: int, count: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            connection.sendall(BEGUN)
        yield
