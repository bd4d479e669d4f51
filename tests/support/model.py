"""What the store must hold after a cut: bodies that tell where they come from, and a ledger.

The ledger lives in the test's memory, so no cut can touch it. Each operation is written down when
it is sent and stamped when its answer arrived. After a restart `judge` says of every key whether
what is there can be explained: the last acknowledged operation, or one that overlapped it, or one
whose answer never came (or came after the cut, when a dead machine could not have answered).
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

EMPTY: Final = "empty"  # the stamp of every body of 0 bytes
_SEPARATOR: Final = "\t"


class State(NamedTuple):
    """What a key holds: the stamp of its body (None = no such key) and the text of its one tag."""

    body: str | None
    tag: str | None = None


class Damage(NamedTuple):
    """A key that answers neither with a whole body nor with "no such key"."""

    reason: str


ABSENT: Final = State(None)
Observed = State | Damage


def render_body(stamp: str, length: int) -> bytes:
    """About `length` bytes (at least a header, or none) that name their stamp, length and hash."""
    if length == 0:
        return b""
    head = f"{stamp}{_SEPARATOR}{length}{_SEPARATOR}".encode()
    payload_length = max(0, length - len(head) - 65)
    payload = hashlib.shake_128(stamp.encode()).digest(payload_length)
    return head + hashlib.sha256(head + payload).hexdigest().encode() + b"\n" + payload


def read_body(body: bytes) -> str | Damage:
    """The stamp of a whole body."""
    if not body:
        return EMPTY
    line, newline, payload = body.partition(b"\n")
    head, digest = line[:-64], line[-64:]
    if not newline or head.count(_SEPARATOR.encode()) != 2:
        return Damage(f"no header in {len(body)} bytes: {body[:24]!r}")
    if hashlib.sha256(head + payload).hexdigest().encode() != digest:
        return Damage(f"torn: {len(body)} bytes of {head.decode(errors='replace')!r}")
    return head.decode().split(_SEPARATOR)[0]


@dataclass(slots=True, eq=False)
class Operation:
    """One change of one key, from the moment it was sent."""

    key: str
    state: State  # what the key holds if it took effect
    issued_ns: int
    acknowledged_ns: int | None = None
    refused: bool = False  # the service said that nothing happened
    before: State | None = None  # what its client knew of the key, if it is the client's own

    def acknowledge(self) -> None:
        self.acknowledged_ns = time.monotonic_ns()

    def is_certain(self, cut_ns: float) -> bool:
        return self.acknowledged_ns is not None and self.acknowledged_ns < cut_ns

    def is_late(self, cut_ns: float) -> bool:
        return self.acknowledged_ns is not None and self.acknowledged_ns >= cut_ns


class Finding(NamedTuple):
    kind: Literal["lost", "torn", "back", "unlisted"]
    key: str
    found: Observed
    allowed: frozenset[State]


@dataclass(slots=True)
class Report:
    """What one or several cycles showed; `+=` joins them."""

    cycles: int = 0
    cut_again: int = 0  # while it recovered from the cut before
    acknowledged: int = 0
    unanswered: int = 0
    late: int = 0
    late_not_held: int = 0
    slowest_ready_seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    wrong_reads: list[str] = field(default_factory=list)  # while the service ran

    def __iadd__(self, other: Report) -> Report:
        self.cycles += other.cycles
        self.cut_again += other.cut_again
        self.acknowledged += other.acknowledged
        self.unanswered += other.unanswered
        self.late += other.late
        self.late_not_held += other.late_not_held
        self.slowest_ready_seconds = max(self.slowest_ready_seconds, other.slowest_ready_seconds)
        self.findings += other.findings
        self.wrong_reads += other.wrong_reads
        return self

    @property
    def caught(self) -> bool:
        """Whether anything is wrong that no cut explains."""
        return bool(self.findings or self.wrong_reads)

    def count(self, kind: Literal["lost", "torn", "back", "unlisted"]) -> int:
        return sum(finding.kind == kind for finding in self.findings)

    def __str__(self) -> str:
        return (
            f"{self.cycles} cycles, {self.cut_again} more in recovery,"
            f" {self.acknowledged} acknowledged: {self.count('lost')} lost,"
            f" {self.count('torn')} torn, {self.count('back')} back,"
            f" {self.count('unlisted')} listed wrongly, {len(self.wrong_reads)} wrong reads;"
            f" {self.unanswered} unanswered, {self.late} late ({self.late_not_held} not held);"
            f" ready in {self.slowest_ready_seconds:.1f} s"
        )


class Ledger:
    """All operations since the state of every key was last known. Threads may share it."""

    def __init__(self, base: Mapping[str, State] | None = None) -> None:
        self.base = dict(base or {})
        self._operations: dict[str, list[Operation]] = {}

    def begin(self, key: str, state: State) -> Operation:
        """Write down an operation that is about to be sent."""
        operation = Operation(key, state, time.monotonic_ns())
        self._operations.setdefault(key, []).append(operation)  # both atomic under the GIL
        return operation

    @property
    def keys(self) -> list[str]:
        return sorted({*self.base, *self._operations})

    def operations(self, key: str) -> list[Operation]:
        return [one for one in self._operations.get(key, []) if not one.refused]

    def base_of(self, key: str) -> State:
        return self.base.get(key, ABSENT)

    def has_tags(self, key: str) -> bool:
        states = [self.base_of(key), *(one.state for one in self.operations(key))]
        return any(state.tag is not None for state in states)

    def compare(self, observed: Mapping[str, Observed], cut_ns: float = math.inf) -> Report:
        """Judge every key; `cut_ns` is the stamp of the cut or kill (none = everything counts)."""
        report = Report(cycles=1)
        for key in self.keys:
            operations, base = self.operations(key), self.base_of(key)
            report.acknowledged += sum(one.is_certain(cut_ns) for one in operations)
            report.unanswered += sum(one.acknowledged_ns is None for one in operations)
            late = sum(one.is_late(cut_ns) for one in operations)
            report.late += late
            found = observed.get(key, ABSENT)
            finding = judge(key, found, base, operations, cut_ns)
            if finding:
                report.findings.append(finding)
            elif late and judge(key, found, base, operations, math.inf):
                report.late_not_held += 1
        return report


def allowed_states(base: State, operations: Sequence[Operation], cut_ns: float = math.inf) -> frozenset[State]:
    """What a key may hold: each state that no acknowledged operation certainly replaced.

    An operation is certainly replaced when one sent after its answer was acknowledged before the
    cut. Without an answer it may have taken effect at any time, so it always may stand.
    """
    certain = [one for one in operations if one.is_certain(cut_ns)]
    last_issued = max((one.issued_ns for one in certain), default=None)
    states = set() if certain else {base}
    for one in operations:
        answered = one.acknowledged_ns if one.is_certain(cut_ns) else None
        if answered is None or last_issued is None or last_issued <= answered:
            states.add(one.state)
    return frozenset(states)


def judge(
    key: str,
    found: Observed,
    base: State,
    operations: Sequence[Operation],
    cut_ns: float = math.inf,
) -> Finding | None:
    """What is wrong with a key, if anything."""
    allowed = allowed_states(base, operations, cut_ns)
    if found in allowed:
        return None
    known = {base.body, *(one.state.body for one in operations)}
    if isinstance(found, Damage) or found.body not in {*known, None}:
        return Finding("torn", key, found, allowed)
    if found.body is not None and allowed == {ABSENT}:
        return Finding("back", key, found, allowed)
    return Finding("lost", key, found, allowed)


def compare_listing(listed: Iterable[str], observed: Mapping[str, Observed]) -> list[Finding]:
    """Keys that are listed but not readable, or the other way round. Damaged keys may be either."""
    names = set(listed)
    everything = {key: ABSENT for key in names} | dict(observed)
    return [
        Finding("unlisted", key, found, frozenset())
        for key, found in sorted(everything.items())
        if isinstance(found, State) and (found.body is not None) != (key in names)
    ]
