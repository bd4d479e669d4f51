"""What all phases share: the plan, servers started fresh on their own store, a row per measurement."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.client import Client, Wrong
from bench.load import Drive, Generator, Outcome, Play
from bench.machine import canary_ms, touch_memory
from bench.processes import Server
from bench.targets import BUCKET, TARGETS, Place, ours, tokens

BODY_BYTES = 4096
SETTLE_SECONDS = 1.0  # after a start: the second worker, the first timers
DRAIN_SECONDS = 120.0
LARGE_DRAIN_SECONDS = 600.0
CLIENTS = 32
ROOM_BYTES = 8 << 30
WAL = ".storage/catalog.db-wal"
Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how much."""

    warm_seconds: float = 1.0
    load_seconds: float = 10.0
    sustained_seconds: float = 60.0
    keys: int = 50_000
    uploads: int = 1000
    upload_seconds: float = 25.0  # until each has passed every size of buffer
    idle_seconds: float = 30.0
    connections: int = CLIENTS
    many: int = 1_000_000  # objects of the large store
    half_open: int = 2_000  # connections that say nothing
    moved: int = 2_000  # objects from one service to another


FULL = Plan()
QUICK = Plan(0.5, 4.0, 15.0, 10_000, 1000, 15.0, 10.0, many=20_000, half_open=300, moved=300)


@dataclass(slots=True)
class Bench:
    """One run: its plan, its directories, and the rows found so far."""

    plan: Plan
    directory: Path
    generator: Generator
    rows: list[Row] = field(default_factory=list)
    _filled: Place | None = None
    _large: Place | None = None
    _stores: int = 0

    def variants(self, round_number: int, names: tuple[str, ...]) -> list[tuple[str, int]]:
        """Targets with their numbers of workers; the order turns every round."""
        found = [(name, workers) for workers in (1, 2) for name in names]
        turn = round_number % len(found)
        return found[turn:] + found[:turn]

    @contextlib.contextmanager
    def fresh(
        self, name: str, workers: int, *, behind_nginx: bool = False, keep: bool = True
    ) -> Iterator[tuple[Server, Place]]:
        """A target with an empty store.

        It stays until the end of the run: ext4 does not use the inodes of deleted files again for some
        minutes, and looking past them halves the rate at which files are made. `keep=False` is for few
        and large files, which fill the disk.
        """
        self._stores += 1
        place = Place(self.directory / f"store-{self._stores}", self.directory, behind_nginx=behind_nginx)
        if shutil.disk_usage(self.directory).free < ROOM_BYTES:
            self.sweep()
        touch_memory()
        try:
            with self._serving(name, workers, place) as server:
                yield server, place
        finally:
            if not keep:
                shutil.rmtree(place.store, ignore_errors=True)

    @contextlib.contextmanager
    def filled(self, name: str, workers: int) -> Iterator[tuple[Server, Place]]:
        """A target with `plan.keys` settled objects of 4 KiB, made once."""
        if self._filled is None:
            self._filled = self._fill()
        with self._serving(name, workers, self._filled) as server:
            yield server, self._filled

    @contextlib.contextmanager
    def _serving(self, name: str, workers: int, place: Place) -> Iterator[Server]:
        os.sync()  # what others wrote is not ours to wait for
        with TARGETS[name](workers, place) as server:
            if name == "ours":
                client_of(server, place).create_bucket()
            time.sleep(SETTLE_SECONDS)
            yield server

    def _fill(self) -> Place:
        place = Place(self.directory / "filled", self.directory)
        with ours(2, place) as server:
            client = client_of(server, place)
            client.create_bucket()
            self.generator.run(server, puts("f", place), Drive(CLIENTS, 300, most=self.plan.keys, numbered=True))
            if client.drain(DRAIN_SECONDS) >= DRAIN_SECONDS:
                raise Wrong("the filled store did not settle")
            if (found := client.objects()) != self.plan.keys:
                raise Wrong(f"{found} objects instead of {self.plan.keys}")
        return place

    def large(self) -> Place:
        """A store of `plan.many` settled objects in 1,000 prefixes, made once; nobody serves it."""
        if self._large is None:
            place = Place(self.directory / "large", self.directory)
            if place.store.exists():
                raise Wrong("the large store could not be made")  # not tried again: it takes minutes
            with ours(2, place) as server:
                client = client_of(server, place)
                client.create_bucket()
                base = 0
                while base < self.plan.many:  # the generator ends after five minutes
                    drive = Drive(CLIENTS, 240, most=self.plan.many - base, numbered=True, base=base)
                    base += self.generator.run(server, puts("l", place, wide=True, size=64), drive).ok
                if client.drain(LARGE_DRAIN_SECONDS) >= LARGE_DRAIN_SECONDS:
                    raise Wrong("the large store did not settle")
                if (found := client.objects()) < self.plan.many:
                    raise Wrong(f"{found} objects instead of {self.plan.many}")
            self._large = place
        return self._large

    def sweep(self) -> None:
        """Earlier stores go: for when many files were deleted anyway, or the disk would fill up."""
        for old in self.directory.glob("store-*"):
            shutil.rmtree(old)
        os.sync()

    def add(self, phase: str, round_number: int, server: Server, **values: object) -> Row:
        """Keep one measurement, with what the machine was doing."""
        row: Row = {
            "phase": phase,
            "round": round_number,
            "target": server.name,
            "workers": server.workers,
            **values,
            "load_average": round(os.getloadavg()[0], 2),
            "canary_ms": canary_ms(),
        }
        self.rows.append(row)
        return row


def client_of(server: Server, place: Place) -> Client:
    return Client(server.url, tokens(place.secret_key, 1)[0], place.service_key)


def puts(prefix: str, place: Place, *, wide: bool = False, size: int = BODY_BYTES) -> list[Play]:
    """PUTs of distinct keys, 100 directories wide (`wide`: 1,000), with the tokens of several clients."""
    path = f"/files/upload-direct/{BUCKET}/{prefix}/@@{'@' * wide}/@@@@@@@@"
    return [
        Play("PUT", path, size, (f"Authorization: Bearer {token}", "Content-Type: image/png"))
        for token in tokens(place.secret_key, CLIENTS)
    ]


def key_of(prefix: str, number: int) -> str:
    """The key s3load makes of the path in `puts`."""
    return f"{prefix}/{number % 100:02d}/{number:08d}"


def aftermath(client: Client, place: Place) -> dict[str, object]:
    """After a load that lasted: the WAL, the backlog, and how long it takes to drain."""
    wal_bytes = (place.store / WAL).stat().st_size  # never opened: SQLite alone may
    backlog = client.backlog_rows()
    drained = client.drain(DRAIN_SECONDS)
    return {"wal_bytes": wal_bytes, "backlog_rows": backlog, "drain_seconds": round(drained, 2)}


def check_all_there(client: Client, outcome: Outcome, bucket: str = BUCKET) -> None:
    """Raises: Wrong when fewer objects are there than were acknowledged."""
    if (found := client.objects(bucket)) < outcome.ok:
        raise Wrong(f"{outcome.ok} acknowledged, {found} there")
