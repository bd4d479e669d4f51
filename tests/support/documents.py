"""Markdown as tests read it: its headings, its fenced blocks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    text: str
    line: int  # of the fence


def blocks(page: Path, *languages: str) -> list[Block]:
    """The blocks in these languages, in order."""
    text = page.read_text(encoding="utf-8")
    found = [Block(match[1], match[2], text[: match.start()].count("\n") + 1) for match in FENCE.finditer(text)]
    return [block for block in found if block.language in languages]


def headings(page: Path, level: int = 2) -> list[str]:
    outside = FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.findall(rf"^#{{{level}}} (.+)$", outside, re.MULTILINE)
