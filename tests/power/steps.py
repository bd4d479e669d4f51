"""The operations that are stopped, and what must be found afterwards, whichever call they were stopped at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import httpx

from tests.power.door import Door
from tests.support.model import ABSENT, State, render_body

SMALL: Final = 4096
LARGE: Final = 300_000
OLD, NEW, SOURCE, BESIDE = State("old"), State("new"), State("source"), State("beside")


class Step(NamedTuple):
    """An operation on a key, what stands there before it, and what after it."""

    run: Callable[[Door, str], httpx.Response]
    before: State
    after: State
    prepared: tuple[tuple[str, State, int], ...] = ()  # suffix, state, length: put before the stop
    takes_source: bool = False  # in the same commit


def put_small(door: Door, key: str) -> httpx.Response:
    return door.put(key, render_body("new", SMALL))


def put_large(door: Door, key: str) -> httpx.Response:
    return door.put(key, render_body("new", LARGE))


def delete(door: Door, key: str) -> httpx.Response:
    return door.delete(key)


def copy(door: Door, key: str) -> httpx.Response:
    return door.copy(f"{key}.source", key)


def move(door: Door, key: str) -> httpx.Response:
    return door.move(f"{key}.source", key)


def tag(door: Door, key: str) -> httpx.Response:
    return door.put_tag(key, "t")


STEPS: Final = {
    "small put": Step(put_small, ABSENT, NEW),
    "large put": Step(put_large, ABSENT, NEW),
    "overwrite of small by small": Step(put_small, OLD, NEW, (("", OLD, SMALL),)),
    "overwrite of small by large": Step(put_large, OLD, NEW, (("", OLD, SMALL),)),
    "overwrite of large by small": Step(put_small, OLD, NEW, (("", OLD, LARGE),)),
    "delete": Step(delete, OLD, ABSENT, (("", OLD, SMALL),)),
    "delete of large": Step(delete, OLD, ABSENT, (("", OLD, LARGE),)),
    "copy of small": Step(copy, ABSENT, SOURCE, ((".source", SOURCE, SMALL),)),
    "copy of large": Step(copy, ABSENT, SOURCE, ((".source", SOURCE, LARGE),)),
    "move": Step(move, OLD, SOURCE, (("", OLD, SMALL), (".source", SOURCE, LARGE)), takes_source=True),
    "tags": Step(tag, OLD, State("old", "t"), (("", OLD, SMALL),)),
}


class Change(Protocol):
    """An operation where it is made. `finish` looks what became of it, makes it again, and says whether it was done."""

    def bucket(self) -> str: ...
    def prepare(self, door: Door) -> None: ...
    def run(self, door: Door) -> httpx.Response: ...
    def finish(self, door: Door, acknowledged: bool) -> bool: ...


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A step on one key of a bucket that is there, beside a key that must stay as it is."""

    step: Step
    key: str
    where: str

    def bucket(self) -> str:
        return self.where

    def prepare(self, door: Door) -> None:
        for suffix, state, length in self.step.prepared:
            door.put(self.key + suffix, render_body(state.body or "", length)).raise_for_status()

    def run(self, door: Door) -> httpx.Response:
        return self.step.run(door, self.key)

    def finish(self, door: Door, acknowledged: bool) -> bool:
        step, with_tag = self.step, self.step.after.tag is not None
        found = door.observe(self.key, with_tag)
        allowed = {step.after} if acknowledged else {step.before, step.after}
        assert found in allowed, f"found {found}, allowed {allowed}"
        assert door.observe("beside") == BESIDE
        if step.takes_source:
            assert (door.observe(f"{self.key}.source") == ABSENT) == (found == step.after), "half a move"
        again = self.run(door)
        ends = step.takes_source or step.after == ABSENT  # nothing is left to do it again with
        assert again.is_success or (ends and found == step.after), again.text
        assert door.observe(self.key, with_tag) == step.after
        return found == step.after


@dataclass(frozen=True, slots=True)
class BucketChange:
    """An empty bucket is made, or removed."""

    name: str
    deletes: bool

    def bucket(self) -> str:
        return self.name

    def prepare(self, door: Door) -> None:
        if self.deletes:
            door.create_bucket().raise_for_status()

    def run(self, door: Door) -> httpx.Response:
        return door.delete_bucket() if self.deletes else door.create_bucket()

    def finish(self, door: Door, acknowledged: bool) -> bool:
        is_done = self._is_done(door)
        assert is_done or not acknowledged, "found as it was before"
        again = self.run(door)
        assert again.is_success or (is_done and again.status_code in {404, 409}), again.text
        assert self._is_done(door)
        return is_done

    def _is_done(self, door: Door) -> bool:
        return (door.head_bucket().status_code == 200) != self.deletes
