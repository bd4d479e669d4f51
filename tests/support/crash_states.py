"""What a power cut may leave of a weak disk: a choice of the states that its rules allow."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from tests.support.weakdisk import Keeps, WeakDisk


def crash_states(disk: WeakDisk, random_states: int, seed: int = 0, most_singles: int = 1000) -> Iterator[WeakDisk]:
    """What may be left: nothing unsynced, all of it, all but one, one alone, one torn; then any combination."""
    counted: list[str] = []

    def count(what: str) -> int:
        counted.append(what)
        return 1

    yield disk.after_cut(count)
    for choice in (0, 2):
        yield disk.after_cut(_always(choice))
    dice = random.Random(seed)
    singles = dice.sample(range(len(counted)), min(most_singles, len(counted)))
    for rest, one in ((1, 0), (0, 1), (1, 2)):
        for index in singles:
            yield disk.after_cut(_but(index, one, rest))
    for _ in range(random_states if counted else 0):
        yield disk.after_cut(lambda _: dice.choice((0, 1, 1, 2)))


def _always(choice: int) -> Keeps:
    return lambda _: choice


def _but(index: int, one: int, rest: int) -> Keeps:
    numbers = itertools.count()
    return lambda _: one if next(numbers) == index else rest
