"""The figures as a picture: a bar for each, beside the line it must reach. SVG, drawn from a record alone.

`python -m bench.picture record.json > docs/figures.svg`
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from bench.figures import Figure
from bench.questions import figures

WIDTH, ROW, LEFT, TOP, BAR = 960, 34, 430, 46, 380
MOST_LETTERS = 62  # of a line of words
FLOOR_AT = 0.5  # of the bar's room: twice as good fills it
COLOURS = {"met": "#2e7d4f", "met by the median": "#b8860b", "missed": "#b3402e"}
FONT = ' font-family="sans-serif" font-size="13"'
INK, FAINT, PAPER = "#1d2329", "#6b747d", "#ffffff"


def draw(found: Sequence[Figure], caption: str) -> str:
    """Bars grow with goodness: over the floor is right of the line, whether much or little is wanted."""
    height = TOP + ROW * len(found) + 28
    line = LEFT + BAR * FLOOR_AT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"{FONT}>',
        f"<title>{escape(caption)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
        f'<text x="16" y="26" font-size="15" fill="{INK}">{escape(caption)}</text>',
        *(part for number, figure in enumerate(found) for part in _row(figure, TOP + ROW * number)),
        f'<line x1="{line}" y1="{TOP}" x2="{line}" y2="{height - 24}" stroke="{INK}" stroke-dasharray="4 3"/>',
        f'<text x="{line}" y="{height - 8}" text-anchor="middle" fill="{FAINT}">what must be reached</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def goodness(figure: Figure) -> float:
    """1 at the floor; 2 for twice as much of what is wanted, or half of what is not."""
    value, bound = figure.spread.median, figure.floor.bound
    if figure.floor.kind == "least":
        return value / bound
    return bound / value if value > 0 else float("inf")


def _row(figure: Figure, y: float) -> list[str]:
    width = max(2.0, BAR * FLOOR_AT * min(goodness(figure), 1 / FLOOR_AT))
    colour, unit = COLOURS[figure.verdict], "" if figure.unit == "ratio" else f" {figure.unit}"
    sign = "≥" if figure.floor.kind == "least" else "≤"
    value = f"{figure.spread.median:.3g}{unit} ({sign} {figure.floor.bound:g})"
    words = figure.what if len(figure.what) <= MOST_LETTERS else figure.what[: MOST_LETTERS - 1] + "…"
    return [
        f'<text x="{LEFT - 10}" y="{y + 20}" text-anchor="end" fill="{INK}">{escape(words)}</text>',
        f'<rect x="{LEFT}" y="{y + 7}" width="{width:.1f}" height="18" fill="{colour}"/>',
        f'<text x="{LEFT + BAR + 8}" y="{y + 20}" fill="{FAINT}">{escape(value)}</text>',
    ]


def picture(record: Mapping[str, Any]) -> str:
    """Of a whole record."""
    cores = record["machine"]["cores"]
    caption = f"{record['dates'][-1]}, version {record['version']}, {record['mode']}, {cores} cores"
    return draw(figures(record["rows"]), caption)


if __name__ == "__main__":
    sys.stdout.write(picture(json.loads(Path(sys.argv[1]).read_text())))
