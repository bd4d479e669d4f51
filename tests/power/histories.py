"""Is there an order in which these calls on one key could have happened one after the other?

A Wing & Gong search with Lowe's memory of visited configurations, for a register with conditional
writes. Pure. Source: Wing, Gong, "Testing and Verifying Concurrent Objects" (1993); Lowe, "Testing
for linearizability" (2017).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

Value = str | None  # None = no such key
Kind = Literal["get", "put", "delete", "put_if_absent", "put_if_match"]


class Call(NamedTuple):
    """One call of one client, from sending it to its answer.

    `answered` None: no answer, so it may have taken effect at any time after, or never. `ok` False:
    the store said that a condition did not hold (put_if_*), or that there was nothing (delete).
    """

    kind: Kind
    issued: int
    answered: int | None
    value: Value = None  # written, or seen by a get
    expected: Value = None  # of put_if_match
    ok: bool = True


class Verdict(NamedTuple):
    linearizable: bool
    unexplained: tuple[Call, ...]  # what was left where the search came farthest


def holds(call: Call, state: Value) -> bool:
    """Whether the call may answer as it did while the register holds `state`."""
    match call.kind:
        case "get":
            return state == call.value
        case "delete":
            return (state is not None) == call.ok
        case "put_if_absent":
            return (state is None) == call.ok
        case "put_if_match":
            return (state == call.expected) == call.ok
    return True


def after(call: Call, state: Value) -> Value:
    """What the register holds after it."""
    if call.kind == "get" or not call.ok:
        return state
    return None if call.kind == "delete" else call.value


def changes_nothing(call: Call) -> bool:
    return call.kind == "get" or not call.ok


class _Search(NamedTuple):
    """A configuration: the calls still to place (bits), and what the register holds by then.

    An unanswered call is placed only right before one that could not answer as it did without it:
    elsewhere it may as well come later or never. So after placing one, `without` is what the
    register held before it, and the next call must not fit there.
    """

    left: int
    state: Value
    demanding: bool = False
    without: Value = None

    def fits(self, call: Call) -> bool:
        return holds(call, self.state) and not (self.demanding and holds(call, self.without))

    def taking(self, i: int, call: Call) -> _Search:
        left, state = self.left & ~(1 << i), after(call, self.state)
        if call.answered is None:
            return _Search(left, state, True, self.state)
        return _Search(left, state)


def check_register(calls: Sequence[Call], initial: Value = None) -> Verdict:
    """Search for an order that respects real time and explains every answer."""
    # An unanswered call counts only by its effect, and a get has none.
    ordered = sorted(
        (call for call in calls if call.answered is not None or call.kind != "get"),
        key=lambda call: call.issued,
    )
    everything = (1 << len(ordered)) - 1
    answered = sum(1 << i for i, call in enumerate(ordered) if call.answered is not None)
    stack = [_Search(everything, initial)]
    visited: set[_Search] = set()
    farthest = answered
    while stack:
        here = _take_what_changes_nothing(ordered, stack.pop())
        if not here.left & answered:
            return Verdict(True, ())
        if here in visited:
            continue
        visited.add(here)
        if (here.left & answered).bit_count() < farthest.bit_count():
            farthest = here.left & answered
        stack += [here.taking(i, ordered[i]) for i in _possible_next(ordered, here.left) if here.fits(ordered[i])]
    return Verdict(False, tuple(ordered[i] for i in _members(farthest)))


def _take_what_changes_nothing(ordered: Sequence[Call], here: _Search) -> _Search:
    """Reads that may stand here are put here: that never spoils what follows."""
    taken = True
    while taken:
        taken = False
        for i in _possible_next(ordered, here.left):
            if changes_nothing(ordered[i]) and here.fits(ordered[i]):
                here = here.taking(i, ordered[i])
                taken = True
    return here


def _possible_next(ordered: Sequence[Call], left: int) -> list[int]:
    """Those of the remaining calls that were sent before any of the others was answered."""
    possible: list[int] = []
    first_answer: int | None = None
    for i in _members(left):
        call = ordered[i]
        if first_answer is not None and call.issued > first_answer:
            break  # sorted by issue: all later ones too
        possible.append(i)
        if call.answered is not None and (first_answer is None or call.answered < first_answer):
            first_answer = call.answered
    return possible


def _members(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
