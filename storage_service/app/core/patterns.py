"""Text with `*` and `?`, as policies and CORS rules write it. Pure, and linear: a pattern is a stranger's.

A regular expression with several `.*` can be made to backtrack for minutes; pieces searched one after another cannot.
"""

import re


class Pattern:
    """`*` stands for any text, `?` for any one character. The whole of a text must fit."""

    __slots__ = ("_anything", "_exact", "_first", "_last", "_last_length", "_middle", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._anything = bool(text) and not text.strip("*")
        self._exact = "*" not in text and "?" not in text
        first, *rest = text.split("*")
        self._first = _piece(first)
        self._last = _piece(rest[-1]) if rest else None
        self._last_length = len(rest[-1]) if rest else 0
        self._middle = [_piece(piece) for piece in rest[:-1] if piece]

    def fits(self, given: str) -> bool:
        if self._anything:
            return True
        if self._exact:
            return given == self.text
        if self._last is None:
            return self._first.fullmatch(given) is not None
        start = self._end_of_middle(given)
        at = len(given) - self._last_length
        return 0 <= start <= at and self._last.fullmatch(given, at) is not None

    def _end_of_middle(self, given: str) -> int:
        """Where the last piece may begin: the first stands at the start, each next at its leftmost place. -1 = no."""
        found = self._first.match(given)
        for piece in self._middle:
            if found is None:
                return -1
            found = piece.search(given, found.end())
        return -1 if found is None else found.end()


def _piece(text: str) -> re.Pattern[str]:
    """An expression of fixed length: it cannot backtrack."""
    return re.compile("".join("." if char == "?" else re.escape(char) for char in text), re.DOTALL)
