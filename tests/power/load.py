"""Clients that put, overwrite, copy, move, tag and delete at once, and write down what was promised.

Each client has keys of its own, whose state it always knows, and a fifth of its work goes to keys
that all clients share. Once the outcome of an operation is unknown its key is left alone until the
next check.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from typing import Final

import httpx

from tests.power.door import Door, outcome_of
from tests.support.model import (
    ABSENT,
    EMPTY,
    Damage,
    Ledger,
    Observed,
    Operation,
    State,
    render_body,
)
from tests.support.service import Service

BUCKET: Final = "load"
OWN_KEYS: Final = 24  # of each client
SHARED_KEYS: Final = 12
SHARED_PART: Final = 0.2
MAX_BODY_BYTES: Final = 1 << 20
_RETRY_SECONDS: Final = 0.05
_WEIGHTS: Final = {"put": 57, "delete": 15, "copy": 7, "move": 5, "tag": 6, "read": 10}


def pick_length(random_: random.Random) -> int:
    """0 B to 1 MiB: mostly small, a tenth beyond what fits into the journal."""
    kind = random_.random()
    if kind < 0.03:
        return 0
    if kind < 0.70:
        return random_.randrange(128, 4 << 10)
    if kind < 0.90:
        return random_.randrange(4 << 10, 16 << 10)
    return int(2 ** random_.uniform(14, 20))


class Client:
    """One writer, on a thread of its own; `stop` makes it finish its present operation."""

    def __init__(self, service: Service, number: int, ledger: Ledger, seed: int) -> None:
        self.thread = threading.Thread(target=self._run, name=f"client-{number}", daemon=True)
        self.wrong_reads: list[tuple[int, str]] = []
        self.crash: BaseException | None = None
        self._service = service
        self._ledger = ledger
        self._random = random.Random(f"{seed}/{number}")
        self._prefix = f"own/{number}"
        self._stamp = f"{number}.{seed}"
        self._counter = 0
        self._stopping = threading.Event()
        keys = [f"{self._prefix}/{index:02d}" for index in range(OWN_KEYS)]
        self._known: dict[str, State] = {key: ledger.base_of(key) for key in keys}

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        try:
            with Door(self._service, BUCKET, timeout_seconds=10.0) as door:
                while not self._stopping.is_set() and self._known:
                    self._one(door)
        except BaseException as error:  # a thread's failure has to reach the test
            self.crash = error

    def _one(self, door: Door) -> None:
        verb = self._random.choices([*_WEIGHTS], [*_WEIGHTS.values()])[0]
        own = self._random.choice([*self._known])
        is_shared = self._random.random() < SHARED_PART
        key = f"shared/{self._random.randrange(SHARED_KEYS):02d}" if is_shared else own
        try:
            if verb == "put":
                self._put(door, key)
            elif verb == "delete":
                self._delete(door, key)
            elif verb == "copy":
                self._copy(door, own, key)
            elif verb == "move":
                self._move(door, own, key)
            elif verb == "tag":
                self._tag(door, own)
            else:
                self._read(door, own)
        except httpx.TransportError:
            self._stopping.wait(_RETRY_SECONDS)

    def _put(self, door: Door, key: str) -> None:
        length = pick_length(self._random)
        self._counter += 1
        stamp = f"{self._stamp}.{self._counter}" if length else EMPTY
        body = render_body(stamp, length)
        operation = self._begin(key, State(stamp))
        self._finish(operation, door.put(key, body))

    def _delete(self, door: Door, key: str) -> None:
        if self._known.get(key) == ABSENT:
            return
        operation = self._begin(key, ABSENT)
        self._finish(operation, door.delete(key))

    def _copy(self, door: Door, source: str, target: str) -> None:
        state = self._known[source]
        if source == target or state.body is None or state.tag is not None:
            return
        operation = self._begin(target, state)
        self._finish(operation, door.copy(source, target))

    def _move(self, door: Door, source: str, target: str) -> None:
        """Two changes in one commit: the target's, and the end of the source."""
        state = self._known[source]
        if source == target or state.body is None or state.tag is not None:
            return
        arrival, departure = self._begin(target, state), self._begin(source, ABSENT)
        response = door.move(source, target)
        self._finish(arrival, response)
        self._finish(departure, response)

    def _tag(self, door: Door, key: str) -> None:
        state = self._known[key]
        if state.body is None:
            return
        self._counter += 1
        operation = self._begin(key, State(state.body, f"t{self._counter}"))
        self._finish(operation, door.put_tag(key, operation.state.tag or ""))

    def _read(self, door: Door, key: str) -> None:
        """An own key must read as it was left, also while everything else goes on."""
        expected = self._known[key]
        found = door.observe(key)
        unsure = isinstance(found, Damage) and found.reason.startswith("5")
        if not unsure and found != State(expected.body):
            self.wrong_reads.append((time.monotonic_ns(), f"{key}: {found}, not {expected}"))

    def _begin(self, key: str, state: State) -> Operation:
        before = self._known.pop(key, None)  # unknown until answered
        operation = self._ledger.begin(key, state)
        operation.before = before
        return operation

    def _finish(self, operation: Operation, response: httpx.Response) -> None:
        outcome = outcome_of(response)
        if outcome == "done":
            operation.acknowledge()
        operation.refused = outcome == "refused"
        is_own = operation.key.startswith(f"{self._prefix}/")
        if outcome == "done" and is_own:
            self._known[operation.key] = operation.state
        if outcome == "refused" and operation.before is not None:
            self._known[operation.key] = operation.before
        if outcome == "unknown":
            self._stopping.wait(_RETRY_SECONDS)


class Load:
    """`with Load(service, ledger, ...) as load:` keeps the clients going until the block ends."""

    def __init__(self, service: Service, ledger: Ledger, clients: int, seed: int) -> None:
        self._clients = [Client(service, number, ledger, seed) for number in range(clients)]

    def __enter__(self) -> Load:
        for client in self._clients:
            client.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        for client in self._clients:
            client.stop()
        for client in self._clients:
            client.thread.join(timeout=30.0)
            if client.crash:
                raise client.crash

    def wrong_reads(self, cut_ns: float) -> list[str]:
        """What was read wrongly before the cut; after it a dead machine answers nothing."""
        return [text for client in self._clients for at, text in client.wrong_reads if at < cut_ns]


def observe_all(door: Door, ledger: Ledger) -> Mapping[str, Observed]:
    return {key: door.observe(key, with_tag=ledger.has_tags(key)) for key in ledger.keys}
