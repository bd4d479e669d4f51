"""Rows of tables in the text that `pg_dump` writes. Pure.

Source: PostgreSQL documentation, COPY, "Text Format"; pg_dump, "--format=plain".
"""

import re
from collections.abc import Iterable, Iterator

TITLE = "-- PostgreSQL database dump"
COPY = re.compile(r'COPY (?:"?\w+"?\.)?"?(\w+)"? \((.*)\) FROM stdin;')
END, NULL = r"\.", r"\N"
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

Row = dict[str, str]


def rows_of(lines: Iterable[str]) -> Iterator[tuple[str, Row]]:
    """Table, and values by column; NULL is an empty text."""
    table, columns = "", [""]
    for line in lines:
        text = line.removesuffix("\n")
        if table and text != END:
            yield table, dict(zip(columns, map(_value, text.split("\t")), strict=False))
        elif table:
            table = ""
        elif begun := COPY.fullmatch(text):
            table, columns = begun[1], [name.strip(' "') for name in begun[2].split(",")]


def _value(text: str) -> str:
    return "" if text == NULL else ESCAPED.sub(lambda found: LETTERS.get(found[1], found[1]), text)
