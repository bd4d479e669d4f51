"""A record as Markdown: `python -m bench.report record.json > docs/figures.md`. Pure but for reading it."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.figures import Figure, Row, select, spread
from bench.questions import figures

LOADS = (
    "put4k_burst",
    "put4k_sustained",
    "get4k_public",
    "commit_wait",
    "get64m",
    "put64m",
    "half_open",
    "s3_get4k",
    "s3_head4k",
    "s3_put4k_burst",
    "s3_put4k_sustained",
    "s3_delete4k",
    "s3_delete_batch",
    "s3_mixed64k",
    "s3_list",
    "s3_get64m",
    "s3_put64m",
    "s3_multipart",
)
UNITS = "A request of `s3_delete_batch` is one key, of `s3_list` one page, of `s3_multipart` 256 MiB."
BUSY_SHARE = 0.1  # of the machine: above it neighbours had a say
SIGNIFICANT = 3


def render(record: Mapping[str, Any]) -> str:
    """The whole page."""
    rows: Sequence[Row] = record["rows"]
    parts = [
        "# Figures",
        _preface(record),
        "![Each figure beside what it must reach](figures.svg)",
        render_figures(figures(rows)),
        "## What they are made of",
        _loads(rows, record["machine"]["cores"]),
        _waits(rows),
        "## How far to trust them",
        _trust(rows, record["machine"]["cores"]),
        _durations(record.get("phase_seconds", {})),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_figures(found: Sequence[Figure]) -> str:
    """The table of floors."""
    lines = ["| figure | | floor | min / median / max | |", "|---|---|---|---|---|"]
    for figure in found:
        sign = "≥" if figure.floor.kind == "least" else "≤"
        unit = "" if figure.unit == "ratio" else f" {figure.unit}"
        values = " / ".join(map(number, figure.spread))
        floor = f"{sign} {figure.floor.bound:g}{unit}"
        lines.append(f"| `{figure.name}` | {figure.what} | {floor} | {values}{unit} | {figure.verdict} |")
    return "\n".join(lines)


def number(value: float) -> str:
    """Three significant digits, thousands separated, no exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 10**SIGNIFICANT:
        return f"{value:,.0f}"
    digits = SIGNIFICANT - len(str(int(abs(value)))) if abs(value) >= 1 else SIGNIFICANT
    return f"{value:.{digits}f}"


def machine_class(machine: Mapping[str, Any]) -> str:
    return (
        f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB,"
        f" {machine['file_system']} with {number(machine['syncs_per_second'])} syncs/s,"
        f" Linux {machine['kernel']}, Python {machine['python']}"
    )


def _preface(record: Mapping[str, Any]) -> str:
    kind = " **A quick run: shorter loads and fewer keys than the figures ask for.**"
    dates = " and ".join(record["dates"])
    lines = [
        f"{dates}, version {record['version']}, mode **{record['mode']}**,"
        f" {_rounds(record['rows'])} interleaved rounds on loopback, every server started fresh."
        + kind
        * record["quick"],
        f"Machine: {machine_class(record['machine'])}. The load generator runs on the same cores.",
        "A ratio compares both sides within a round, each at its best number of workers (1 or 2)."
        " How: `bench/README.md`.",
    ]
    if record.get("failures"):
        lines.append(f"**Measurements that failed: {'; '.join(record['failures'])}**")
    return "\n\n".join(lines)


def _rounds(rows: Sequence[Row]) -> str:
    """How many each phase has had."""
    seen = {(row["phase"], row["round"]) for row in rows}
    counts = Counter(phase for phase, _ in seen).values()
    least, most = min(counts, default=0), max(counts, default=0)
    return str(most) if least == most else f"{least} to {most}"


def _loads(rows: Sequence[Row], cores: int) -> str:
    head = "| phase | target | workers | requests/s, min / median / max | p50 ms | p99 ms |"
    lines = [head + " CPU ms each | errors |", "|---" * 8 + "|"]
    for phase in LOADS:
        for target in sorted({row["target"] for row in rows if row["phase"] == phase}):
            for workers in (1, 2, 4):
                if found := select(rows, phase, target, workers):
                    lines.append(_load(phase, found))
    if len(lines) == len(("head", "rule")):
        return ""
    return "\n".join(lines) + f"\n\n{UNITS}" * any(row["phase"].startswith("s3_") for row in rows)


def _load(phase: str, rows: Sequence[Row]) -> str:
    rates = " / ".join(map(number, spread([row["rate"] for row in rows])))
    p50, p99 = (_middle(rows, name, 1 / 1000) for name in ("p50_us", "p99_us"))
    each = spread([1000 * row["server_cpu_seconds"] / row["answered"] for row in rows]).median
    errors = sum(row["errors"] for row in rows)
    names = f"| {phase} | {rows[0]['target']} | {rows[0]['workers']} |"
    return f"{names} {rates} | {p50} | {p99} | {each:.3f} | {errors} |"


def _waits(rows: Sequence[Row]) -> str:
    found = select(rows, "commit_wait", "ours")
    if not found:
        return ""
    own = all(row.get("commit_p99_ms") is not None for row in found)
    source = (
        "the service's own histogram of commits (upper bound of the bucket)"
        if own
        else "the latency of whole requests at 32 connections, an upper bound: the service does not"
        " tell its commits apart"
    )
    few = ", ".join(
        f"{_middle(select(rows, 'commit_wait', 'ours', workers), 'moderate_p99_us', 1 / 1000)} ms with {workers}"
        for workers in sorted({row["workers"] for row in found})
    )
    return f"`commit_wait` is {source}. With 8 connections p99 of whole requests was {few} workers."


def _trust(rows: Sequence[Row], cores: int) -> str:
    canaries = " / ".join(map(number, spread([row["canary_ms"] for row in rows])))
    loads = " / ".join(map(number, spread([row["load_average"] for row in rows])))
    loaded = [row for row in rows if "other_cpu_seconds" in row]
    text = f"A fixed piece of work took {canaries} ms (min / median / max; equal is good); load average {loads}."
    if loaded:
        shares = [row["other_cpu_seconds"] / (cores * row["seconds"]) for row in loaded]
        disturbed = sum(share > BUSY_SHARE for share in shares)
        text += (
            f" Neither server nor generator: {number(100 * spread(shares).median)} % of all cores"
            f" (median), above {BUSY_SHARE:.0%} in {disturbed} of {len(shares)} measurements."
        )
    return text


def _middle(rows: Sequence[Row], name: str, factor: float) -> str:
    """A median; nothing where it was not measured."""
    found = [row[name] * factor for row in rows if name in row]
    return number(spread(found).median) if found else ""


def _durations(phase_seconds: Mapping[str, Sequence[float]]) -> str:
    each = ", ".join(f"`{name}` {max(spent):.0f}" for name, spent in phase_seconds.items())
    return f"A round took at most, in seconds: {each}." if each else ""


if __name__ == "__main__":
    sys.stdout.write(render(json.loads(Path(sys.argv[1]).read_text())))
