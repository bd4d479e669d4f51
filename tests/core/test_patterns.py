"""`*` and `?`, against the standard library's own matcher; and against patterns made to be slow."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.patterns import Pattern

TABLE = [
    ("", "", True),
    ("", "a", False),
    ("a", "a", True),
    ("a", "A", False),
    ("*", "", True),
    ("***", "anything", True),
    ("a*", "a", True),
    ("*a", "ba", True),
    ("a*a", "a", False),
    ("a*a", "aa", True),
    ("a?c", "abc", True),
    ("a?c", "ac", False),
    ("?*?", "a", False),
    ("?*?", "ab", True),
    ("*.example.org", "www.example.org", True),
    ("*.example.org", "example.org", False),
    ("a.c", "abc", False),
    ("ab*ba", "aba", False),
    ("*a\nb*", "xa\nby", True),
    ("photos/*/2024/*", "photos/ann/2024/cat.jpg", True),
]


@pytest.mark.parametrize(("pattern", "text", "fits"), TABLE)
def test_patterns(pattern: str, text: str, fits: bool) -> None:
    assert Pattern(pattern).fits(text) is fits


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_patterns_agree_with_the_standard_library(pattern: str, text: str) -> None:
    assert Pattern(pattern).fits(text) is fnmatch.fnmatchcase(text, pattern)


def test_a_pattern_made_to_backtrack_is_answered() -> None:
    """A backtracking matcher would need longer than a test may take."""
    assert not Pattern("*a" * 200 + "b").fits("a" * 1024)
