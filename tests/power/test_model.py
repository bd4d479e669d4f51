"""The ledger's judgement, by tables: histories that hold, and histories it must complain about."""

from __future__ import annotations

import pytest

from tests.support.model import (
    ABSENT,
    EMPTY,
    Damage,
    Ledger,
    Observed,
    Operation,
    State,
    allowed_states,
    compare_listing,
    judge,
    read_body,
    render_body,
)

CUT = 100
A, B, C = State("a"), State("b"), State("c")


def at(state: State, issued: int, answered: int | None = None, refused: bool = False) -> Operation:
    return Operation("k", state, issued, answered, refused)


@pytest.mark.parametrize("length", [0, 100, 128, 4096, 1 << 20])
def test_body_tells_its_stamp(length: int) -> None:
    body = render_body("3.7", length)
    assert len(body) == length
    assert read_body(body) == ("3.7" if length else EMPTY)


def test_tiny_body_grows_to_its_header() -> None:
    assert read_body(render_body("3.7", 1)) == "3.7"


WHOLE = render_body("1.1", 4096)
OTHER = render_body("1.2", 4096)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(WHOLE[:-1], id="one byte short"),
        pytest.param(WHOLE[:20], id="header cut"),
        pytest.param(WHOLE + b"x", id="one byte more"),
        pytest.param(bytes(4096), id="zeros"),
        pytest.param(WHOLE[:2048] + OTHER[2048:], id="two halves"),
        pytest.param(WHOLE[:2048] + bytes(2048), id="second half zeros"),
        pytest.param(OTHER[:40] + WHOLE[40:], id="foreign header"),
    ],
)
def test_torn_body_is_recognised(body: bytes) -> None:
    assert isinstance(read_body(body), Damage)


@pytest.mark.parametrize(
    ("operations", "allowed"),
    [
        pytest.param([], {ABSENT}, id="nothing happened"),
        pytest.param([at(A, 1, 2)], {A}, id="acknowledged"),
        pytest.param([at(A, 1)], {ABSENT, A}, id="unanswered"),
        pytest.param([at(A, 1, 150)], {ABSENT, A}, id="answered after the cut"),
        pytest.param([at(A, 1, 2), at(B, 3, 4)], {B}, id="overwritten"),
        pytest.param([at(A, 1, 2), at(B, 3)], {A, B}, id="overwrite unanswered"),
        pytest.param([at(A, 1, 4), at(B, 3, 5)], {A, B}, id="overlapping, either is last"),
        pytest.param([at(A, 1, 4), at(B, 3, 5), at(C, 6, 7)], {C}, id="both overlapping replaced"),
        pytest.param([at(A, 1), at(B, 3, 4)], {A, B}, id="unanswered may come late"),
        pytest.param([at(A, 1, 9), at(B, 2, 3), at(C, 4, 5)], {A, C}, id="long one spans two"),
        pytest.param([at(A, 1, 2), at(ABSENT, 3, 4)], {ABSENT}, id="deleted"),
        pytest.param([at(A, 1, 2), at(ABSENT, 3)], {A, ABSENT}, id="delete unanswered"),
    ],
)
def test_allowed_states(operations: list[Operation], allowed: set[State]) -> None:
    assert allowed_states(ABSENT, operations, CUT) == allowed


@pytest.mark.parametrize(
    ("base", "operations", "found", "kind"),
    [
        pytest.param(ABSENT, [at(A, 1, 2)], A, None, id="held"),
        pytest.param(ABSENT, [at(A, 1, 2)], ABSENT, "lost", id="acknowledged put gone"),
        pytest.param(A, [at(B, 1, 2)], A, "lost", id="acknowledged overwrite undone"),
        pytest.param(A, [], ABSENT, "lost", id="old object gone without an operation"),
        pytest.param(A, [at(ABSENT, 1, 2)], A, "back", id="deleted object is back"),
        pytest.param(A, [at(ABSENT, 1)], ABSENT, None, id="unanswered delete took effect"),
        pytest.param(ABSENT, [at(A, 1, 2)], State("x"), "torn", id="body of no operation"),
        pytest.param(ABSENT, [at(A, 1, 2)], Damage("torn"), "torn", id="torn body"),
        pytest.param(ABSENT, [at(A, 1)], Damage("torn"), "torn", id="torn though unanswered"),
        pytest.param(A, [at(State("a", "t"), 1, 2)], A, "lost", id="acknowledged tag gone"),
        pytest.param(A, [at(State("a", "t"), 1, 200)], A, None, id="late tag gone"),
    ],
)
def test_judgement(base: State, operations: list[Operation], found: Observed, kind: str | None) -> None:
    finding = judge("k", found, base, operations, CUT)
    assert (finding and finding.kind) == kind


def test_refused_operation_never_happened() -> None:
    ledger = Ledger({"k": A})
    operation = ledger.begin("k", B)
    operation.refused = True
    assert ledger.compare({"k": A}).findings == []
    assert [finding.kind for finding in ledger.compare({"k": B}).findings] == ["torn"]


def test_late_acknowledgement_is_counted_apart() -> None:
    ledger = Ledger({"k": A})
    operation = ledger.begin("k", B)
    operation.acknowledge()
    assert operation.acknowledged_ns is not None
    cut_ns = operation.acknowledged_ns - 1
    held, undone = ledger.compare({"k": B}, cut_ns), ledger.compare({"k": A}, cut_ns)
    assert (held.late, held.late_not_held, held.caught) == (1, 0, False)
    assert (undone.late, undone.late_not_held, undone.caught) == (1, 1, False)
    assert ledger.compare({"k": A}).count("lost") == 1


def test_listing_must_name_what_can_be_read_and_nothing_else() -> None:
    observed: dict[str, Observed] = {"here": A, "gone": ABSENT, "damaged": Damage("500")}
    assert compare_listing(["here"], observed) == []
    wrong = compare_listing(["gone", "unheard-of"], observed)
    assert [finding.key for finding in wrong] == ["gone", "here", "unheard-of"]
