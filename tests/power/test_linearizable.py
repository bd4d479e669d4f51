"""C3: what clients saw while workers were killed can be told one call after the other."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.power.bench import SMALL_DISK
from tests.power.door import Door, etag_of, outcome_of
from tests.power.histories import Call, Kind, Value, check_register
from tests.support.service import Service

pytestmark = pytest.mark.timeout(1800)

WORKERS: Final = 4
CLIENTS: Final = 8
CALLS: Final = 25  # of each client: 200 in a history
KEYS: Final = [f"register/{number}" for number in range(3)]
KINDS: Final[list[Kind]] = ["get", "get", "put", "delete", "put_if_absent", "put_if_match"]
LARGE_PADDING: Final = 20_000  # past what fits into the journal


class Recorder:
    """The calls of all clients, by key."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Call]] = defaultdict(list)
        self.crash: BaseException | None = None
        self._lock = threading.Lock()

    def add(self, key: str, call: Call) -> None:
        with self._lock:
            self.calls[key].append(call)


class Registers:
    """One client: random calls on few keys, each value written once in the whole history."""

    def __init__(self, door: Door, name: str, recorder: Recorder) -> None:
        self._door = door
        self._name = name
        self._recorder = recorder
        self._random = random.Random(name)
        self._seen: dict[str, str] = {}  # key -> the value last read there
        self._counter = 0

    def run(self) -> None:
        try:
            for _ in range(CALLS):
                self._one(self._random.choice(KEYS), self._random.choice(KINDS))
                time.sleep(self._random.uniform(0, 0.01))
        except BaseException as error:
            self._recorder.crash = error

    def _one(self, key: str, kind: Kind) -> None:
        if kind == "put_if_match" and key not in self._seen:
            kind = "get"
        value: Value = None
        expected = self._seen.get(key) if kind == "put_if_match" else None
        if kind not in {"get", "delete"}:
            self._counter += 1
            padding = "x" * (LARGE_PADDING if self._random.random() < 0.2 else 0)
            value = f"{self._name}.{self._counter}.{padding}"
        issued = time.monotonic_ns()
        try:
            response = self._send(key, kind, value, expected)
        except httpx.TransportError:
            self._recorder.add(key, Call(kind, issued, None, value, expected))
            return
        self._note(key, Call(kind, issued, time.monotonic_ns(), value, expected), response)

    def _send(self, key: str, kind: Kind, value: Value, expected: Value) -> httpx.Response:
        body = (value or "").encode()
        match kind:
            case "get":
                return self._door.get(key)
            case "delete":
                return self._door.delete(key)
            case "put_if_absent":
                return self._door.put(key, body, {"if-none-match": "*"})
            case "put_if_match":
                condition = {"if-match": etag_of((expected or "").encode())}
                return self._door.put(key, body, condition)
        return self._door.put(key, body)

    def _note(self, key: str, call: Call, response: httpx.Response) -> None:
        outcome = outcome_of(response)
        if outcome == "unknown":
            self._recorder.add(key, call._replace(answered=None))
            return
        assert outcome == "done" or response.status_code in {404, 412}, response.text
        if call.kind == "get":
            value = response.text if outcome == "done" else None
            call = call._replace(value=value)
            if value is not None:
                self._seen[key] = value
        self._recorder.add(key, call._replace(ok=outcome == "done" or call.kind == "get"))


def record_history(service: Service, number: int, kills: int) -> Recorder:
    """200 calls of 8 clients, while some workers are killed."""
    recorder, bucket = Recorder(), f"history-{number}"
    doors = [Door(service, bucket, timeout_seconds=10.0) for _ in range(CLIENTS)]
    doors[0].create_bucket().raise_for_status()
    clients = [
        threading.Thread(target=Registers(door, f"{number}.{i}", recorder).run, daemon=True)
        for i, door in enumerate(doors)
    ]
    for client in clients:
        client.start()
    for _ in range(kills):
        time.sleep(random.uniform(0.05, 0.3))
        service.kill(random.choice(service.pids("worker")).pid)
    for client in clients:
        client.join()
    for door in doors:
        door.http.close()
    if recorder.crash:
        raise recorder.crash
    return recorder


@pytest.mark.parametrize("histories", [pytest.param(6, marks=pytest.mark.ci), pytest.param(40, marks=pytest.mark.full)])
def test_histories_of_registers_are_linearizable(tmp_path: Path, histories: int) -> None:
    with Service(tmp_path / "data", tmp_path, WORKERS, SMALL_DISK) as service:
        for number in range(histories):
            recorder = record_history(service, number, kills=number % 2)
            for key, calls in recorder.calls.items():
                verdict = check_register(calls)
                assert verdict.linearizable, f"{key}: {shortened(verdict.unexplained)}"
            wait_for_workers(service)


def shortened(calls: tuple[Call, ...]) -> list[Call]:
    """Without the padding of large values."""

    def short(value: Value) -> Value:
        return value and value.rstrip("x")

    return [one._replace(value=short(one.value), expected=short(one.expected)) for one in calls]


def wait_for_workers(service: Service) -> None:
    deadline = time.monotonic() + 20.0
    while len(service.pids("worker")) < WORKERS and time.monotonic() < deadline:
        time.sleep(0.1)
