"""A store filled with known objects, settled or not, and the comparison afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.power.door import Door
from tests.support.model import (
    ABSENT,
    Finding,
    Ledger,
    Observed,
    State,
    compare_listing,
    render_body,
)
from tests.support.service import Service

BUCKET: Final = "filled"
_THREADS: Final = 4
_LENGTHS: Final = (0, 200, 3000, 15_000, 40_000, 200_000)


def make_bucket(service: Service) -> None:
    with Door(service, BUCKET) as door:
        door.create_bucket().raise_for_status()


def put_all(service: Service, keys: Iterable[str], generation: str, ledger: Ledger) -> None:
    """Put every key, with a body whose stamp names key and generation; sizes differ."""
    rows = list(enumerate(keys))

    def put_some(thread: int) -> None:
        with Door(service, BUCKET) as door:
            for number, key in rows[thread::_THREADS]:
                length = _LENGTHS[number % len(_LENGTHS)]
                stamp = f"{key}@{generation}" if length else "empty"
                operation = ledger.begin(key, State(stamp))
                door.put(key, render_body(stamp, length)).raise_for_status()
                operation.acknowledge()

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(put_some, range(_THREADS)))


def delete_all(service: Service, keys: Iterable[str], ledger: Ledger) -> None:
    with Door(service, BUCKET) as door:
        for key in keys:
            operation = ledger.begin(key, ABSENT)
            door.delete(key).raise_for_status()
            operation.acknowledge()


def fill(service: Service, count: int) -> Ledger:
    """Objects of many sizes: a fifth overwritten, a fifth deleted."""
    ledger = Ledger()
    keys = [f"dir{number % 7}/key{number:05d}" for number in range(count)]
    put_all(service, keys, "first", ledger)
    put_all(service, keys[::5], "second", ledger)
    delete_all(service, keys[1::5], ledger)
    return ledger


def settle(service: Service) -> None:
    """Everything acknowledged so far stands in files after this."""
    done = service.run("settle", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr


def observe(service: Service, keys: Iterable[str]) -> Mapping[str, Observed]:
    with Door(service, BUCKET) as door:
        return {key: door.observe(key) for key in keys}


def compare(service: Service, ledger: Ledger) -> list[Finding]:
    """What of the ledger does not hold, in reading or in listing."""
    observed = observe(service, ledger.keys)
    with Door(service, BUCKET) as door:
        listed = door.list_keys()
    return ledger.compare(observed).findings + compare_listing(listed, observed)
