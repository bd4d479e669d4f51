"""Servers that take S3's requests, signed or plain: opened with an empty store, filled, measured."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from bench.client import Wrong
from bench.load import Drive, Outcome, Play
from bench.processes import Server
from bench.rounds import CLIENTS, DRAIN_SECONDS, Bench, Row, client_of
from bench.s3_plays import BUCKET, Caller, Plain, Signer
from bench.targets import Place

FILL_SECONDS = 240.0
MOST_ERRORS = 0.01  # as a share


class Target(NamedTuple):
    """`requests` makes those it takes. `signer` is there where it is ours."""

    server: Server
    place: Place
    requests: Signer | Plain
    signer: Signer | None

    def caller(self) -> Caller:
        if self.signer is None:
            raise Wrong(f"{self.server.name} takes no signed calls")
        return Caller(self.server, self.signer)


@contextmanager
def opened(bench: Bench, name: str, workers: int, *, keep: bool = True) -> Iterator[Target]:
    """A target with an empty store; ours with a private bucket."""
    with bench.fresh(name, workers, keep=keep) as (server, place):
        if name != "ours":
            yield Target(server, place, Plain(), None)
            return
        signer = Signer(server, place)
        target = Target(server, place, signer, signer)
        with target.caller() as caller:
            caller.call("PUT", f"/{BUCKET}")
        yield target


def fill(bench: Bench, target: Target, keys: Collection[str], size: int, connections: int = CLIENTS) -> None:
    """Objects of so many bytes, settled. Raises: Wrong if one was refused."""
    plays = (target.requests.play("PUT", key, size) for key in keys)
    outcome = bench.generator.run(target.server, plays, Drive(connections, FILL_SECONDS))
    if outcome.ok < len(keys):
        raise Wrong(f"{target.server.name} took {outcome.ok} of {len(keys)}: {outcome.first_error}")
    settle(target)


def settle(target: Target) -> None:
    if target.signer is not None and client_of(target.server, target.place).drain(DRAIN_SECONDS) >= DRAIN_SECONDS:
        raise Wrong("the store did not settle")


def loaded(bench: Bench, target: Target, plays: Iterable[Play], drive: Drive) -> Outcome:
    """What a load came to. Raises: Wrong if more than one answer in a hundred is an error: that is another load."""
    outcome = bench.generator.run(target.server, plays, drive)
    if outcome.errors > MOST_ERRORS * outcome.answered:
        raise Wrong(f"{target.server.name}: {outcome.errors} errors, the first {outcome.first_error}")
    return outcome


def timed(server: Server, work: Callable[[], int]) -> Row:
    """What `work` came to: as many as it says, their rate, and the CPU of the service."""
    used, started = server.cpu_seconds(), time.perf_counter()
    done = work()
    return came_to(server, done, time.perf_counter() - started, used)


def came_to(server: Server, done: int, seconds: float, used: float) -> Row:
    """A row's values. `used`: the server's CPU seconds before."""
    spent = round(server.cpu_seconds() - used, 2)
    return {
        "rate": round(done / seconds, 3),
        "answered": done,
        "errors": 0,
        "seconds": round(seconds, 3),
        "server_cpu_seconds": spent,
    }
