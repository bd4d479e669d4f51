"""The linearizability checker, by tables and against a brute-force search."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from tests.power.histories import Call, Value, after, check_register, holds


def get(issued: int, answered: int | None, value: Value) -> Call:
    return Call("get", issued, answered, value)


def put(issued: int, answered: int | None, value: Value) -> Call:
    return Call("put", issued, answered, value)


def delete(issued: int, answered: int | None, ok: bool = True) -> Call:
    return Call("delete", issued, answered, ok=ok)


def create(issued: int, answered: int | None, value: Value, ok: bool = True) -> Call:
    return Call("put_if_absent", issued, answered, value, ok=ok)


def swap(issued: int, answered: int | None, old: Value, new: Value, ok: bool = True) -> Call:
    return Call("put_if_match", issued, answered, new, old, ok)


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([], id="empty"),
        pytest.param([get(1, 2, None), put(3, 4, "a"), get(5, 6, "a")], id="one after the other"),
        pytest.param([put(1, 9, "a"), get(2, 3, None), get(4, 5, "a")], id="read during a put"),
        pytest.param([put(1, 9, "a"), put(2, 8, "b"), get(10, 11, "a")], id="overlapping, a last"),
        pytest.param([put(1, 9, "a"), put(2, 8, "b"), get(10, 11, "b")], id="overlapping, b last"),
        pytest.param([put(1, None, "a"), get(5, 6, None), get(7, 8, "a")], id="unanswered, late"),
        pytest.param([put(1, None, "a"), get(5, 6, None)], id="unanswered, never"),
        pytest.param(
            [put(1, 2, "a"), delete(3, None), get(4, 5, "a"), get(6, 7, None)],
            id="unanswered delete took effect between two reads",
        ),
        pytest.param([create(1, 9, "a"), create(2, 8, "b", ok=False)], id="one creator"),
        pytest.param([put(1, 2, "0"), swap(3, 9, "0", "1"), swap(4, 8, "0", "2", ok=False)], id="one swapper"),
        pytest.param([delete(1, 2, ok=False), put(3, 4, "a"), delete(5, 6)], id="delete of nothing"),
        pytest.param([get(1, None, "never seen"), put(2, 3, "a")], id="unanswered read says nothing"),
    ],
)
def test_histories_that_hold(calls: list[Call]) -> None:
    assert check_register(calls).linearizable


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([put(1, 2, "a"), get(3, 4, None)], id="acknowledged put not seen"),
        pytest.param([put(1, 2, "a"), put(3, 4, "b"), get(5, 6, "a")], id="stale read"),
        pytest.param([get(1, 2, "a"), put(3, 4, "a")], id="read from the future"),
        pytest.param([get(1, 2, "a")], id="value nobody wrote"),
        pytest.param([put(1, 20, "a"), get(2, 3, "a"), get(4, 5, None)], id="seen, then not seen any more"),
        pytest.param(
            [put(1, 20, "a"), put(1, 20, "b"), get(2, 3, "a"), get(4, 5, "b"), get(6, 7, "a")],
            id="back and forth",
        ),
        pytest.param([put(1, 2, "a"), delete(3, 4), get(5, 6, "a")], id="deleted, seen again"),
        pytest.param([create(1, 9, "a"), create(2, 8, "b")], id="two creators"),
        pytest.param([put(1, 2, "0"), swap(3, 9, "0", "1"), swap(4, 8, "0", "2")], id="lost update"),
        pytest.param([put(1, 2, "0"), swap(3, 4, "0", "1", ok=False)], id="refused without reason"),
        pytest.param([create(1, 2, "a", ok=False)], id="refused, but there was nothing"),
        pytest.param([put(1, 2, "a"), delete(3, 4, ok=False)], id="delete missed what was there"),
        pytest.param([put(1, None, "a"), get(3, 4, "a"), get(5, 6, None)], id="unanswered put undone"),
    ],
)
def test_histories_that_must_fail(calls: list[Call]) -> None:
    verdict = check_register(calls)
    assert not verdict.linearizable
    assert verdict.unexplained


def test_initial_value_counts() -> None:
    assert check_register([get(1, 2, "old")], initial="old").linearizable
    assert not check_register([get(1, 2, None)], initial="old").linearizable


def explained_by_brute_force(calls: list[Call]) -> bool:
    """Every subset of unanswered calls, every order."""
    must = [call for call in calls if call.answered is not None]
    may = [call for call in calls if call.answered is None]
    for chosen in range(1 << len(may)):
        subset = must + [call for i, call in enumerate(may) if chosen >> i & 1]
        if any(is_possible(order) for order in permutations(subset)):
            return True
    return False


def is_possible(order: tuple[Call, ...]) -> bool:
    state: Value = None
    for place, call in enumerate(order):
        overtaken = any(later.answered is not None and later.answered < call.issued for later in order[place + 1 :])
        if overtaken or not holds(call, state):
            return False
        state = after(call, state)
    return True


def random_call(random_: random.Random) -> Call:
    issued = random_.randrange(20)
    answered = None if random_.random() < 0.2 else issued + 1 + random_.randrange(8)
    value = random_.choice(["a", "b"])
    ok = answered is None or random_.random() < 0.7
    match random_.randrange(5):
        case 0:
            return get(issued, answered, random_.choice([None, "a", "b"]))
        case 1:
            return put(issued, answered, value)
        case 2:
            return delete(issued, answered, ok)
        case 3:
            return create(issued, answered, value, ok)
    return swap(issued, answered, random_.choice(["a", "b"]), value, ok)


def test_checker_agrees_with_brute_force_on_small_histories() -> None:
    random_ = random.Random(1)
    verdicts = []
    for _ in range(1500):
        calls = [random_call(random_) for _ in range(random_.randrange(1, 6))]
        verdicts.append(check_register(calls).linearizable)
        answered_or_effective = [c for c in calls if c.answered is not None or c.kind != "get"]
        assert verdicts[-1] == explained_by_brute_force(answered_or_effective), calls
    assert 0.1 < sum(verdicts) / len(verdicts) < 0.9  # both kinds were seen


def test_long_history_with_many_unanswered_calls_is_judged_in_time() -> None:
    """200 calls, 8 at a time, 12 of them unanswered; then the same with one stale read."""
    random_ = random.Random(2)
    calls, state = [], None
    for moment in range(200):
        when = moment * 10
        spread = random_.randrange(60), random_.randrange(1, 60)
        if random_.random() < 0.5:
            state = f"v{moment}"
            calls.append(put(when - spread[0], when + spread[1], state))
        else:
            calls.append(get(when - spread[0], when + spread[1], state))
    calls += [put(moment * 150, None, f"lost{moment}") for moment in range(12)]
    assert check_register(calls).linearizable
    assert not check_register([*calls, get(5000, 5001, "v0")]).linearizable
